import type { BondFacts, LinkFacts, RouteFacts } from "../../lib/facts.ts";
import { isHostLinkName, isOurLinkName } from "../../lib/ifname.ts";
import type { Cidr, Ip } from "../../lib/ip.ts";
import type { Mac } from "../../lib/mac.ts";
import { nearest } from "../../lib/nearest.ts";
import { decodeAttrs } from "../../netlink/attribute.ts";
import { BOND_MODE, bondModeName, bondTable } from "../../netlink/kinds/bond.ts";
import { IFF, isUp, type PartOfLink } from "../../netlink/link.ts";
import type { LinkInfo } from "../../netlink/link-info.ts";
import { nextHopsOf, type Route, RTN_UNICAST } from "../../netlink/route.ts";

/** What dumps of the home namespace say about a parent. Pure: kernel objects in, facts out. */

/** What is looked at of the links beside the parent. */
export const OF_NEIGHBOURS = [
  "name",
  "altNames",
  "info",
  "link",
  "linkNetnsid",
  "address",
  "permAddress",
] as const;
export type Neighbour = PartOfLink<(typeof OF_NEIGHBOURS)[number]>;

/** What is looked at of the parent itself. */
export type Looked = PartOfLink<(typeof OF_NEIGHBOURS)[number] | "carrier" | "mtu" | "master">;

export function linkFacts(
  link: Looked,
  links: readonly Neighbour[],
  addresses: readonly Cidr[],
  wireless: LinkFacts["wireless"],
): LinkFacts {
  const { header, attrs } = link;
  const { name = "", altNames = [], info, carrier, mtu = 0, address, permAddress } = attrs;
  const master = masterOf(link, links);
  const bond = bondBelow(link, links);
  return {
    ifindex: header.index,
    name,
    altNames,
    ...(info?.kind !== undefined && { kind: info.kind }),
    hardwareType: header.type,
    up: isUp(link),
    loopback: (header.flags & IFF.IFF_LOOPBACK) !== 0,
    ...(carrier !== undefined && { carrier: carrier !== 0 }),
    mtu,
    ...(typeof address === "string" && { mac: address }),
    ...(typeof permAddress === "string" && { permanentMac: permAddress }),
    ...(master && { master }),
    ...(wireless && { wireless }),
    ...(bond && { bond }),
    addresses,
  };
}

/** The owner's kind is its own, or what it calls its members when it has none (a hypervisor's failover pair). */
function masterOf({ attrs }: Looked, links: readonly Neighbour[]): LinkFacts["master"] {
  const ifindex = attrs.master;
  if (ifindex === undefined || ifindex === 0) return undefined;
  const owner = links.find(({ header }) => header.index === ifindex);
  const kind = owner?.attrs.info?.kind ?? attrs.info?.slaveKind;
  return { ifindex, name: owner?.attrs.name ?? `#${ifindex}`, ...(kind !== undefined && { kind }) };
}

/** VLANs may be stacked; more than this is no VLAN stack. */
export const MOST_STACKED = 8;

/** The bond that a link is, or hangs on through links of the same netns. */
function bondBelow(link: Looked, links: readonly Neighbour[]): BondFacts | undefined {
  let at: Neighbour | undefined = link;
  for (let depth = 0; at !== undefined && depth < MOST_STACKED; depth++) {
    const { name = "", info, link: lower, linkNetnsid }: Neighbour["attrs"] = at.attrs;
    if (info?.kind === "bond") return { name, mode: bondModeName(bondMode(info)) };
    if (info?.kind !== "vlan" || linkNetnsid !== undefined) return undefined;
    at = links.find(({ header }) => header.index === lower);
  }
  return undefined;
}

/** A kernel that does not tell has the driver's default, BOND_MODE_ROUNDROBIN. */
function bondMode(info: LinkInfo): number {
  const data = "rawData" in info ? info.rawData : undefined;
  return (data && decodeAttrs(bondTable, data).mode) ?? BOND_MODE["balance-rr"];
}

/** A route to everywhere, through links: not `unreachable default`. */
function isDefault({ header }: Route): boolean {
  return header.dst_len === 0 && header.type === RTN_UNICAST;
}

