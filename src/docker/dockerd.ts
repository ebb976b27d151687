import * as v from "valibot";
import { UnderlayError } from "../lib/errors.ts";

/**
 * The Engine API as far as networks are moved by it. Never to be asked inside a plugin call: dockerd may be waiting for
 * our answer.
 */
export interface Dockerd {
  /** All networks, of every driver and scope. */
  networks(): Promise<readonly DockerNetwork[]>;
  /** All containers, stopped ones too, without what only `container` tells. */
  containers(): Promise<readonly ListedContainer[]>;
  /** Undefined when it is gone. */
  container(id: string): Promise<DockerContainer | undefined>;
  /** Throws `refused` with what dockerd, or the driver behind it, says. */
  createNetwork(body: NetworkToCreate): Promise<void>;
  /** One that is gone already is success. Throws `conflict` with what dockerd says. */
  removeNetwork(id: string): Promise<void>;
}

const texts = v.nullish(v.record(v.string(), v.string()), {});
const text = v.nullish(v.string(), "");
const flag = v.nullish(v.boolean(), false);

const Pool = v.object({
  Subnet: text,
  IPRange: text,
  Gateway: text,
  AuxiliaryAddresses: texts,
});

/** What `GET /networks` tells of one; keys that are not here are of no use to who makes it anew. */
export const DockerNetwork = v.object({
  Name: v.pipe(v.string(), v.nonEmpty()),
  Id: v.pipe(v.string(), v.nonEmpty()),
  Scope: text,
  Driver: text,
  /** Absent before Docker 28. */
  EnableIPv4: v.optional(v.boolean()),
  EnableIPv6: flag,
  IPAM: v.nullish(v.object({ Driver: text, Options: texts, Config: v.nullish(v.array(Pool), []) }), {}),
  Internal: flag,
  Attachable: flag,
  Ingress: flag,
  ConfigFrom: v.nullish(v.object({ Network: text }), {}),
  ConfigOnly: flag,
  Options: texts,
  Labels: texts,
});
export type DockerNetwork = v.InferOutput<typeof DockerNetwork>;

const Address = v.nullish(
  v.object({ IPv4Address: text, IPv6Address: text, LinkLocalIPs: v.nullish(v.array(v.string()), []) }),
  {},
);

/** A container's part of one network. Ids and addresses are empty while it does not run. */
const Endpoint = v.object({
  /** What its user asked for. */
  IPAMConfig: Address,
  Aliases: v.nullish(v.array(v.string()), []),
  Links: v.nullish(v.array(v.string()), []),
  DriverOpts: texts,
  /** Absent before Docker 28. */
  GwPriority: v.nullish(v.number(), 0),
  NetworkID: text,
  IPAddress: text,
  GlobalIPv6Address: text,
  MacAddress: text,
});
export type DockerEndpoint = v.InferOutput<typeof Endpoint>;

const Networks = v.nullish(v.object({ Networks: v.nullish(v.record(v.string(), Endpoint), {}) }), {});
const HostConfig = v.nullish(v.object({ NetworkMode: text }), {});

const ListedContainer = v.object({ Id: v.string(), HostConfig, NetworkSettings: Networks });
export type ListedContainer = v.InferOutput<typeof ListedContainer>;

const DockerContainer = v.object({
  Id: v.string(),
  /** With a slash before it. */
  Name: text,
  State: v.nullish(v.object({ Status: text }), {}),
  Config: v.nullish(v.object({ MacAddress: text }), {}),
  HostConfig,
  NetworkSettings: Networks,
});
export type DockerContainer = v.InferOutput<typeof DockerContainer>;

/** Body of `POST /networks/create`. */
export interface NetworkToCreate {
  readonly Name: string;
  readonly Driver: string;
  readonly [key: string]: unknown;
}

/** Milliseconds. dockerd calls the driver within a change; and looks for a driver that is not there for 15 s, twice. */
const PATIENCE = { read: 5_000, change: 60_000 } as const;

/**
 * `patience`: milliseconds for an answer to a question. Throws `unreachable`, `permission`, `timeout`; and `internal`
 * for an answer that is not the Engine API's.
 */
export function dockerdAt(socket: string, patience: number = PATIENCE.read): Dockerd {
  const read = async <Schema extends v.GenericSchema>(schema: Schema, path: string) => {
    const { status, body } = await exchange(socket, "GET", path, patience);
    if (status === 404) return undefined;
    if (status >= 300) throw new UnderlayError("unreachable", `dockerd at ${socket}: ${said(status, body)}`);
    const answer = v.safeParse(schema, body);
    if (answer.success) return answer.output;
    const [issue] = answer.issues;
    const message = `dockerd at ${socket} answers ${path} with something else: ${issue?.message ?? ""}`;
    throw new UnderlayError("internal", message, { inputs: { socket } });
  };
  return {
    networks: async () => (await read(v.array(DockerNetwork), "/networks")) ?? [],
    containers: async () => (await read(v.array(ListedContainer), "/containers/json?all=true")) ?? [],
    container: (id) => read(DockerContainer, `/containers/${encodeURIComponent(id)}/json`),
    createNetwork: async (wanted) => {
      const { status, body } = await exchange(socket, "POST", "/networks/create", PATIENCE.change, wanted);
      if (status < 300) return;
      throw new UnderlayError("refused", said(status, body), { inputs: { network: wanted.Name } });
    },
    removeNetwork: async (id) => {
      const { status, body } = await exchange(
        socket,
        "DELETE",
        `/networks/${encodeURIComponent(id)}`,
        PATIENCE.change,
      );
      if (status < 300 || status === 404) return;
      throw new UnderlayError("conflict", said(status, body), { inputs: { network: id } });
    },
  };
}

function said(status: number, body: unknown): string {
  const failure = v.safeParse(v.object({ message: v.string() }), body);
  return failure.success ? failure.output.message : `it answered ${status}`;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

async function exchange(
  socket: string,
  method: "GET" | "POST" | "DELETE",
  path: string,
  patience: number,
  body?: object,
): Promise<Answer> {
  const signal = AbortSignal.timeout(patience);
  try {
    const response = await fetch(`http://docker${path}`, {
      method,
      unix: socket,
      signal,
      ...(body && { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
    const text = await response.text();
    return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
  } catch (cause) {
    throw exchangeError(cause, socket);
  }
}

function exchangeError(cause: unknown, socket: string): UnderlayError {
  const inputs = { socket };
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  if (code === "EACCES" || code === "EPERM")
    return new UnderlayError("permission", `${socket} may not be opened by this user: run as root`, {
      inputs,
    });
  if (cause instanceof Error && cause.name === "TimeoutError")
    return new UnderlayError("timeout", `dockerd at ${socket} did not answer in time`, { cause, inputs });
  const why = cause instanceof Error ? cause.message : String(cause);
  return new UnderlayError("unreachable", `dockerd does not answer on ${socket}: ${why}`, { cause, inputs });
}
