import * as v from "valibot";
import type { Finding } from "../conditions/condition.ts";
import type { Engine } from "../engine/engine.ts";
import { UnderlayError } from "../lib/errors.ts";
import type { BridgeView, TunnelState } from "../links/ovs/view.ts";

/** What the routes of the admin API are called with. */

/** What the daemon knows about itself. */
export interface DaemonInfo {
  readonly version: string;
  readonly pid: number;
  /** RFC 3339. */
  readonly startedAt: string;
  readonly stateDir: string;
  readonly dockerSocket: string;
  /** Names under which Docker finds us. */
  readonly drivers: readonly string[];
  /** What is wrong with the host, as last looked at. */
  readonly host: () => readonly Finding[] | undefined;
  /** The bridge of that name, as the switch has it. Throws `unreachable`, `timeout`. */
  readonly bridge: (name: string) => Promise<BridgeView | undefined>;
  /** Tunnels of all networks. Throws as it does. */
  readonly tunnels: () => Promise<readonly TunnelState[]>;
}

export interface Call {
  readonly engine: Engine;
  readonly info: DaemonInfo;
  /** The `:id` of the path, decoded. */
  readonly id: string;
  readonly query: URLSearchParams;
  readonly request: Request;
}

/** A body needs a few bytes; more is a mistake. */
const MOST_BODY = 64 * 1024;

export async function readBody<Schema extends v.GenericSchema>(
  request: Request,
  schema: Schema,
): Promise<v.InferOutput<Schema>> {
  const read = v.safeParse(schema, parseJson(await readText(request)));
  if (read.success) return read.output;
  throw new UnderlayError("invalid_request", read.issues.map((issue) => issue.message).join("; "));
}

/** The server itself has no limit, and a chunked body tells its length too late. */
async function readText(request: Request): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of request.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MOST_BODY) throw new UnderlayError("invalid_request", "the body is too long");
  }
  return text + decoder.decode();
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw new UnderlayError("invalid_request", "the body is no JSON", { cause: thrown });
  }
}
