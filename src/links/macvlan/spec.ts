import type { Problem } from "../../lib/errors.ts";
import {
  anyText,
  commaList,
  type Option,
  type OptionValues,
  oneOf,
  readOptions,
  wholeNumber,
  yesOrNo,
} from "../options.ts";
import { type ParentRef, parseParent } from "../parent/ref.ts";

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

/** What the configuration says for networks that do not say it themselves. */
export interface MacvlanDefaults {
  readonly parent?: string | undefined;
  readonly mode?: string | undefined;
}

export type ParsedMacvlan =
  /** `allow`: ids of conditions to override. */
  | { readonly spec: MacvlanSpec; readonly allow: readonly string[] }
  | { readonly code: "invalid_option" | "not_yet"; readonly problems: readonly Problem[] };

/** RFC 791 and RFC 8200: what every link must carry. The kernel's own bound for Ethernet is the first. */
const LEAST_MTU = { v4: 68, v6: 1280 } as const;
const MOST_MTU = 65535;

const handledByDocker: Option<string> = { read: anyText };

function macvlanOptions(families: { readonly ipv6: boolean }) {
  const leastMtu = families.ipv6 ? LEAST_MTU.v6 : LEAST_MTU.v4;
  const mtuWords = families.ipv6 ? "MTU (with IPv6)" : "MTU";
  return {
    parent: { aliases: ["host_iface"], read: parseParent },
    macvlan_mode: { aliases: ["mode"], read: oneOf(MACVLAN_MODES) },
    "com.docker.network.driver.mtu": { aliases: ["mtu"], read: wholeNumber(leastMtu, MOST_MTU, mtuWords) },
    allow: { read: commaList },
    host_access: { read: yesOrNo, notYet: hostAccessNotYet },
    vlan_protocol: { read: oneOf(["802.1q", "802.1ad"]), notYet: () => "VLAN parents are not made yet" },
    "com.docker.network.container_iface_prefix": {
      read: anyText,
      notYet: () =>
        "only Docker's bridge driver honours it; endpoints take com.docker.network.endpoint.ifname",
    },
    "com.docker.network.advertise_addr_nmsgs": handledByDocker,
    "com.docker.network.advertise_addr_ms": handledByDocker,
    "com.docker.network.enable_ipv4": handledByDocker,
    "com.docker.network.enable_ipv6": handledByDocker,
  };
}

function hostAccessNotYet(value: "true" | "false"): string | undefined {
  return value === "true" ? "reaching containers from their host comes later" : undefined;
}

/**
 * Options of a macvlan network, as the user typed them, to a spec; or all that is wrong with them at once.
 * Names and values are those of Docker's macvlan driver, so `-d macvlan` becomes `-d underlay-macvlan` and nothing else.
 * Code `not_yet` means that nothing is wrong but that this version cannot do it.
 */
export function parseMacvlan(
  options: Readonly<Record<string, string>>,
  defaults: MacvlanDefaults,
  families: { readonly ipv6: boolean },
): ParsedMacvlan {
  const read = readOptions(macvlanOptions(families), options);
  const fallback = readOptions(DEFAULT_OPTIONS, given(defaults));
  const fallbackProblems = fallback.problems.map(inConfiguration);
  const problems = [...read.problems, ...fallbackProblems, ...read.notYet];
  if (problems.length > 0) {
    return { code: problems.length === read.notYet.length ? "not_yet" : "invalid_option", problems };
  }
  return { spec: specOf(read.values, fallback.values), allow: read.values.allow ?? [] };
}

const DEFAULT_OPTIONS = {
  parent: { read: parseParent },
  mode: { read: oneOf(MACVLAN_MODES) },
} as const;

function given(defaults: MacvlanDefaults): Record<string, string> {
  const pairs = Object.entries(defaults).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return Object.fromEntries(pairs);
}

function inConfiguration(problem: Problem): Problem {
  return {
    subject: `macvlan.${problem.subject}`,
    message: `default ${problem.message} (configuration, [macvlan])`,
  };
}

function specOf(
  values: OptionValues<ReturnType<typeof macvlanOptions>>,
  fallback: OptionValues<typeof DEFAULT_OPTIONS>,
): MacvlanSpec {
  const mtu = values["com.docker.network.driver.mtu"];
  return {
    kind: "macvlan",
    parent: values.parent ?? fallback.parent ?? { how: "dummy" },
    mode: values.macvlan_mode ?? fallback.mode ?? "bridge",
    ...(mtu === undefined ? {} : { mtu }),
  };
}
