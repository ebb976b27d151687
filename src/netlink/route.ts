import type { Cidr, Ip } from "../lib/ip.ts";
import { addressFamily } from "./address.ts";
import { attr } from "./attribute.ts";
import { binary, ipAddress, struct, u8, u32 } from "./codec.ts";
import type { Conversation } from "./conversation.ts";
import type { Request } from "./failure.ts";
import { type Body, decodeBody, encodeBody, type Message, NLM_F } from "./message.ts";

/** Routes: `<linux/rtnetlink.h>`, rtnetlink(7). */

export const RTM_ROUTE = { RTM_NEWROUTE: 24, RTM_DELROUTE: 25, RTM_GETROUTE: 26 } as const;

export const RT_TABLE_MAIN = 254;
export const RTPROT_STATIC = 4;
export const RT_SCOPE = { RT_SCOPE_UNIVERSE: 0, RT_SCOPE_LINK: 253 } as const;
export const RTN_UNICAST = 1;

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

export const routeTable = {
  destination: attr(1, "RTA_DST", ipAddress),
  oif: attr(4, "RTA_OIF", u32),
  gateway: attr(5, "RTA_GATEWAY", ipAddress),
  priority: attr(6, "RTA_PRIORITY", u32),
  prefsrc: attr(7, "RTA_PREFSRC", ipAddress),
  metrics: attr(8, "RTA_METRICS", binary),
  multipath: attr(9, "RTA_MULTIPATH", binary),
  table: attr(15, "RTA_TABLE", u32),
} as const;

export const routeFormat = { header: rtmsg, table: routeTable } as const;

export type Route = Body<(typeof rtmsg)["members"], typeof routeTable>;

export interface NewRoute {
  /** A prefix of length 0 is the default route. */
  readonly destination: Cidr;
  readonly ifindex: number;
  /** Absent: the destination is on the link itself. */
  readonly gateway?: Ip;
  /** The metric; lower wins. */
  readonly priority?: number;
}

export function addRouteRequest(route: NewRoute): Request {
  const { ip, prefix } = route.destination;
  const header = {
    family: addressFamily(ip.family),
    dst_len: prefix,
    table: RT_TABLE_MAIN,
    protocol: RTPROT_STATIC,
    scope: route.gateway ? RT_SCOPE.RT_SCOPE_UNIVERSE : RT_SCOPE.RT_SCOPE_LINK,
    type: RTN_UNICAST,
  };
  const body = encodeBody(routeFormat, header, {
    ...(prefix > 0 && { destination: ip }),
    oif: route.ifindex,
    ...(route.gateway && { gateway: route.gateway }),
    ...(route.priority !== undefined && { priority: route.priority }),
  });
  return {
    what: "add a route",
    type: RTM_ROUTE.RTM_NEWROUTE,
    flags: NLM_F.NLM_F_CREATE | NLM_F.NLM_F_EXCL,
    body,
    format: routeFormat,
  };
}

export function deleteRouteRequest(route: NewRoute): Request {
  return { ...addRouteRequest(route), what: "delete a route", type: RTM_ROUTE.RTM_DELROUTE, flags: 0 };
}

export function decodeRoute(message: Message): Route {
  return decodeBody(routeFormat, message.body);
}

/** The main table's routes of one family. */
export async function listRoutes(conversation: Conversation, family: 4 | 6): Promise<Route[]> {
  const messages = await conversation.dump({
    what: "list routes",
    type: RTM_ROUTE.RTM_GETROUTE,
    flags: 0,
    body: encodeBody(routeFormat, { family: addressFamily(family), table: RT_TABLE_MAIN }, {}),
    format: routeFormat,
  });
  return messages.map(decodeRoute).filter(({ header }) => header.table === RT_TABLE_MAIN);
}
