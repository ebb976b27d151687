import { oneOf, readOptions } from "../../lib/options.ts";
import type { HostAccessSpec, Sharing } from "../driver.ts";
import { hostAccessOf, hostAccessOptions, hostAccessProblems } from "../host-address.ts";
import {
  type Families,
  type KindDefaults,
  onParentOptions,
  optionProblems,
  parentAndMtu,
  type RefusedOptions,
  readDefaults,
} from "../on-parent.ts";
import type { ParentRef } from "../parent/ref.ts";

/** `enum ipvlan_mode` of `<linux/if_link.h>`. */
export const IPVLAN_MODES = ["l2", "l3", "l3s"] as const;
export type IpvlanMode = (typeof IPVLAN_MODES)[number];

/** IPVLAN_F_* of `<linux/if_link.h>`; `bridge` is neither. */
export const IPVLAN_FLAGS = ["bridge", "private", "vepa"] as const;
export type IpvlanFlag = (typeof IPVLAN_FLAGS)[number];

/** An ipvlan network that can be asked of the kernel. Only `parseIpvlan` makes one. */
export interface IpvlanSpec {
  readonly kind: "ipvlan";
  readonly parent: ParentRef;
  readonly mode: IpvlanMode;
  readonly flag: IpvlanFlag;
  /** Bytes; absent = the parent's. */
  readonly mtu?: number;
  readonly hostAccess?: HostAccessSpec;
}

export type ParsedIpvlan =
  /** `allow`: ids of conditions to override. */
  { readonly spec: IpvlanSpec; readonly allow: readonly string[] } | RefusedOptions;

/** Why links of one parent do not hear each other, the host's own included: `ipvlan_xmit_mode_l2` of drivers/net/ipvlan. */
const APART: Readonly<Record<Exclude<IpvlanFlag, "bridge">, string>> = {
  private: "links with flag private hear no other link on their parent, thus not the host's either",
  vepa: "with flag vepa packets between links on one parent go through the switch, which sends them back or does not",
};

function apart(flag: IpvlanFlag): string | undefined {
  return flag === "bridge" ? undefined : `${APART[flag]}; use flag bridge`;
}

/**
 * A frame is given to the link that has its address, and to the parent when none has (`ipvlan_xmit_mode_l2`). So a
 * container's answer to the parent's address comes in by the parent, where `rp_filter` drops it and no neighbour is
 * learnt; and a link that has that address takes all of the parent's own traffic.
 */
const NOT_IN_L2: Sharing = {
  never:
    "on ipvlan in mode l2 the parent's own address cannot be shared: answers to it come in by the parent",
};

/** The kernel routes for the containers (`ipvlan_process_outbound`), so the parent's addresses are local to them. */
const SHARED_IN_L3: Sharing = {
  of: "anywhere",
  why: "is the parent's own: the kernel routes for links of this mode, and nobody is told a MAC for it",
};

export const IPVLAN_SHARING: Readonly<Record<IpvlanMode, Sharing>> = {
  l2: NOT_IN_L2,
  l3: SHARED_IN_L3,
  l3s: SHARED_IN_L3,
};

/**
 * Options of an ipvlan network, as the user typed them, to a spec; or all that is wrong with them at once.
 * Names and values are those of Docker's ipvlan driver, so `-d ipvlan` becomes `-d underlay-ipvlan` and nothing else.
 */
export function parseIpvlan(
  options: Readonly<Record<string, string>>,
  defaults: KindDefaults,
  families: Families,
): ParsedIpvlan {
  const table = {
    ...onParentOptions(families),
    ipvlan_mode: { aliases: ["mode"], read: oneOf(IPVLAN_MODES) },
    ipvlan_flag: { read: oneOf(IPVLAN_FLAGS) },
    ...hostAccessOptions,
  };
  const read = readOptions(table, options);
  const fallback = readDefaults("ipvlan", IPVLAN_MODES, defaults);
  const flag = read.values.ipvlan_flag ?? "bridge";
  const refused = optionProblems(read, fallback, hostAccessProblems(read.values, apart(flag)));
  if (refused) return refused;
  const spec = {
    kind: "ipvlan" as const,
    ...parentAndMtu(read.values, fallback.values),
    mode: read.values.ipvlan_mode ?? fallback.values.mode ?? ("l2" as const),
    flag,
    ...hostAccessOf(read.values),
  };
  return { spec, allow: read.values.allow ?? [] };
}
