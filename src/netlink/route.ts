import { type Cidr, formatCidr, formatIp, type Ip } from "../lib/ip.ts";
import { addressFamily } from "./address.ts";
import { align4, decodeAttrs, nested } from "./attribute.ts";
import { binary, i32, ipAddress, malformed, struct, u8, u16, u32 } from "./codec.ts";
import type { Conversation } from "./conversation.ts";
import { isErrno, type Request } from "./failure.ts";
import { type Body, decodeBody, encodeBody, type Message, NLM_F } from "./message.ts";

/** Routes: `<linux/rtnetlink.h>`, rtnetlink(7). */

export const RTM_ROUTE = { RTM_NEWROUTE: 24, RTM_DELROUTE: 25, RTM_GETROUTE: 26 } as const;

export const RT_TABLE_MAIN = 254;
/** The kernel's own, of what is this host's. */
export const RT_TABLE_LOCAL = 255;
const RT_TABLE_UNSPEC = 0;
/** What the header's byte holds; a larger table is named by RTA_TABLE. */
const MOST_IN_HEADER = 255;
/** Made by the kernel itself, with an address. */
export const RTPROT_KERNEL = 2;
export const RTPROT_STATIC = 4;
export const RT_SCOPE = { RT_SCOPE_UNIVERSE: 0, RT_SCOPE_LINK: 253, RT_SCOPE_HOST: 254 } as const;
export const RTN_UNICAST = 1;
/** The gateway is on the link, whatever the routes say. */
export const RTNH_F_ONLINK = 4;
/** What was learnt of a destination, and is no route. */
export const RTM_F_CLONED = 0x200;

export const rtmsg = struct({
  family: u8,
  dst_len: u8,
  src_len: u8,
  tos: u8,
  table: u8,
  protocol: u8,
  scope: u8,
  type: u8,
  flags: u32,
});

/** `RTAX_*`: what a route says of the connections over it. */
export const metricsTable = {
  mtu: { type: 2, symbol: "RTAX_MTU", codec: u32 },
  advmss: { type: 8, symbol: "RTAX_ADVMSS", codec: u32 },
} as const;

export const routeTable = {
  destination: { type: 1, symbol: "RTA_DST", codec: ipAddress },
  oif: { type: 4, symbol: "RTA_OIF", codec: u32 },
  gateway: { type: 5, symbol: "RTA_GATEWAY", codec: ipAddress },
  priority: { type: 6, symbol: "RTA_PRIORITY", codec: u32 },
  prefsrc: { type: 7, symbol: "RTA_PREFSRC", codec: ipAddress },
  metrics: { type: 8, symbol: "RTA_METRICS", codec: nested(metricsTable) },
  multipath: { type: 9, symbol: "RTA_MULTIPATH", codec: binary },
  /** Use, age and time left; the kernel's to tell. */
  cacheinfo: { type: 12, symbol: "RTA_CACHEINFO", codec: binary },
  table: { type: 15, symbol: "RTA_TABLE", codec: u32 },
  /** Of a nexthop object, which stands for gateway and link. */
  nexthop: { type: 30, symbol: "RTA_NH_ID", codec: u32 },
} as const;

/** `struct rtnexthop`: one leg of a multipath route; its attributes follow it, `len` counts both. */
export const rtnexthop = struct({ len: u16, flags: u8, hops: u8, ifindex: i32 });

export interface NextHop {
  readonly ifindex: number;
  readonly gateway?: Ip;
}

export const routeFormat = { header: rtmsg, table: routeTable } as const;

export type Route = Body<(typeof rtmsg)["members"], typeof routeTable>;

export interface NewRoute {
  /** A prefix of length 0 is the default route. */
  readonly destination: Cidr;
  readonly ifindex: number;
  /** Absent: the destination is on the link itself. */
  readonly gateway?: Ip;
  /** The address that packets are from when nothing else says. It has to be one of the host's. */
  readonly source?: Ip;
  /** The metric; lower wins. */
  readonly priority?: number | undefined;
  /** Absent: the main one. */
  readonly table?: number | undefined;
  /** `RT_SCOPE`; absent: universe through a gateway, else link. */
  readonly scope?: number | undefined;
  /** Bytes. */
  readonly mtu?: number | undefined;
  /** Bytes. */
  readonly advmss?: number | undefined;
}

export function addRouteRequest(route: NewRoute): Request {
  const { ip, prefix } = route.destination;
  const { table = RT_TABLE_MAIN, mtu, advmss } = route;
  const header = {
    family: addressFamily(ip.family),
    dst_len: prefix,
    table: table > MOST_IN_HEADER ? RT_TABLE_UNSPEC : table,
    protocol: RTPROT_STATIC,
    scope: route.scope ?? (route.gateway ? RT_SCOPE.RT_SCOPE_UNIVERSE : RT_SCOPE.RT_SCOPE_LINK),
    type: RTN_UNICAST,
  };
  const metrics = { ...(mtu !== undefined && { mtu }), ...(advmss !== undefined && { advmss }) };
  const body = encodeBody(routeFormat, header, {
    ...(prefix > 0 && { destination: ip }),
    ...(route.source && { prefsrc: route.source }),
    oif: route.ifindex,
    ...(route.gateway && { gateway: route.gateway }),
    ...(route.priority !== undefined && { priority: route.priority }),
    ...(Object.keys(metrics).length > 0 && { metrics }),
    ...(table > MOST_IN_HEADER && { table }),
  });
  return {
    what: `add a route to ${routeWords(route)}`,
    type: RTM_ROUTE.RTM_NEWROUTE,
    flags: NLM_F.NLM_F_CREATE | NLM_F.NLM_F_EXCL,
    body,
    format: routeFormat,
  };
}