/** Index of the link of the default route: the lowest metric wins, and IPv4 before IPv6. */
export function defaultLink(v4: readonly Route[], v6: readonly Route[]): number | undefined {
  for (const routes of [v4, v6]) {
    const [best] = routes.filter(isDefault).toSorted((a, b) => metric(a) - metric(b));
    const [hop] = best ? nextHopsOf(best) : [];
    if (hop) return hop.ifindex;
  }
  return undefined;
}

function metric({ attrs }: Route): number {
  return attrs.priority ?? 0;
}

/** Next hops of the default routes through a link. */
export function routersThrough(routes: readonly Route[], ifindex: number): Ip[] {
  return routes
    .filter(isDefault)
    .flatMap(nextHopsOf)
    .flatMap((hop) => (hop.ifindex === ifindex && hop.gateway !== undefined ? [hop.gateway] : []));
}

/**
 * All but those to link-local addresses. Every link with IPv6 has one, which says nothing of anybody else's: of thousands
 * of VLANs there are thousands.
 */
export function withoutLinkLocal(routes: readonly Route[]): Route[] {
  return routes.filter(({ attrs }) => attrs.destination === undefined || !isLinkLocal(attrs.destination));
}

/** Unicast routes but the default ones that do not go through the link. */
export function throughOthers(routes: readonly Route[], ifindex: number): Route[] {
  return routes.filter((route) => {
    const isOrdinary = route.header.type === RTN_UNICAST && route.attrs.destination !== undefined;
    return isOrdinary && !nextHopsOf(route).some((hop) => hop.ifindex === ifindex);
  });
}

/** fe80::/10: RFC 4291 section 2.4. */
function isLinkLocal({ family, bytes: [first = 0, second = 0] }: Ip): boolean {
  return family === 6 && first === 0xfe && (second & 0xc0) === 0x80;
}

/** Indexes of the links that the routes go through. */
export function hopsOf(routes: readonly Route[]): number[] {
  return [...new Set(routes.flatMap(nextHopsOf).map((hop) => hop.ifindex))];
}

/** Where else the host sends packets: unicast routes but the default ones, through links that are not ours. */
export function routesElsewhere(
  routes: readonly Route[],
  links: readonly Neighbour[],
  ifindex: number,
): RouteFacts[] {
  const names = new Map(links.map(({ header, attrs }) => [header.index, attrs.name ?? ""]));
  return throughOthers(routes, ifindex).flatMap((route) => {
    const { destination } = route.attrs;
    const [link] = nextHopsOf(route).flatMap((hop) => names.get(hop.ifindex) ?? []);
    if (destination === undefined) return [];
    if (link === undefined || isOurLinkName(link) || isHostLinkName(link)) return [];
    return [{ destination: { ip: destination, prefix: route.header.dst_len }, link }];
  });
}

/**
 * Links that a missing parent could be now. Of a parent that was there once: those with its MAC address. Of a name
 * that somebody just typed: the nearest spelling.
 */
export function candidatesFor(
  links: readonly Neighbour[],
  asked: string,
  memory: { readonly mac?: Mac } | undefined,
): string[] {
  if (memory !== undefined) return linksWithMac(links, memory.mac);
  const names = links.flatMap(({ attrs }) => [attrs.name ?? "", ...(attrs.altNames ?? [])]);
  const near = nearest(asked, names);
  return near === undefined ? [] : [near];
}

function linksWithMac(links: readonly Neighbour[], mac: Mac | undefined): string[] {
  if (mac === undefined) return [];
  return links
    .filter(({ attrs }) => (attrs.permAddress === mac || attrs.address === mac) && !isChild(attrs))
    .flatMap(({ attrs }) => attrs.name ?? []);
}

/** A VLAN, or a macvlan in passthru mode, has its parent's MAC address without being it. */
function isChild(attrs: Neighbour["attrs"]): boolean {
  return (
    attrs.link !== undefined &&
    attrs.link !== 0 &&
    attrs.linkNetnsid === undefined &&
    attrs.info?.kind !== "veth"
  );
}
