import type { SwitchVlans } from "../../lib/switch-port.ts";

/** A port's VLANs by the columns of OVSDB's Port, ovs-vswitchd.conf.db(5). */
export interface VlanColumns {
  readonly vlan_mode: "access" | "trunk" | "native-untagged";
  readonly tag: number | undefined;
  readonly trunks: readonly number[];
}

/** Every column is said: what is left open means something else with each other one. */
export function vlanColumns(vlans: SwitchVlans): VlanColumns {
  if (vlans.mode === "access") return { vlan_mode: "access", tag: vlans.vlan, trunks: [] };
  const { native, vlans: trunks } = vlans;
  return { vlan_mode: native === undefined ? "trunk" : "native-untagged", tag: native, trunks };
}
