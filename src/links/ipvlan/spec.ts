import {
  type Families,
  type KindDefaults,
  onParentOptions,
  optionProblems,
  parentAndMtu,
  type RefusedOptions,
  readDefaults,
} from "../on-parent.ts";
import { oneOf, readOptions, yesOrNo } from "../options.ts";
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
}

export type ParsedIpvlan =
  /** `allow`: ids of conditions to override. */
  { readonly spec: IpvlanSpec; readonly allow: readonly string[] } | RefusedOptions;

function hostAccessNotYet(value: "true" | "false"): string | undefined {
  return value === "true" ? "comes later for ipvlan; macvlan networks in mode bridge have it" : undefined;
}

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
    host_access: { read: yesOrNo, notYet: hostAccessNotYet },
  };
  const read = readOptions(table, options);
  const fallback = readDefaults("ipvlan", IPVLAN_MODES, defaults);
  const refused = optionProblems(read, fallback);
  if (refused) return refused;
  const spec = {
    kind: "ipvlan" as const,
    ...parentAndMtu(read.values, fallback.values),
    mode: read.values.ipvlan_mode ?? fallback.values.mode ?? ("l2" as const),
    flag: read.values.ipvlan_flag ?? ("bridge" as const),
  };
  return { spec, allow: read.values.allow ?? [] };
}
