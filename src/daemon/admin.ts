import * as v from "valibot";
import { ownersKnownToDocker } from "../docker/ask.ts";
import { isDockerOwner } from "../docker/owners.ts";
import type { Engine } from "../engine/engine.ts";
import { asUnderlayError, type Code, UnderlayError } from "../lib/errors.ts";
import { quote, word } from "../lib/quote.ts";
import {
  type Body,
  type DaemonBody,
  type ErrorBody,
  findById,
  findingBody,
  gcBody,
  networkBody,
  networkRow,
  type SchemaName,
  statusBody,
} from "./api.ts";
import { bridgeBody } from "./bridge-json.ts";
import { type Call, type DaemonInfo, readBody } from "./call.ts";
import { endpointBody } from "./endpoint-json.ts";
import type { NetworkRows } from "./network-json.ts";
import { PeersRequest } from "./peer-json.ts";
import { addPeers, peers, peersOn, removePeers } from "./peers.ts";

/** RFC 9110 section 15. The code in the body is what programs should read. */
const HTTP_STATUS = {
  invalid_request: 400,
  invalid_option: 400,
  refused: 409,
  not_found: 404,
  conflict: 409,
  not_yet: 501,
  kernel: 500,
  unsupported: 501,
  permission: 403,
  state: 500,
  unreachable: 503,
  timeout: 504,
  internal: 500,
} satisfies Record<Code, number>;

type Answer = Body<SchemaName> | NetworkRows;

export interface Route {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  /** Names of what may stand behind the question mark. */
  readonly query?: readonly string[];
  /** What its body has to be. */
  readonly takes?: v.GenericSchema;
  readonly answers: SchemaName;
  readonly help: string;
  readonly answer: (call: Call) => Answer | Promise<Answer>;
}

/** Explicit both ways: an empty body must not delete anything. */
const GcRequest = v.strictObject({ dry_run: v.boolean(), ask_docker: v.optional(v.boolean(), false) });

export const ROUTES: readonly Route[] = [
  {
    ...{ method: "GET", path: "/v1/status", answers: "underlay.status/v1", answer: status },
    help: "one screen of everything",
  },
  {
    ...{ method: "GET", path: "/v1/networks", answers: "underlay.networks/v1", answer: networks },
    query: ["without=findings"],
    help: "all networks; with the query without what is wrong with each, for which nothing is judged",
  },
  {
    ...{ method: "GET", path: "/v1/networks/:id", answers: "underlay.network/v1", answer: network },
    help: "one network with its endpoints; `:id` is its id, its owner, or as much of the id as no other network has",
  },
  {
    ...{ method: "GET", path: "/v1/endpoints", answers: "underlay.endpoints/v1", answer: endpoints },
    help: "all endpoints",
  },
  {
    ...{ method: "GET", path: "/v1/endpoints/:id", answers: "underlay.endpoint/v1", answer: endpoint },
    help: "one endpoint, found as a network is",
  },
  {
    ...{ method: "GET", path: "/v1/peers", answers: "underlay.peers/v1", answer: peers },
    query: ["network=ID"],
    help: "hosts that networks have tunnels to: of all networks, or of one",
  },
  {
    ...{ method: "POST", path: "/v1/peers", answers: "underlay.peer-changes/v1", answer: addPeers },
    takes: PeersRequest,
    help: "tunnels of a network to these hosts too; all of them or none",
  },
  {
    ...{ method: "DELETE", path: "/v1/peers", answers: "underlay.peer-changes/v1", answer: removePeers },
    query: ["network=ID", "address=ADDRESS"],
    help: "no tunnels to these hosts any more; `address` may be repeated",
  },
  {
    ...{ method: "POST", path: "/v1/gc", answers: "underlay.gc/v1", answer: gc },
    takes: GcRequest,
    help: "compares records with the kernel now, and drops what nobody can use",
  },
];

/**
 * Answers the admin API. Never rejects: every failure is `{error: {code, message}}` with a fitting HTTP status.
 * Routes on the raw path, because Bun.serve gives `request.url` as a bare path when the Host header is empty.
 */
export function adminHandler(engine: Engine, info: DaemonInfo): (request: Request) => Promise<Response> {
  return async (request) => {
    try {
      const { route, ...asked } = routeOf(request);
      return Response.json(await route.answer({ engine, info, ...asked, request }));
    } catch (thrown) {
      return errorResponse(asUnderlayError(thrown));
    }
  };
}

