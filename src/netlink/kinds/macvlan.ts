import { attr, listOf } from "../attribute.ts";
import { i32, linkAddress, u16, u32 } from "../codec.ts";

/** `enum macvlan_mode` of `<linux/if_link.h>`. */
export const MACVLAN_MODE = {
  private: 1,
  vepa: 2,
  bridge: 4,
  passthru: 8,
  source: 16,
} as const;

export type MacvlanMode = keyof typeof MACVLAN_MODE;

/** `bridge`, or `mode 99` for a number that this table does not know. */
export function macvlanModeName(value: number): string {
  return Object.entries(MACVLAN_MODE).find(([, number]) => number === value)?.[0] ?? `mode ${value}`;
}

/** `IFLA_INFO_DATA` of macvlan and macvtap. */
export const macvlanTable = {
  mode: attr(1, "IFLA_MACVLAN_MODE", u32),
  flags: attr(2, "IFLA_MACVLAN_FLAGS", u16),
  macaddrMode: attr(3, "IFLA_MACVLAN_MACADDR_MODE", u32),
  macaddr: attr(4, "IFLA_MACVLAN_MACADDR", linkAddress),
  // A list whose items all have the type IFLA_MACVLAN_MACADDR, not an index.
  macaddrData: attr(5, "IFLA_MACVLAN_MACADDR_DATA", listOf(attr(4, "IFLA_MACVLAN_MACADDR", linkAddress))),
  macaddrCount: attr(6, "IFLA_MACVLAN_MACADDR_COUNT", u32),
  bcQueueLen: attr(7, "IFLA_MACVLAN_BC_QUEUE_LEN", u32),
  bcQueueLenUsed: attr(8, "IFLA_MACVLAN_BC_QUEUE_LEN_USED", u32),
  bcCutoff: attr(9, "IFLA_MACVLAN_BC_CUTOFF", i32),
} as const;
