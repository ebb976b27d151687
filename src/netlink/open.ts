import type { Libc } from "../sys/libc.ts";
import type { Netns } from "../sys/netns.ts";
import { type NetlinkSocket, openNetlinkSocket } from "../sys/socket.ts";
import { type ByteRanges, withoutChangesOf } from "./event-filter.ts";

/** Protocols and socket options of `<linux/netlink.h>`. */
export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;
export const NETLINK_GENERIC = 16;

const REQUEST_OPTIONS = [
  { option: 10, name: "NETLINK_CAP_ACK" },
  { option: 11, name: "NETLINK_EXT_ACK" },
  { option: 12, name: "NETLINK_GET_STRICT_CHK" },
] as const;

/** `<linux/rtnetlink.h>`: bit of RTNLGRP_LINK. */
export const RTMGRP_LINK = 1;

/** The same of RTNLGRP_IPV6_IFADDR. */
export const RTMGRP_IPV6_IFADDR = 0x100;

/** A link event has about 1.5 kB; this holds the burst of some thousands while the reader is busy. */
export const EVENT_BUFFER = 8 * 1024 * 1024;

/** A socket for requests, in this netns or in the given one. */
export function openRequestSocket(libc: Libc, protocol: number, netns?: Netns): NetlinkSocket {
  return openNetlinkSocket(libc, { protocol, netns, enable: REQUEST_OPTIONS });
}

export interface LinkEvents {
  /** Where; absent = this netns. */
  readonly netns?: Netns;
  /** Of links with such names it is only heard that they go. */
  readonly onlyEndsOf?: readonly ByteRanges[];
}

/** A socket that hears of link changes. */
export function openLinkEventSocket(libc: Libc, { netns, onlyEndsOf }: LinkEvents = {}): NetlinkSocket {
  return openNetlinkSocket(libc, {
    protocol: NETLINK_ROUTE,
    netns,
    groups: RTMGRP_LINK,
    receiveBuffer: EVENT_BUFFER,
    ...(onlyEndsOf !== undefined && { filter: withoutChangesOf(onlyEndsOf) }),
  });
}

/** A socket that hears of changes of IPv6 addresses, in a netns. */
export function openAddressEventSocket(libc: Libc, netns: Netns): NetlinkSocket {
  return openNetlinkSocket(libc, { protocol: NETLINK_ROUTE, netns, groups: RTMGRP_IPV6_IFADDR });
}
