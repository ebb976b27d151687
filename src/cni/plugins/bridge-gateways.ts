import { type Family, type Ip, isUnspecified, networkOf } from "../../lib/ip.ts";
import type { Result, ResultIp, ResultRoute } from "../result.ts";

/** What `isGateway` and `isDefaultGateway` add to what an IPAM plugin gave. */
export interface GatewayWish {
  readonly isGateway: boolean;
  /** Implies the other. */
  readonly isDefaultGateway: boolean;
}

/** Index of the container's link in the result. */
const INSIDE = 2;

/**
 * A gateway for addresses that have none, the first address of the subnet; and for each family a default route through
 * the gateway of its first address, unless there is one with a gateway already.
 */
export function withGateways(given: Result, { isGateway, isDefaultGateway }: GatewayWish): Result {
  const ips = given.ips.map((ip): ResultIp => {
    const gateway = ip.gateway ?? (isGateway ? firstOf(ip) : undefined);
    return { ...ip, interface: INSIDE, ...(gateway && { gateway }) };
  });
  const families = isDefaultGateway ? ([4, 6] as const) : [];
  const added = families.flatMap((family) => defaultRoute(family, ips, given.routes));
  return { ...given, ips, routes: [...given.routes, ...added] };
}

function defaultRoute(
  family: Family,
  ips: readonly ResultIp[],
  routes: readonly ResultRoute[],
): readonly ResultRoute[] {
  const first = ips.find(({ address }) => address.ip.family === family);
  const isThere = routes.some(
    ({ dst, gw }) =>
      gw !== undefined && dst.prefix === 0 && isUnspecified(dst.ip) && dst.ip.family === family,
  );
  if (!first?.gateway || isThere) return [];
  const bytes = new Uint8Array(first.address.ip.bytes.length);
  return [{ dst: { ip: { family, bytes }, prefix: 0 }, gw: first.gateway }];
}

function firstOf({ address }: ResultIp): Ip {
  const { family, bytes } = networkOf(address);
  return { family, bytes: plusOne(bytes) };
}

function plusOne(bytes: Uint8Array): Uint8Array {
  const next = bytes.slice();
  for (let at = next.length - 1; at >= 0; at--) {
    next[at] = (next[at] ?? 0) + 1;
    if (next[at] !== 0) break;
  }
  return next;
}