export function errorBody(error: UnderlayError, fix?: string): ErrorBody {
  const { code, message } = error;
  const problems = error.problems.map((problem) => ({ subject: problem.subject, message: problem.message }));
  return {
    error: { code, message, ...(fix !== undefined && { fix }), ...(problems.length > 0 && { problems }) },
  };
}

function errorResponse(error: UnderlayError): Response {
  return Response.json(errorBody(error), { status: HTTP_STATUS[error.code] });
}

function routeOf(request: Request): { route: Route } & Pick<Call, "id" | "query"> {
  const [path = "", query] = request.url.replace(/^[a-z]+:\/\/[^/]*/i, "").split(/[?#]/);
  const matches = ROUTES.flatMap((route) => {
    const id = matchPath(route.path, path);
    return id === undefined ? [] : [{ route, id, query: new URLSearchParams(query) }];
  });
  const match = matches.find(({ route }) => route.method === request.method);
  if (match) return match;
  if (matches.length === 0)
    throw new UnderlayError("not_found", `there is no ${word(path)} in the admin API`);
  throw new UnderlayError("invalid_request", `${word(path)} does not take ${word(request.method)}`);
}

/** The id in the path, or "" when the pattern has none; undefined when they do not match. */
function matchPath(pattern: string, path: string): string | undefined {
  if (!pattern.endsWith("/:id")) return pattern === path ? "" : undefined;
  const base = pattern.slice(0, -":id".length);
  const rest = path.startsWith(base) ? path.slice(base.length) : "";
  return rest === "" || rest.includes("/") ? undefined : decode(rest);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (thrown) {
    throw new UnderlayError("invalid_request", `${quote(text)} is not percent-encoded text`, {
      cause: thrown,
    });
  }
}

function daemonBody(info: DaemonInfo): DaemonBody {
  return {
    version: info.version,
    pid: info.pid,
    started_at: info.startedAt,
    state_dir: info.stateDir,
    drivers: [...info.drivers],
  };
}

function status({ engine, info }: Call): Body<"underlay.status/v1"> {
  return statusBody(
    daemonBody(info),
    engine.networks.list().map(networkBody),
    engine.endpoints.list().map(endpointBody),
    engine.findings().map(findingBody),
    info.host(),
  );
}

function networks({ engine, query }: Call): Body<"underlay.networks/v1"> | NetworkRows {
  if (query.get("without") === "findings") {
    return { schema: "underlay.networks/v1", networks: engine.networks.rows().map(networkRow) };
  }
  return { schema: "underlay.networks/v1", networks: engine.networks.list().map(networkBody) };
}

async function network({ engine, info, id }: Call): Promise<Body<"underlay.network/v1">> {
  const found = findById("network", engine.networks.list().map(networkBody), id);
  const own = engine.endpoints.list().filter((view) => view.network === found.owner);
  const told = { schema: "underlay.network/v1", network: found, endpoints: own.map(endpointBody) } as const;
  if (found.kind !== "ovs") return told;
  const [bridge, { peers }] = await Promise.all([bridgeOf(info, found.parent), peersOn(info, [found])]);
  return { ...told, ...bridge, ...(found.tunnel && { peers }) };
}

/** That the switch does not answer is told beside what the records say. */
async function bridgeOf({ bridge }: DaemonInfo, name: string) {
  try {
    const view = await bridge(name);
    return { bridge: view ? bridgeBody(view) : null };
  } catch (thrown) {
    return { bridge_error: asUnderlayError(thrown).message };
  }
}

function endpoints({ engine }: Call): Body<"underlay.endpoints/v1"> {
  return { schema: "underlay.endpoints/v1", endpoints: engine.endpoints.list().map(endpointBody) };
}

function endpoint({ engine, id }: Call): Body<"underlay.endpoint/v1"> {
  const found = findById("endpoint", engine.endpoints.list().map(endpointBody), id);
  return { schema: "underlay.endpoint/v1", endpoint: found };
}

async function gc({ engine, info, request }: Call): Promise<Body<"underlay.gc/v1">> {
  const { dry_run, ask_docker } = await readBody(request, GcRequest);
  if (!ask_docker) return gcBody(await engine.reconcile({ dryRun: dry_run }));
  const known = await ownersKnownToDocker(info.dockerSocket, info.drivers);
  return gcBody(
    await engine.reconcile({
      dryRun: dry_run,
      isForgotten: (owner) => isDockerOwner(owner) && !known.has(owner),
    }),
  );
}
