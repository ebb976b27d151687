import { join } from "node:path";
import * as v from "valibot";
import { type Body, ErrorBody, SCHEMAS, type SchemaName } from "../daemon/api.ts";
import { NetworkRows } from "../daemon/network-json.ts";
import { CODES, UnderlayError } from "../lib/errors.ts";

/** What shows networks and endpoints: the daemon, or the records when none runs. */
export interface Source {
  status(): Promise<Body<"underlay.status/v1">>;
  networks(): Promise<Body<"underlay.networks/v1">>;
  /** The same without what is wrong with each. */
  networkRows(): Promise<NetworkRows>;
  network(id: string): Promise<Body<"underlay.network/v1">>;
  /** Of one network, or of all. */
  peers(network?: string): Promise<Body<"underlay.peers/v1">>;
  changePeers(change: PeersChange): Promise<Body<"underlay.peer-changes/v1">>;
  endpoints(): Promise<Body<"underlay.endpoints/v1">>;
  endpoint(id: string): Promise<Body<"underlay.endpoint/v1">>;
  gc(options: { readonly dryRun: boolean; readonly askDocker: boolean }): Promise<Body<"underlay.gc/v1">>;
}

export interface PeersChange {
  readonly verb: "add" | "rm";
  readonly network: string;
  readonly addresses: readonly string[];
}

export const ADMIN_SOCKET = "underlay.sock";

/**
 * Milliseconds: a handler answers within 10 s (DESIGN section 5); garbage collection may wait for many links, and a change
 * of peers for the switch, once for each and once more to put them back.
 */
const TIMEOUT = { read: 12_000, gc: 60_000, peers: 60_000 } as const;

/**
 * The daemon behind `runDir/underlay.sock`. Its errors come through with their code; besides those it throws
 * `unreachable` (no daemon), `permission` (socket of another user), `timeout`, and `internal` for an answer that is
 * not of our schema.
 */
export function daemonClient(runDir: string, timeout: number = TIMEOUT.read): Source {
  const socket = join(runDir, ADMIN_SOCKET);
  const get = <Name extends SchemaName>(schema: Name, path: string) =>
    call(socket, schema, path, { signal: AbortSignal.timeout(timeout) });
  return {
    status: () => get("underlay.status/v1", "/v1/status"),
    networks: () => get("underlay.networks/v1", "/v1/networks"),
    networkRows: async () => {
      const path = "/v1/networks?without=findings";
      const body = await exchange(socket, path, { signal: AbortSignal.timeout(timeout) });
      return understood(socket, "underlay.networks/v1", v.safeParse(NetworkRows, body), body);
    },
    network: (id) => get("underlay.network/v1", `/v1/networks/${encodeURIComponent(id)}`),
    peers: (network) => {
      const query = network === undefined ? "" : `?${new URLSearchParams({ network })}`;
      return get("underlay.peers/v1", `/v1/peers${query}`);
    },
    changePeers({ verb, network, addresses }) {
      const signal = AbortSignal.timeout(TIMEOUT.peers);
      const query = new URLSearchParams({ network });
      for (const address of addresses) query.append("address", address);
      return verb === "add"
        ? call(socket, "underlay.peer-changes/v1", "/v1/peers", {
            ...{ method: "POST", body: JSON.stringify({ network, addresses }), signal },
          })
        : call(socket, "underlay.peer-changes/v1", `/v1/peers?${query}`, {
            ...{ method: "DELETE", signal },
          });
    },
    endpoints: () => get("underlay.endpoints/v1", "/v1/endpoints"),
    endpoint: (id) => get("underlay.endpoint/v1", `/v1/endpoints/${encodeURIComponent(id)}`),
    gc: ({ dryRun, askDocker }) =>
      call(socket, "underlay.gc/v1", "/v1/gc", {
        method: "POST",
        body: JSON.stringify({ dry_run: dryRun, ask_docker: askDocker }),
        signal: AbortSignal.timeout(TIMEOUT.gc),
      }),
  };
}

async function call<Name extends SchemaName>(
  socket: string,
  schema: Name,
  path: string,
  init: RequestInit,
): Promise<Body<Name>> {
  const body = await exchange(socket, path, init);
  // Indexing the table by Name and parsing with what comes out is the pairing that Body states.
  return understood(socket, schema, v.safeParse(SCHEMAS[schema], body), body) as Body<Name>;
}

type Read<Answer> = { readonly success: true; readonly output: Answer } | { readonly success: false };

/** The answer as it was read; else throws what the body says instead. */
function understood<Answer>(socket: string, schema: SchemaName, read: Read<Answer>, body: unknown): Answer {
  if (read.success) return read.output;
  const failure = v.safeParse(ErrorBody, body);
  if (!failure.success) {
    const message = `the daemon at ${socket} does not answer as ${schema}: is it of another version? Restart it`;
    throw new UnderlayError("internal", message, { inputs: { socket, schema } });
  }
  const { code, message, problems } = failure.output.error;
  const known = CODES.find((candidate) => candidate === code) ?? "internal";
  throw new UnderlayError(known, message, { problems: problems ?? [] });
}

async function exchange(socket: string, path: string, init: RequestInit): Promise<unknown> {
  try {
    const response = await fetch(`http://underlay${path}`, { ...init, unix: socket });
    return await response.json();
  } catch (thrown) {
    throw callError(thrown, socket);
  }
}

/** What `fetch` throws for a unix socket, by the `code` or `name` of the error. */
const CALL_ERRORS: Readonly<Record<string, (socket: string) => UnderlayError>> = {
  ENOENT: (socket) => notRunning(`there is no ${socket}`, socket),
  ECONNREFUSED: (socket) => notRunning(`nobody listens on ${socket}`, socket),
  ConnectionRefused: (socket) => notRunning(`nobody listens on ${socket}`, socket),
  FailedToOpenSocket: (socket) => notRunning(`${socket} cannot be opened`, socket),
  ECONNRESET: (socket) => notRunning(`${socket} was closed without an answer`, socket),
  EACCES: (socket) =>
    new UnderlayError("permission", `${socket} may not be opened by this user: run as root`, {
      inputs: { socket },
    }),
  TimeoutError: (socket) =>
    new UnderlayError("timeout", `the daemon at ${socket} did not answer in time`, { inputs: { socket } }),
};

function callError(thrown: unknown, socket: string): UnderlayError {
  const known =
    thrown instanceof Error ? (CALL_ERRORS[codeOf(thrown)] ?? CALL_ERRORS[thrown.name]) : undefined;
  if (known) return known(socket);
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new UnderlayError("unreachable", `the daemon at ${socket} does not answer: ${text}`, {
    cause: thrown,
    inputs: { daemon: socket },
  });
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : "";
}

function notRunning(why: string, socket: string): UnderlayError {
  return new UnderlayError("unreachable", `daemon is not running: ${why}`, { inputs: { daemon: socket } });
}
