import type { Problem } from "../../lib/errors.ts";
import { type OptionValues, wholeNumber } from "../../lib/options.ts";
import { FIRST_VLAN, LAST_VLAN, vlanList } from "./values.ts";

/** In which VLANs a port of the switch is: columns `tag`, `trunks` and `vlan_mode` of OVSDB's Port, ovs-vswitchd.conf.db(5). */
export type PortVlans =
  /** Frames go out without a tag, and those that come in with one are dropped. VLAN 0: frames in none. */
  | { readonly mode: "access"; readonly vlan: number }
  /** Frames have their tags. `vlans` empty: all. `native`: of frames without; absent: they are dropped unless all pass. */
  | { readonly mode: "trunk"; readonly vlans: readonly number[]; readonly native?: number };

/**
 * A port that nobody said anything about. Not the default of Open vSwitch, which is a trunk of all VLANs: a container
 * could tag its frames and so enter any other network of the bridge.
 */
export const UNTAGGED: PortVlans = { mode: "access", vlan: 0 };

const vlanId = wholeNumber(FIRST_VLAN, LAST_VLAN, "VLAN id");

/** Options of a network, and those of an endpoint that replace them. */
export const vlanOptions = {
  vlan: { read: vlanId },
  trunks: { aliases: ["trunk"], read: vlanList },
  native_vlan: { read: vlanId },
};

export type VlanValues = OptionValues<typeof vlanOptions>;

export function vlanProblems({ vlan, trunks, native_vlan: native }: VlanValues): Problem[] {
  if (vlan !== undefined && (trunks !== undefined || native !== undefined)) {
    const message = `vlan: a port in one VLAN has no trunks; leave vlan out, and write native_vlan=${vlan} for frames without a tag`;
    return [{ subject: "vlan", message }];
  }
  if (native === undefined || trunks !== undefined) return [];
  const message = `native_vlan: has a use with trunks only; write vlan=${native} for a port in one VLAN`;
  return [{ subject: "native_vlan", message }];
}

/** Undefined when the options say nothing of VLANs. */
export function vlansOf({ vlan, trunks, native_vlan: native }: VlanValues): PortVlans | undefined {
  if (vlan !== undefined) return { mode: "access", vlan };
  if (trunks === undefined) return undefined;
  return { mode: "trunk", vlans: trunks, ...(native !== undefined && { native }) };
}

/** Whether frames with a tag pass, each four bytes longer. */
export function carriesTags(vlans: PortVlans): boolean {
  return vlans.mode === "trunk";
}
