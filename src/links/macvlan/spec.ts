import type { Problem } from "../../lib/errors.ts";
import type { HostAccessSpec } from "../driver.ts";
import { hostAddresses } from "../host-address.ts";
import {
  type Families,
  type KindDefaults,
  onParentOptions,
  optionProblems,
  parentAndMtu,
  type RefusedOptions,
  readDefaults,
} from "../on-parent.ts";
import { type OptionValues, oneOf, readOptions, yesOrNo } from "../options.ts";
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
  readonly hostAccess?: HostAccessSpec;
}

export type ParsedMacvlan =
  /** `allow`: ids of conditions to override. */
  { readonly spec: MacvlanSpec; readonly allow: readonly string[] } | RefusedOptions;

const hostAccessOptions = { host_access: { read: yesOrNo }, host_address: { read: hostAddresses } };

/** Why links of one parent do not hear each other, the host's own included: `macvlan_queue_xmit` of drivers/net/macvlan.c. */
const APART: Readonly<Record<Exclude<MacvlanMode, "bridge">, string>> = {
  private: "links in mode private hear no other link on their parent, thus not the host's either",
  vepa: "in mode vepa frames between links on one parent go through the switch, which sends them back or does not",
  passthru: "in mode passthru the parent carries one link and no other, thus none for the host",
};

function hostAccessProblems(
  { host_access, host_address }: OptionValues<typeof hostAccessOptions>,
  mode: MacvlanMode,
): Problem[] {
  if (host_access !== "true") {
    if (host_address === undefined) return [];
    const message = "host_address: has a use with host_access=true only";
    return [{ subject: "host_address", message }];
  }
  if (mode === "bridge") return [];
  return [{ subject: "host_access", message: `host_access: ${APART[mode]}; use mode bridge` }];
}

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
    ...hostAccessOptions,
  };
  const read = readOptions(table, options);
  const fallback = readDefaults("macvlan", MACVLAN_MODES, defaults);
  const mode = read.values.macvlan_mode ?? fallback.values.mode ?? "bridge";
  const refused = optionProblems(read, fallback, hostAccessProblems(read.values, mode));
  if (refused) return refused;
  const spec = {
    kind: "macvlan" as const,
    ...parentAndMtu(read.values, fallback.values),
    mode,
    ...(read.values.host_access === "true" && {
      hostAccess: { addresses: read.values.host_address ?? [] },
    }),
  };
  return { spec, allow: read.values.allow ?? [] };
}
