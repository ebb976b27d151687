import type { Problem } from "../lib/errors.ts";
import { parseIp } from "../lib/ip.ts";
import { quote } from "../lib/quote.ts";

/** Where an ovsdb-server listens, in the words of ovsdb(7): `unix:FILE`, `tcp:HOST[:PORT]`, `tcp:[V6][:PORT]`. */
export type Target =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number };

/** Where every package of Open vSwitch has it. */
export const DEFAULT_TARGET = "unix:/run/openvswitch/db.sock";

/** IANA's port of OVSDB, which `ovs-vsctl set-manager ptcp:` opens. */
const PORT = 6640;

/** `sun_path` of `<linux/un.h>` and its final NUL. */
const MAX_PATH = 107;

const EXAMPLES = `${DEFAULT_TARGET} or tcp:127.0.0.1:${PORT}`;

/** Undefined, and a problem under the subject, when it is none. */
export function parseTarget(text: string, subject: string, problems: Problem[]): Target | undefined {
  const wrong = (why: string) => {
    problems.push({ subject, message: `${subject} ${quote(text)} ${why}` });
    return undefined;
  };
  const colon = text.indexOf(":");
  const kind = text.slice(0, Math.max(0, colon));
  const rest = text.slice(colon + 1);
  const refusal = REFUSED.get(kind);
  if (kind === "unix") return unixTarget(rest, wrong);
  if (kind === "tcp") return tcpTarget(rest, wrong);
  if (refusal) return wrong(refusal(rest));
  if (text.startsWith("/")) return wrong(`is a path alone: say unix:${text}`);
  return wrong(`must be unix:PATH or tcp:HOST:PORT, like ${EXAMPLES}`);
}

const listening = (rest: string) =>
  `is what a server listens on: say where it is reached, tcp:HOST:${rest.split(":")[0] || PORT}`;

/** Other connection methods of Open vSwitch. */
const REFUSED: ReadonlyMap<string, (rest: string) => string> = new Map([
  ["ptcp", listening],
  ["pssl", listening],
  ["punix", (rest) => `is what a server listens on: say unix:${rest}`],
  ["ssl", () => `asks for TLS, which is not spoken here: reach the server by ${EXAMPLES}`],
]);

type Wrong = (why: string) => undefined;

function unixTarget(path: string, wrong: Wrong): Target | undefined {
  if (!path.startsWith("/")) return wrong("must name an absolute path, like unix:/run/openvswitch/db.sock");
  if (path.includes("\0")) return wrong("has a NUL in its path");
  const length = Buffer.byteLength(path);
  if (length > MAX_PATH) return wrong(`has a path of ${length} bytes; a socket's has at most ${MAX_PATH}`);
  return { kind: "unix", path };
}

function tcpTarget(rest: string, wrong: Wrong): Target | undefined {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(rest);
  const plain = /^([^:[\]]+)(?::([^:]*))?$/.exec(rest);
  const [, host = "", port = String(PORT)] = bracketed ?? plain ?? [];
  if (!bracketed && parseIp(rest)?.family === 6)
    return wrong(`has an IPv6 address: say tcp:[${rest}]:${PORT}`);
  if (bracketed && parseIp(host)?.family !== 6) return wrong("has no IPv6 address between its brackets");
  if (!bracketed && !isHost(host)) return wrong(`must be tcp:HOST:PORT, like tcp:127.0.0.1:${PORT}`);
  const number = Number(port);
  if (!/^\d{1,5}$/.test(port) || number < 1 || number > 65535)
    return wrong(`has the port ${quote(port)}, which is none from 1 to 65535`);
  return { kind: "tcp", host, port: number };
}

/** An IPv4 address, or a name by RFC 1123; four numbers are no name. */
function isHost(host: string): boolean {
  if (/^[\d.]+$/.test(host)) return parseIp(host)?.family === 4;
  return host.length <= 253 && /^[a-z\d]([a-z\d-]*[a-z\d])?(\.[a-z\d]([a-z\d-]*[a-z\d])?)*$/i.test(host);
}

/** The text that is parsed to it. */
export function formatTarget(target: Target): string {
  if (target.kind === "unix") return `unix:${target.path}`;
  return `tcp:${target.host.includes(":") ? `[${target.host}]` : target.host}:${target.port}`;
}
