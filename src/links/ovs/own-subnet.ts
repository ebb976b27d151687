import {
  type Cidr,
  contains,
  formatCidr,
  formatIp,
  hasHostBits,
  type Ip,
  networkOf,
  parseCidr,
  parseIp,
  sameIp,
} from "../../lib/ip.ts";
import type { Reading } from "../../lib/options.ts";
import { quote } from "../../lib/quote.ts";
import type { OwnSubnet } from "../driver.ts";

/** The subnet of networks for which nobody brings one (`--ipam-driver null`). That of docker-ovs-plugin. */
export const OWN_SUBNET = "172.18.40.0/24";

/** Smaller ones have no room for a gateway, a container and the two addresses that IPv4 keeps for itself. */
const MOST_BITS = { 4: 30, 6: 126 } as const;

export function readSubnet(text: string): Reading<string> {
  const pool = parseCidr(text);
  if (pool === undefined) return { problem: `${quote(text)} is no subnet; write it like ${OWN_SUBNET}` };
  if (hasHostBits(pool)) {
    const whole = formatCidr({ ...pool, ip: networkOf(pool) });
    return { problem: `${quote(text)} has host bits set; ${whole} has not` };
  }
  const most = MOST_BITS[pool.ip.family];
  return pool.prefix > most
    ? { problem: `${quote(text)} is too small: at most /${most} holds a gateway and a container` }
    : { value: formatCidr(pool) };
}

export function readGateway(text: string): Reading<string> {
  const ip = parseIp(text);
  return ip
    ? { value: formatIp(ip) }
    : { problem: `${quote(text)} is no address; write it like 172.18.40.1` };
}

/**
 * What networks that bring no subnets get, of values that were read by the functions above. Without a gateway it is the
 * first address. One that no host of the subnet can have is a problem.
 */
export function ownSubnet(subnet: string, gateway: string | undefined): Reading<OwnSubnet> {
  const pool = parseCidr(subnet);
  if (pool === undefined) return { problem: `${quote(subnet)} is no subnet` };
  const given = gateway === undefined ? withHost(pool, () => 0, 1) : parseIp(gateway);
  if (given === undefined || !contains(pool, given))
    return { problem: `gateway ${gateway} is not in subnet ${subnet}` };
  const broadcast = withHost(pool, (mask) => mask, 0);
  const isNobodys = sameIp(given, pool.ip) || (given.family === 4 && sameIp(given, broadcast));
  return isNobodys
    ? {
        problem: `gateway ${formatIp(given)} is the first or the last address of ${subnet}, which no host has`,
      }
    : { value: { pool: subnet, gateway: formatIp(given) } };
}

/** The network's address with host bits: of each byte's mask, and `last` in the last one. */
function withHost({ ip, prefix }: Cidr, bits: (hostMask: number) => number, last: number): Ip {
  const bytes = ip.bytes.map((byte, i) => byte | bits(0xff >> Math.min(8, Math.max(0, prefix - i * 8))));
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | last;
  return { family: ip.family, bytes };
}
