import { u16be } from "../codec.ts";

/** `IFLA_INFO_DATA` of a VXLAN link, of which we make none. */
export const vxlanTable = {
  /** UDP, of the host. */
  port: { type: 15, symbol: "IFLA_VXLAN_PORT", codec: u16be },
} as const;
