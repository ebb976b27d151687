import { fromHex, toHex } from "../../../lib/bytes.ts";
import {
  type Cidr,
  contains,
  formatCidr,
  formatIp,
  type Ip,
  LINK_LOCAL,
  networkOf,
} from "../../../lib/ip.ts";
import { type Address, AF, addressFormat, IFA_F, readAddresses } from "../../../netlink/address.ts";
import type { Conversation } from "../../../netlink/conversation.ts";
import { decodeBody, encodeBody } from "../../../netlink/message.ts";
import {
  destinationOf,
  legsAsRoutes,
  nextHopsOf,
  type Route,
  RT_TABLE_LOCAL,
  RTM_F_CLONED,
  RTN_UNICAST,
  RTPROT_KERNEL,
  readRoutes,
  routeFormat,
} from "../../../netlink/route.ts";

/**
 * What the host has on a link, and loses when that becomes a port of a bridge: its addresses, and the routes that lead
 * over it. Kept as the kernel told it, with attributes that we know nothing of.
 */
export interface Belongings {
  readonly addresses: readonly Belonging[];
  readonly routes: readonly Belonging[];
}

export interface Belonging {
  /** For people, and to find it again on another link. */
  readonly text: string;
  /** Of its netlink message, in hex. */
  readonly body: string;
}

/** As read from the kernel. */
export interface Held {
  readonly addresses: readonly Address[];
  readonly routes: readonly Route[];
}

export interface LinkName {
  readonly name: string;
  readonly ifindex: number;
}

export const NOTHING: Belongings = { addresses: [], routes: [] };

/** Of all tables and both families. */
export async function readHeld(home: Conversation, ifindex: number): Promise<Held> {
  const addresses = await readAddresses(home, ifindex);
  const routes = (await readRoutes(home, 4)).filter((route) => leadsOver(route, ifindex));
  // While both links have it, an IPv6 route is one with two legs.
  const routes6 = (await readRoutes(home, 6)).flatMap((route) => legsAsRoutes(route, ifindex));
  return { addresses, routes: [...routes, ...routes6.filter((route) => leadsOver(route, ifindex))] };
}

/**
 * What of it has to be carried: all but what the kernel makes by itself on every link, and makes again with an address. In
 * the order in which it can be given: addresses, routes to what is on the link, routes through gateways.
 */
export function belongingsOf({ addresses, routes }: Held): Belongings {
  const own = addresses.filter((address) => !isLinkLocal(address));
  const kept = routes.filter((route) => isCarried(route, own));
  return {
    addresses: own.map((address) => ({
      text: addressText(address),
      body: toHex(encodeBody(addressFormat, address.header, address.attrs)),
    })),
    routes: kept
      .toSorted((a, b) => Number(isThroughGateway(a)) - Number(isThroughGateway(b)))
      .map((route) => ({
        text: routeText(route),
        body: toHex(encodeBody(routeFormat, route.header, route.attrs)),
      })),
  };
}

/** Why it cannot be carried, for people; undefined when it can. */
export function whyNotCarried(nic: string, { addresses, routes }: Held): string | undefined {
  const leased = addresses.find((address) => !isLinkLocal(address) && !isPermanent(address));
  if (leased) {
    const who = leased.header.family === AF.AF_INET ? "a DHCP client" : "the kernel or a DHCP client";
    return (
      `has ${addressText(leased)} for a time only: ${who} renews it, and would do so on ${nic}, where nobody hears it; ` +
      "give the host a static address first"
    );
  }
  const object = routes.find(({ attrs }) => attrs.nexthop !== undefined);
  if (object) return `has a route to ${routeText(object)} by a nexthop object, which cannot be moved`;
  return undefined;
}

/** What of it is among the other, found by its text. */
export function sharedWith(mine: Belongings, others: Belongings): Belongings {
  const among = (own: readonly Belonging[], theirs: readonly Belonging[]) => {
    const texts = new Set(theirs.map(({ text }) => text));
    return own.filter(({ text }) => texts.has(text));
  };
  return {
    addresses: among(mine.addresses, others.addresses),
    routes: among(mine.routes, others.routes),
  };
}