export function deleteRouteRequest(route: NewRoute): Request {
  const what = `delete the route to ${routeWords(route)}`;
  return { ...addRouteRequest(route), what, type: RTM_ROUTE.RTM_DELROUTE, flags: 0 };
}

function routeWords({ destination, gateway }: NewRoute): string {
  return `${formatCidr(destination)}${gateway ? ` via ${formatIp(gateway)}` : ""}`;
}

export function decodeRoute(message: Message): Route {
  return decodeBody(routeFormat, message.body);
}

/** Where a route goes: its one link and gateway, or the legs of a multipath route. */
export function nextHopsOf({ attrs }: Route): NextHop[] {
  if (attrs.multipath !== undefined) return [...legsOf(attrs.multipath)];
  return attrs.oif === undefined ? [] : [nextHop(attrs.oif, attrs.gateway)];
}

function* legsOf(bytes: Uint8Array): Generator<NextHop> {
  let at = 0;
  while (bytes.length - at >= rtnexthop.size) {
    const { len, ifindex } = rtnexthop.decode(bytes.subarray(at));
    if (len < rtnexthop.size || len > bytes.length - at) throw malformed(`a next hop of length ${len}`);
    const { gateway } = decodeAttrs(routeTable, bytes.subarray(at + rtnexthop.size, at + len));
    yield nextHop(ifindex, gateway);
    at += align4(len);
  }
}

function nextHop(ifindex: number, gateway: Ip | undefined): NextHop {
  return { ifindex, ...(gateway !== undefined && { gateway }) };
}

/** Where the legs of an IPv6 route lead over that link, each as a route of its own, which is what it is to the kernel. */
export function legsAsRoutes({ header, attrs }: Route, ifindex: number): Route[] {
  const { multipath, oif: _, gateway: __, ...told } = attrs;
  if (multipath === undefined) return [{ header, attrs }];
  return [...legsOf(multipath)]
    .filter((leg) => leg.ifindex === ifindex)
    .map(({ gateway }) => ({
      header,
      attrs: { ...told, oif: ifindex, ...(gateway !== undefined && { gateway }) },
    }));
}

/** The legs, those on one link put on another. */
export function movedLegs(bytes: Uint8Array, from: number, to: number): Uint8Array {
  const moved = bytes.slice();
  const view = new DataView(moved.buffer);
  for (let at = 0; bytes.length - at >= rtnexthop.size; ) {
    const { len, ifindex } = rtnexthop.decode(bytes.subarray(at));
    if (len < rtnexthop.size || len > bytes.length - at) throw malformed(`a next hop of length ${len}`);
    if (ifindex === from) rtnexthop.members.ifindex.write(view, at + rtnexthop.size - 4, to);
    at += align4(len);
  }
  return moved;
}

/** The routes of one family in all tables. */
export async function readRoutes(conversation: Conversation, family: 4 | 6): Promise<Route[]> {
  const messages = await conversation.dump({
    what: "read the routes of all tables",
    type: RTM_ROUTE.RTM_GETROUTE,
    flags: 0,
    body: encodeBody(routeFormat, { family: addressFamily(family) }, {}),
    format: routeFormat,
  });
  return messages.map(decodeRoute);
}

/**
 * Tells the kernel what it told of one, as `readRoutes` has it. `new`: beside what others have for the same destination;
 * EEXIST when there is this very one.
 */
export function sameRouteRequest(verb: "new" | "delete", { header, attrs }: Route): Request {
  const { ip, prefix } = destinationOf({ header, attrs });
  const { cacheinfo: _, ...told } = attrs;
  const words = `${formatIp(ip)}/${prefix}${attrs.gateway ? ` via ${formatIp(attrs.gateway)}` : ""}`;
  return {
    what: verb === "new" ? `add the route to ${words}` : `delete the route to ${words}`,
    type: verb === "new" ? RTM_ROUTE.RTM_NEWROUTE : RTM_ROUTE.RTM_DELROUTE,
    flags: verb === "new" ? NLM_F.NLM_F_CREATE | NLM_F.NLM_F_APPEND : 0,
    // Whether its link is down the kernel knows, and refuses to be told.
    body: encodeBody(routeFormat, { ...header, flags: header.flags & RTNH_F_ONLINK }, told),
    format: routeFormat,
  };
}

/** Where it leads; a default route has no attribute for that. */
export function destinationOf({ header, attrs }: Route): Cidr {
  const family = header.family === addressFamily(4) ? 4 : 6;
  const ip = attrs.destination ?? { family, bytes: new Uint8Array(family === 4 ? 4 : 16) };
  return { ip, prefix: header.dst_len };
}

/** The main table's routes of one family. A netns that never had an address has no such table, and no routes. */
export async function listRoutes(conversation: Conversation, family: 4 | 6): Promise<Route[]> {
  try {
    const messages = await conversation.dump({
      what: "list routes",
      type: RTM_ROUTE.RTM_GETROUTE,
      flags: 0,
      body: encodeBody(routeFormat, { family: addressFamily(family), table: RT_TABLE_MAIN }, {}),
      format: routeFormat,
    });
    return messages.map(decodeRoute).filter(({ header }) => header.table === RT_TABLE_MAIN);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
}
