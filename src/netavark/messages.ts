import { type Problem, problemsError, UnderlayError } from "../lib/errors.ts";
import { type Cidr, type Ip, parseCidr, parseIp } from "../lib/ip.ts";
import { word } from "../lib/quote.ts";
import { flag, list, mapOf, optional, type Shape, struct, text, whole } from "../lib/shape.ts";

/**
 * What podman and netavark say on stdin. A network comes from podman at `create` (absent keys are missing) and from
 * netavark later (absent keys are null); both are read the same. Source: netavark 1.17, src/network/types.rs.
 */

/** A message that is longer is somebody's mistake. */
export const MAX_MESSAGE_BYTES = 1024 * 1024;

export type Message = Readonly<Record<string, unknown>>;

/** Bytes that are no UTF-8 become U+FFFD. Throws `invalid_request` for what is no JSON object. */
export function readMessage(bytes: Uint8Array): Message {
  if (bytes.length > MAX_MESSAGE_BYTES) throw unreadable(`it is longer than ${MAX_MESSAGE_BYTES} bytes`);
  const value = parsed(new TextDecoder().decode(bytes));
  if (isMessage(value)) return value;
  const what = Array.isArray(value) ? "a list" : value === null ? "null" : `a ${typeof value}`;
  throw unreadable(`it must be an object, not ${what}`);
}

function parsed(raw: string): unknown {
  if (raw.trim() === "") throw unreadable("nothing came on stdin");
  try {
    return JSON.parse(raw);
  } catch (thrown) {
    throw unreadable(thrown instanceof Error ? thrown.message : String(thrown), thrown);
  }
}

function isMessage(value: unknown): value is Message {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unreadable(why: string, cause?: unknown): UnderlayError {
  return new UnderlayError("invalid_request", `cannot read the message: ${why}`, { cause });
}

/** Throws `invalid_request` with all that is not of the shape. */
export function read<T>(shape: Shape<T>, message: Message): T {
  const problems: Problem[] = [];
  const known = shape(message, "", problems);
  if (problems.length > 0) throw problemsError("invalid_request", problems);
  return known;
}

/** Undefined for the zero value; what is no address is a problem. */
function parsedBy<T>(parse: (given: string) => T | undefined, what: string): Shape<T | undefined> {
  return (value, path, problems) => {
    const given = text(value, path, problems);
    const found = given === "" ? undefined : parse(given);
    if (given !== "" && found === undefined)
      problems.push({ subject: path, message: `${path} must be ${what}, not ${word(given)}` });
    return found;
  };
}

const ip = parsedBy<Ip>(parseIp, "an IP address");
const cidr = parsedBy<Cidr>(parseCidr, "ADDRESS/PREFIX");

/** RTA_PRIORITY is a u32. */
const metric = optional(whole(0xffff_ffff));

const networkFields = struct({
  name: text,
  id: text,
  network_interface: text,
  internal: flag,
  options: mapOf(text),
  ipam_options: mapOf(text),
  subnets: list(struct({ subnet: cidr, gateway: ip })),
  routes: list(struct({ destination: cidr, gateway: ip, metric, route_type: text })),
  network_dns_servers: list(ip),
});

/** A network as podman keeps it. */
export const networkShape = networkFields;
export type NetworkMessage = ReturnType<typeof networkFields>;

/** What is attached where: one network of one container. */
export const execShape = struct({
  container_id: text,
  container_name: text,
  port_mappings: list(
    struct({ container_port: whole(65535), host_port: whole(65535), protocol: text, range: whole(65535) }),
  ),
  network: networkFields,
  network_options: struct({
    interface_name: text,
    static_ips: list(ip),
    static_mac: text,
    options: mapOf(text),
  }),
});
export type ExecMessage = ReturnType<typeof execShape>;

/** What is not as it should be is as good as absent. */
function lenient<T>(shape: Shape<T>): Shape<T> {
  return (value, path) => shape(value, path, []);
}

/** A teardown needs nothing but the name of the link, however wrong the rest has become. */
export const teardownShape = struct({
  container_id: lenient(text),
  network: lenient(struct({ name: text, id: text, network_interface: text, options: mapOf(text) })),
  network_options: struct({ interface_name: text }),
});
export type TeardownMessage = ReturnType<typeof teardownShape>;