/** Both; of what is in both, the second. */
export function joined(first: Belongings, second: Belongings): Belongings {
  const merge = (some: readonly Belonging[], more: readonly Belonging[]) => [
    ...new Map([...some, ...more].map((each) => [each.text, each])).values(),
  ];
  return {
    addresses: merge(first.addresses, second.addresses),
    routes: merge(first.routes, second.routes),
  };
}

export function isNothing({ addresses, routes }: Belongings): boolean {
  return addresses.length === 0 && routes.length === 0;
}

export function addressesIn({ addresses }: Belongings): Address[] {
  return addresses.map(({ body }) => decodeBody(addressFormat, fromHex(body)));
}

export function routesIn({ routes }: Belongings): Route[] {
  return routes.map(({ body }) => decodeBody(routeFormat, fromHex(body)));
}

/** Gateways of default routes: who answered before has to answer afterwards. */
export function gatewaysOf(belongings: Belongings): Ip[] {
  const gateways = routesIn(belongings)
    .filter(({ header }) => header.dst_len === 0)
    .flatMap((route) => nextHopsOf(route).flatMap(({ gateway }) => gateway ?? []));
  return [...new Map(gateways.map((ip) => [formatIp(ip), ip])).values()];
}

function cidrOf({ header, attrs }: Address): Cidr | undefined {
  const ip = attrs.local ?? attrs.address;
  return ip && { ip, prefix: header.prefixlen };
}

function addressText(address: Address): string {
  const cidr = cidrOf(address);
  return cidr ? formatCidr(cidr) : "an address";
}

function isLinkLocal(address: Address): boolean {
  const cidr = cidrOf(address);
  return cidr === undefined || contains(LINK_LOCAL, cidr.ip);
}

/** IFA_FLAGS has more bits than the header, and the same ones. */
export function flagsOf({ header, attrs }: Address): number {
  return attrs.flags ?? header.flags;
}

function isPermanent(address: Address): boolean {
  return (flagsOf(address) & IFA_F.IFA_F_PERMANENT) !== 0;
}

function leadsOver(route: Route, ifindex: number): boolean {
  return nextHopsOf(route).some((hop) => hop.ifindex === ifindex);
}

export function tableOf({ header, attrs }: Route): number {
  return attrs.table ?? header.table;
}

function isThroughGateway({ attrs }: Route): boolean {
  return attrs.gateway !== undefined || attrs.multipath !== undefined;
}

function isCarried(route: Route, addresses: readonly Address[]): boolean {
  const { header } = route;
  return (
    tableOf(route) !== RT_TABLE_LOCAL &&
    header.type === RTN_UNICAST &&
    (header.flags & RTM_F_CLONED) === 0 &&
    !isMadeByKernel(route, addresses)
  );
}

/** NetworkManager and others make such a route themselves, for an address that is told to bring none. */
function isMadeByKernel(route: Route, addresses: readonly Address[]): boolean {
  if (route.header.protocol !== RTPROT_KERNEL) return false;
  const destination = destinationOf(route);
  if (contains(LINK_LOCAL, destination.ip)) return true;
  return addresses.some((address) => {
    if ((flagsOf(address) & IFA_F.IFA_F_NOPREFIXROUTE) !== 0) return false;
    const ip = address.attrs.address ?? address.attrs.local;
    if (!ip) return false;
    const cidr = { ip, prefix: address.header.prefixlen };
    return formatCidr({ ...cidr, ip: networkOf(cidr) }) === formatCidr(destination);
  });
}

function routeText(route: Route): string {
  const { header, attrs } = route;
  const gateways = nextHopsOf(route).flatMap(({ gateway }) => (gateway ? [formatIp(gateway)] : []));
  const words = [
    formatCidr(destinationOf(route)),
    ...(gateways.length > 0 ? [`via ${gateways.join(" ")}`] : []),
    `table ${tableOf(route)}`,
    `metric ${attrs.priority ?? 0}`,
    ...(header.tos === 0 ? [] : [`tos ${header.tos}`]),
  ];
  return words.join(" ");
}
