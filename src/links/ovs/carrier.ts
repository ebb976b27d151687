import { contains, formatIp, type Ip, parseIp } from "../../lib/ip.ts";
import type { Peer } from "../../lib/peer.ts";
import { listAddresses } from "../../netlink/address.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { getLink } from "../../netlink/link.ts";
import { listRoutes, nextHopsOf, type Route } from "../../netlink/route.ts";

/** A link that a network's frames leave the host by. */
export interface Carrier {
  readonly name: string;
  /** Bytes. */
  readonly mtu: number;
}

/**
 * The link of least MTU among those that lead to the peers, by the routes of the main table; undefined when no route is
 * known, which may yet come.
 */
export async function carrierToward(
  home: Conversation,
  peers: readonly string[],
): Promise<Carrier | undefined> {
  const addresses = peers.flatMap((peer) => parseIp(peer) ?? []);
  const indexes = new Set<number>();
  for (const family of [4, 6] as const) {
    const asked = addresses.filter((address) => address.family === family);
    if (asked.length === 0) continue;
    const routes = await listRoutes(home, family);
    for (const address of asked) for (const index of linksToward(routes, address)) indexes.add(index);
  }
  const carriers: Carrier[] = [];
  for (const ifindex of indexes) {
    const { name, mtu } = (await getLink(home, { ifindex }))?.attrs ?? {};
    if (name !== undefined && mtu !== undefined) carriers.push({ name, mtu });
  }
  return carriers.toSorted((a, b) => a.mtu - b.mtu)[0];
}

/** Those that are this host itself. */
export async function peersHere(home: Conversation, peers: readonly Peer[]): Promise<readonly Peer[]> {
  const own = new Set((await listAddresses(home)).map(({ cidr }) => formatIp(cidr.ip)));
  return peers.filter((peer) => own.has(peer));
}

/** Of the routes with the longest prefix, those of the lowest metric. */
function linksToward(routes: readonly Route[], address: Ip): readonly number[] {
  const fitting = routes.filter(({ header, attrs }) => {
    const prefix = header.dst_len;
    return attrs.destination === undefined
      ? prefix === 0
      : contains({ ip: attrs.destination, prefix }, address);
  });
  const order = ({ header, attrs }: Route) => [-header.dst_len, attrs.priority ?? 0] as const;
  const best = fitting.toSorted((a, b) => {
    const [[prefixA, metricA], [prefixB, metricB]] = [order(a), order(b)];
    return prefixA - prefixB || metricA - metricB;
  })[0];
  return best ? nextHopsOf(best).map(({ ifindex }) => ifindex) : [];
}
