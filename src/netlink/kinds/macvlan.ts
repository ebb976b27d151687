import { listOf } from "../attribute.ts";
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
  mode: { type: 1, symbol: "IFLA_MACVLAN_MODE", codec: u32 },
  flags: { type: 2, symbol: "IFLA_MACVLAN_FLAGS", codec: u16 },
  macaddrMode: { type: 3, symbol: "IFLA_MACVLAN_MACADDR_MODE", codec: u32 },
  macaddr: { type: 4, symbol: "IFLA_MACVLAN_MACADDR", codec: linkAddress },
  // A list whose items all have the type IFLA_MACVLAN_MACADDR, not an index.
  macaddrData: {
    type: 5,
    symbol: "IFLA_MACVLAN_MACADDR_DATA",
    codec: listOf({ type: 4, symbol: "IFLA_MACVLAN_MACADDR", codec: linkAddress }),
  },
  macaddrCount: { type: 6, symbol: "IFLA_MACVLAN_MACADDR_COUNT", codec: u32 },
  bcQueueLen: { type: 7, symbol: "IFLA_MACVLAN_BC_QUEUE_LEN", codec: u32 },
  bcQueueLenUsed: { type: 8, symbol: "IFLA_MACVLAN_BC_QUEUE_LEN_USED", codec: u32 },
  bcCutoff: { type: 9, symbol: "IFLA_MACVLAN_BC_CUTOFF", codec: i32 },
} as const;
