import { attr } from "../attribute.ts";
import { u16 } from "../codec.ts";

/** `enum ipvlan_mode` of `<linux/if_link.h>`. */
export const IPVLAN_MODE = { l2: 0, l3: 1, l3s: 2 } as const;

/** `l2`, or `mode 99` for a number that this table does not know. */
export function ipvlanModeName(value: number): string {
  return Object.entries(IPVLAN_MODE).find(([, number]) => number === value)?.[0] ?? `mode ${value}`;
}

/** `IFLA_INFO_DATA` of ipvlan and ipvtap: read to judge what else is on a parent. */
export const ipvlanTable = {
  mode: attr(1, "IFLA_IPVLAN_MODE", u16),
  flags: attr(2, "IFLA_IPVLAN_FLAGS", u16),
} as const;
