import { contains, formatIp, type Ip, isUnspecified, LINK_LOCAL, parseCidr, parseIp } from "./ip.ts";
import type { Reading } from "./options.ts";
import { quote } from "./quote.ts";

/** Address of another host, where a tunnel ends, in the text of RFC 5952. Only this file makes one. */
export type Peer = string & { readonly __peer: true };

/** Says what would be right when no tunnel can end there. Names are never looked up. */
export function readPeer(text: string): Reading<Peer> {
  const ip = parseIp(text);
  if (!ip) {
    const words = "is no IP address; peers are given by address, never by name";
    return { problem: `${quote(text)} ${words}` };
  }
  const why = isUnspecified(ip)
    ? "is no host's address"
    : NO_PEERS.find(({ pool }) => contains(pool, ip))?.why;
  return why === undefined ? { value: formatIp(ip) as Peer } : { problem: `${quote(text)} ${why}` };
}

interface NoPeers {
  readonly pool: { readonly ip: Ip; readonly prefix: number };
  readonly why: string;
}

function noPeers(cidr: string, why: string): readonly NoPeers[] {
  const pool = parseCidr(cidr);
  return pool ? [{ pool, why }] : [];
}

const ONE_HOST = "is a group's address, and a tunnel ends at one host";
const THIS_HOST = "is this host itself to every host";

const NO_PEERS: readonly NoPeers[] = [
  ...noPeers("224.0.0.0/4", ONE_HOST),
  ...noPeers("ff00::/8", ONE_HOST),
  ...noPeers("255.255.255.255/32", ONE_HOST),
  ...noPeers("0.0.0.0/8", "is no host's address"),
  ...noPeers("127.0.0.0/8", THIS_HOST),
  ...noPeers("::1/128", THIS_HOST),
  ...noPeers("::ffff:0:0/96", "is an IPv4 address in the clothes of IPv6; write it as IPv4"),
  { pool: LINK_LOCAL, why: "is a link-local address, which Open vSwitch cannot say the link of" },
];
