import { type Problem, problemsError, UnderlayError } from "../lib/errors.ts";
import { quote } from "../lib/quote.ts";
import { flag, list, mapOf, openStruct, type Shape, struct, text, whole } from "../lib/shape.ts";

/**
 * The requests of libnetwork's remote driver as they come over the wire, field names as in
 * `drivers/remote/api/api.go` of moby. Here only types are judged; what the values mean is read by
 * `network.ts` and `endpoint.ts`.
 */

/** Whom a call concerns; also what its log line says. */
export interface Subject {
  readonly NetworkID?: string;
  readonly EndpointID?: string;
}

/** What a message of any method may carry. */
export interface AnyMessage extends Subject {
  readonly Options?: unknown;
}

const network = { NetworkID: identifier("NetworkID") };
const endpoint = { ...network, EndpointID: identifier("EndpointID") };

const ipamData = struct({ AddressSpace: text, Pool: text, Gateway: text, AuxAddresses: mapOf(text) });

/** Keys of package netlabel. What `-o` and `--default-network-opt` gave is in `generic`, strings only. */
const networkOptions = struct({
  "com.docker.network.generic": mapOf(text),
  /** Since Docker 28; its absence means an older one, where IPv4 is always on. */
  "com.docker.network.enable_ipv4": flag,
  "com.docker.network.enable_ipv6": flag,
  "com.docker.network.internal": flag,
});

const port = whole(0xffff);
const exposedPorts = list(struct({ Proto: whole(0xff), Port: port }));
const portMap = list(
  struct({ Proto: whole(0xff), IP: text, Port: port, HostIP: text, HostPort: port, HostPortEnd: port }),
);

/** What Docker itself puts beside the user's own options of an endpoint. */
const endpointOptions = openStruct({
  "com.docker.network.portmap": portMap,
  "com.docker.network.endpoint.exposedports": exposedPorts,
  "com.docker.network.endpoint.ifname": text,
  "com.docker.network.endpoint.sysctls": text,
  /** Base64 of the six bytes; the same address stands as text in Interface.MacAddress. */
  "com.docker.network.endpoint.macaddress": text,
  "com.docker.network.endpoint.dnsservers": list(text),
});

export const createNetwork = struct({
  ...network,
  Options: networkOptions,
  IPv4Data: list(ipamData),
  IPv6Data: list(ipamData),
});

export const gwAllocCheck = struct({ Options: networkOptions });

export const createEndpoint = struct({
  ...endpoint,
  Interface: struct({ Address: text, AddressIPv6: text, MacAddress: text }),
  Options: endpointOptions,
});

export const aboutNetwork = struct(network);
export const aboutEndpoint = struct(endpoint);
/** Where the container's netns is, as a path on the host. */
export const join = struct({ ...endpoint, SandboxKey: text });
/** Messages of swarm's node discovery and its allocator, of which nothing is used. */
export const anyMessage = struct({});

export type CreateNetwork = ReturnType<typeof createNetwork>;
export type CreateEndpoint = ReturnType<typeof createEndpoint>;
export type IpamData = ReturnType<typeof ipamData>;
export type PortBinding = ReturnType<typeof portMap>[number];

/**
 * A value as a message. Throws `invalid_request` with all its problems.
 */
export function parseMessage<T>(shape: Shape<T>, value: unknown): T {
  if (value === undefined) throw new UnderlayError("invalid_request", "the request has no body");
  const problems: Problem[] = [];
  const message = shape(value, "", problems);
  if (problems.length > 0) throw problemsError("invalid_request", problems);
  return message;
}

/**
 * Docker's ids are 64 hex digits, swarm's 25 of base 36. They become parts of owner keys, where a slash parts them.
 */
function identifier(name: string): Shape<string> {
  return (value, path, problems) => {
    const before = problems.length;
    const id = text(value, path, problems);
    if (problems.length > before || /^[0-9A-Za-z_.-]{1,128}$/.test(id)) return id;
    const message = id === "" ? `${name} is missing` : `${name} is not an id of Docker's: ${quote(id)}`;
    problems.push({ subject: name, message });
    return "";
  };
}
