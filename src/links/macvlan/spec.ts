import {
  type Families,
  type KindDefaults,
  onParentOptions,
  optionProblems,
  parentAndMtu,
  type RefusedOptions,
  readDefaults,
} from "../on-parent.ts";
import { oneOf, readOptions } from "../options.ts";
import type { ParentRef } from "../parent/ref.ts";

/** MACVLAN_MODE_* of `<linux/if_link.h>` that can carry a network; `source` needs a MAC list that Docker cannot give. */
export const MACVLAN_MODES = ["bridge", "private", "vepa", "passthru"] as const;
export type MacvlanMode = (typeof MACVLAN_MODES)[number];

/** A macvlan network that can be asked of the kernel. Only `parseMacvlan` makes one. */
export interface MacvlanSpec {
  readonly kind: "macvlan";
  readonly parent: ParentRef;
  readonly mode: MacvlanMode;
  /** Bytes; absent = the parent's. */
  readonly mtu?: number;
}

export type ParsedMacvlan =
  /** `allow`: ids of conditions to override. */
  { readonly spec: MacvlanSpec; readonly allow: readonly string[] } | RefusedOptions;

/**
 * Options of a macvlan network, as the user typed them, to a spec; or all that is wrong with them at once.
 * Names and values are those of Docker's macvlan driver, so `-d macvlan` becomes `-d underlay-macvlan` and nothing else.
 */
export function parseMacvlan(
  options: Readonly<Record<string, string>>,
  defaults: KindDefaults,
  families: Families,
): ParsedMacvlan {
  const table = {
    ...onParentOptions(families),
    macvlan_mode: { aliases: ["mode"], read: oneOf(MACVLAN_MODES) },
  };
  const read = readOptions(table, options);
  const fallback = readDefaults("macvlan", MACVLAN_MODES, defaults);
  const refused = optionProblems(read, fallback);
  if (refused) return refused;
  const spec = {
    kind: "macvlan" as const,
    ...parentAndMtu(read.values, fallback.values),
    mode: read.values.macvlan_mode ?? fallback.values.mode ?? ("bridge" as const),
  };
  return { spec, allow: read.values.allow ?? [] };
}
