import { struct, u16, u16be, u32 } from "../codec.ts";

/** `ETH_P_8021Q` and `ETH_P_8021AD` of `<linux/if_ether.h>`, by the names that ip(8) has for them. */
export const VLAN_PROTOCOL = { "802.1q": 0x8100, "802.1ad": 0x88a8 } as const;
export type VlanProtocol = keyof typeof VLAN_PROTOCOL;

/** `802.1q`, or `0x9100` for a number that this table does not know. */
export function vlanProtocolName(value: number): string {
  const name = Object.entries(VLAN_PROTOCOL).find(([, number]) => number === value)?.[0];
  return name ?? `0x${value.toString(16)}`;
}

/** `struct ifla_vlan_flags` of `<linux/if_link.h>`: the bits to set, among those of the mask. */
export const vlanFlags = struct({ flags: u32, mask: u32 });

/** `IFLA_INFO_DATA` of a VLAN. Beside numbers in the host's byte order, the protocol is in the network's. */
export const vlanTable = {
  id: { type: 1, symbol: "IFLA_VLAN_ID", codec: u16 },
  flags: { type: 2, symbol: "IFLA_VLAN_FLAGS", codec: vlanFlags },
  protocol: { type: 5, symbol: "IFLA_VLAN_PROTOCOL", codec: u16be },
} as const;
