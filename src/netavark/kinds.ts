import type { ChildWish } from "../lib/attach.ts";
import type { Problem } from "../lib/errors.ts";
import type { Mac } from "../lib/mac.ts";
import {
  anyText,
  type OptionValues,
  oneOf,
  type Reading,
  readOptions,
  wholeNumber,
  yesOrNo,
} from "../lib/options.ts";

/**
 * The drivers that podman can name, one row each: options of the names that netavark's own drivers gave them, where they
 * have them, and those of `docker network create` as aliases.
 */

export interface Kind {
  /** Options of a network; never stops at the first problem. */
  readonly read: (options: Options, families: Families) => KindReading;
}

type Options = Readonly<Record<string, string>>;

export interface Families {
  readonly ipv6: boolean;
}

export interface KindReading extends Ways {
  /** Absent: not given. */
  readonly parent?: string;
  readonly link: LinkReading;
  /** Options that were not given, as they are then. */
  readonly defaults: Options;
  readonly problems: readonly Problem[];
}

export type LinkReading = OnParent | OnBridge;

/** A link of the container's that hangs on one of the host's. */
export interface OnParent {
  readonly on: "parent";
  /** Whose MAC address its links have when none is asked for, and whether one can be. */
  readonly mac: "its own" | "the parent's" | "always the parent's";
  /** The kernel routes for its links: what is elsewhere is on the link, and no gateway is asked. */
  readonly routesOnLink: boolean;
  readonly wish: (mac: Mac | undefined) => ChildWish;
}

/** A pair of links, one end a port of a bridge. */
export interface OnBridge {
  readonly on: "bridge";
  readonly mac: "its own";
  readonly routesOnLink: false;
  /** Of frames without a tag. */
  readonly vlan?: number;
}

/** RFC 791 and RFC 8200: what every link must carry. */
const LEAST_MTU = { v4: 68, v6: 1280 } as const;
const MOST_MTU = 65535;
/** RTA_PRIORITY is a u32. */
const MOST_METRIC = 0xffff_ffff;
/** IEEE 802.1Q: 4095 is reserved. */
const LAST_VID = 4094;

function waysTable({ ipv6 }: Families) {
  const [least, what] = ipv6 ? [LEAST_MTU.v6, "MTU (with IPv6)"] : [LEAST_MTU.v4, "MTU"];
  return {
    mtu: { aliases: ["com.docker.network.driver.mtu"], read: wholeNumber(least, MOST_MTU, what) },
    metric: { read: wholeNumber(0, MOST_METRIC, "metric") },
    no_default_route: { read: yesOrNo },
  };
}

/** What a container may say otherwise than its network. MTU in bytes; absent = the parent's. */
export type Ways = OptionValues<ReturnType<typeof waysTable>>;

/** Options of one container: `--network NAME:mtu=1400,metric=50`. */
export function readWays(
  options: Options,
  families: Families,
): { readonly ways: Ways; readonly problems: readonly Problem[] } {
  const { values, problems } = readOptions(waysTable(families), options);
  return { ways: values, problems };
}

function onParentTable(families: Families) {
  return { parent: { aliases: ["host_iface"], read: anyText }, ...waysTable(families) };
}

export const KINDS = {
  macvlan: {
    read(options, families) {
      const table = {
        ...onParentTable(families),
        mode: { aliases: ["macvlan_mode"], read: oneOf(["bridge", "private", "vepa", "passthru"]) },
        bclim: { read: cutoff },
      };
      const { values, problems } = readOptions(table, options);
      const { mode = "bridge", bclim, ...common } = values;
      const defaults = values.mode === undefined ? { mode } : {};
      const wish = (mac: Mac | undefined): ChildWish => ({
        kind: "macvlan",
        mode,
        ...(mac !== undefined && { mac }),
        ...(bclim !== undefined && { cutoff: bclim }),
      });
      // The one link of its parent speaks in its name.
      const mac = mode === "passthru" ? "the parent's" : "its own";
      return { ...common, problems, defaults, link: { on: "parent", mac, routesOnLink: false, wish } };
    },
  },
  ipvlan: {
    read(options, families) {
      const table = {
        ...onParentTable(families),
        mode: { aliases: ["ipvlan_mode"], read: oneOf(["l2", "l3", "l3s"]) },
        ipvlan_flag: { aliases: ["flag"], read: oneOf(["bridge", "private", "vepa"]) },
      };
      const { values, problems } = readOptions(table, options);
      const { mode = "l2", ipvlan_flag: flag = "bridge", ...common } = values;
      const defaults = values.mode === undefined ? { mode } : {};
      const wish = (): ChildWish => ({ kind: "ipvlan", mode, flag });
      const routesOnLink = mode !== "l2";
      const link = { on: "parent", mac: "always the parent's", routesOnLink, wish } as const;
      return { ...common, problems, defaults, link };
    },
  },
  /** One that is there. Bridges of podman's own, with a router and names behind them, are its driver `bridge`. */
  bridge: {
    read(options, families) {
      const table = {
        bridge: { aliases: ["parent", "com.docker.network.bridge.name"], read: anyText },
        mode: { read: oneOf(["unmanaged"]) },
        vlan: { read: wholeNumber(1, LAST_VID, "VLAN id") },
        ...waysTable(families),
      };
      const { values, problems } = readOptions(table, options);
      const { bridge, mode, vlan, ...common } = values;
      const link = {
        ...({ on: "bridge", mac: "its own", routesOnLink: false } as const),
        ...(vlan !== undefined && { vlan }),
      };
      const defaults = mode === undefined ? { mode: "unmanaged" } : {};
      return { ...common, ...(bridge !== undefined && { parent: bridge }), problems, defaults, link };
    },
  },
} satisfies Readonly<Record<string, Kind>>;

export type KindName = keyof typeof KINDS;

const MOST_RECEIVERS = 0x7fff_ffff;

/** IFLA_MACVLAN_BC_CUTOFF: for how many receivers a multicast waits its turn on the parent; -1 = never. */
function cutoff(text: string): Reading<number> {
  return text === "-1" ? { value: -1 } : wholeNumber(0, MOST_RECEIVERS, "number of receivers")(text);
}
