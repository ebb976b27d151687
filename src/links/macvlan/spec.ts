import type { Family } from "../../lib/ip.ts";
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

/** Why links of one parent do not hear each other, the host's own included: `macvlan_queue_xmit` of drivers/net/macvlan.c. */
const APART: Readonly<Record<Exclude<MacvlanMode, "bridge">, string>> = {
  private: "links in mode private hear no other link on their parent, thus not the host's either",
  vepa: "in mode vepa frames between links on one parent go through the switch, which sends them back or does not",
  passthru: "in mode passthru the parent carries one link and no other, thus none for the host",
};

function apart(mode: MacvlanMode): string | undefined {
  return mode === "bridge" ? undefined : `${APART[mode]}; use mode bridge`;
}

/** IPv6 knows no `arp_filter`: the link would answer the whole LAN for the parent's address, with another MAC. */
export const MACVLAN_SHARING: Readonly<Record<Family, Sharing>> = {
  4: {
    of: "subnet",
    why: "is the parent's own: it is in the subnet, and only the containers are told the link's MAC for it",
  },
  6: { never: "the parent's own IPv6 address cannot be shared: the LAN would see two MACs for it" },
};

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
  const refused = optionProblems(read, fallback, hostAccessProblems(read.values, apart(mode)));
  if (refused) return refused;
  const spec = {
    kind: "macvlan" as const,
    ...parentAndMtu(read.values, fallback.values),
    mode,
    ...hostAccessOf(read.values),
  };
  return { spec, allow: read.values.allow ?? [] };
}
