import type { Problem } from "../lib/errors.ts";
import {
  anyText,
  commaList,
  type Option,
  type OptionValues,
  oneOf,
  type ReadOptions,
  readOptions,
  wholeNumber,
} from "../lib/options.ts";
import type { LinkKind } from "../lib/request.ts";
import type { VlanProtocol } from "../netlink/kinds/vlan.ts";
import { type ParentRef, parseParent } from "./parent/ref.ts";

/** What the kinds have in common whose links hang on a parent: options of the same names, and defaults for two of them. */

/** What the configuration says for networks of a kind that do not say it themselves. */
export interface KindDefaults {
  readonly parent?: string | undefined;
  readonly mode?: string | undefined;
}

export interface Families {
  readonly ipv6: boolean;
}

/** RFC 791 and RFC 8200: what every link must carry. The kernel's own bound for Ethernet is the first. */
const LEAST_MTU = { v4: 68, v6: 1280 } as const;
const MOST_MTU = 65535;

const handledByDocker: Option<string> = { read: anyText };

/** Options that kinds have whether or not their links hang on a parent, by the names that Docker's own drivers gave them. */
export function commonOptions(families: Families) {
  const leastMtu = families.ipv6 ? LEAST_MTU.v6 : LEAST_MTU.v4;
  const mtuWords = families.ipv6 ? "MTU (with IPv6)" : "MTU";
  return {
    "com.docker.network.driver.mtu": { aliases: ["mtu"], read: wholeNumber(leastMtu, MOST_MTU, mtuWords) },
    allow: { read: commaList },
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

/** Those, and what names the parent. */
export function onParentOptions(families: Families) {
  return {
    parent: { aliases: ["host_iface"], read: parseParent },
    vlan_protocol: { read: oneOf(["802.1q", "802.1ad"]) },
    ...commonOptions(families),
  };
}

export type OnParentValues = OptionValues<ReturnType<typeof onParentOptions>>;

interface ReadDefaults<Mode extends string> {
  readonly values: { readonly parent?: ParentRef; readonly mode?: Mode };
  readonly problems: readonly Problem[];
}

/** The configuration's section of the kind; its problems say so. */
export function readDefaults<Mode extends string>(
  kind: LinkKind,
  modes: readonly Mode[],
  { parent, mode }: KindDefaults,
): ReadDefaults<Mode> {
  const given = { ...(parent !== undefined && { parent }), ...(mode !== undefined && { mode }) };
  const { values, problems } = readOptions(
    { parent: { read: parseParent }, mode: { read: oneOf(modes) } },
    given,
  );
  return {
    values,
    problems: problems.map(({ subject, message }) => ({
      subject: `${kind}.${subject}`,
      message: `default ${message} (configuration, [${kind}])`,
    })),
  };
}

export interface RefusedOptions {
  /** `not_yet`: nothing is wrong but that this version cannot do it. */
  readonly code: "invalid_option" | "not_yet";
  readonly problems: readonly Problem[];
}

/** All that is wrong with options and defaults at once, `more` included; undefined when nothing is. */
export function optionProblems(
  read: Pick<ReadOptions<never>, "problems" | "notYet"> & { readonly values: OnParentValues },
  defaults: { readonly problems: readonly Problem[]; readonly values: { readonly parent?: ParentRef } },
  more: readonly Problem[] = [],
): RefusedOptions | undefined {
  const problems = [
    ...read.problems,
    ...defaults.problems,
    ...protocolProblems(read.values, defaults.values),
    ...more,
    ...read.notYet,
  ];
  if (problems.length === 0) return undefined;
  return { code: problems.length === read.notYet.length ? "not_yet" : "invalid_option", problems };
}

/** A protocol without a VLAN would be ignored in silence. */
function protocolProblems(
  { vlan_protocol: protocol, parent: given }: OnParentValues,
  { parent = given }: { readonly parent?: ParentRef },
): Problem[] {
  const ref = given ?? parent;
  if (protocol === undefined || ref?.how === "vlan") return [];
  const message = "vlan_protocol: the parent names no VLAN; write it like parent=eth0.10";
  return [{ subject: "vlan_protocol", message }];
}

/** The part of a spec that all these kinds have. No parent at all is a dummy of ours. */
export function parentAndMtu(
  values: OnParentValues,
  defaults: { readonly parent?: ParentRef },
): { readonly parent: ParentRef; readonly mtu?: number } {
  const mtu = values["com.docker.network.driver.mtu"];
  return {
    parent: withProtocol(values.parent ?? defaults.parent ?? { how: "dummy" }, values.vlan_protocol),
    ...(mtu !== undefined && { mtu }),
  };
}

function withProtocol(ref: ParentRef, protocol: VlanProtocol | undefined): ParentRef {
  return ref.how === "vlan" && protocol !== undefined ? { ...ref, protocol } : ref;
}
