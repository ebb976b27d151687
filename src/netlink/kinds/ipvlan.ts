import { u16 } from "../codec.ts";

/** `enum ipvlan_mode` of `<linux/if_link.h>`. */
export const IPVLAN_MODE = { l2: 0, l3: 1, l3s: 2 } as const;

/** IPVLAN_F_PRIVATE and IPVLAN_F_VEPA of `<linux/if_link.h>`; the kernel refuses both at once. */
export const IPVLAN_FLAG = { bridge: 0, private: 1, vepa: 2 } as const;

/** `l2`, or `mode 99` for a number that this table does not know. */
export function ipvlanModeName(value: number): string {
  return Object.entries(IPVLAN_MODE).find(([, number]) => number === value)?.[0] ?? `mode ${value}`;
}

/** `private`, or `flag 99`. */
export function ipvlanFlagName(value: number): string {
  return Object.entries(IPVLAN_FLAG).find(([, number]) => number === value)?.[0] ?? `flag ${value}`;
}

/** `IFLA_INFO_DATA` of ipvlan and ipvtap. Both are the parent's: whoever comes last sets them for all its links. */
export const ipvlanTable = {
  mode: { type: 1, symbol: "IFLA_IPVLAN_MODE", codec: u16 },
  flags: { type: 2, symbol: "IFLA_IPVLAN_FLAGS", codec: u16 },
} as const;
