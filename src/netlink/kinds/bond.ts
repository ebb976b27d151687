import { u8 } from "../codec.ts";

/** `BOND_MODE_*` of `<linux/if_bonding.h>`, by the names that ip(8) and the bonding driver have for them. */
export const BOND_MODE = {
  "balance-rr": 0,
  "active-backup": 1,
  "balance-xor": 2,
  broadcast: 3,
  "802.3ad": 4,
  "balance-tlb": 5,
  "balance-alb": 6,
} as const;

/** `balance-alb`, or `mode 99` for a number that this table does not know. */
export function bondModeName(value: number): string {
  return Object.entries(BOND_MODE).find(([, number]) => number === value)?.[0] ?? `mode ${value}`;
}

/** `IFLA_INFO_DATA` of a bond, as much as a macvlan on it depends on. */
export const bondTable = { mode: { type: 1, symbol: "IFLA_BOND_MODE", codec: u8 } } as const;
