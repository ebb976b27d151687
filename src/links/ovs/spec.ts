import type { Problem } from "../../lib/errors.ts";
import {
  anyText,
  type Option,
  type OptionValues,
  oneOf,
  readOptions,
  wholeNumber,
  yesOrNo,
} from "../../lib/options.ts";
import type { TunnelSpec } from "../driver.ts";
import { commonOptions, type Families, type RefusedOptions } from "../on-parent.ts";
import { portOptions, type Rates, ratesOf } from "./endpoint-spec.ts";
import { FIRST_VNI, LAST_VNI, linkName, peerList, uplinkName } from "./values.ts";
import { type PortVlans, UNTAGGED, vlanProblems, vlansOf } from "./vlans.ts";

/** `nat`: the host is the gateway. `flat`: the bridge is a switch, and whatever is on its uplink routes. */
export const OVS_MODES = ["nat", "flat"] as const;
export type OvsMode = (typeof OVS_MODES)[number];

/** `system`: the kernel's module. `netdev`: in ovs-vswitchd itself. Column `datapath_type` of OVSDB's Bridge. */
export const DATAPATHS = ["system", "netdev"] as const;
export type Datapath = (typeof DATAPATHS)[number];

/** A network on an Open vSwitch bridge. Only `parseOvs` makes one. */
export interface OvsSpec {
  readonly kind: "ovs";
  readonly bridge: BridgeRef;
  readonly mode: OvsMode;
  /** Absent: that of a bridge that is there, `system` of one that is made. */
  readonly datapath?: Datapath;
  /** Of every endpoint that says nothing else. */
  readonly vlans: PortVlans;
  readonly uplink?: UplinkSpec;
  readonly tunnel?: TunnelSpec;
  /** Bytes, when the user gave it; otherwise `defaultMtu`, less where the way out carries less. */
  readonly mtu?: number;
  readonly defaultMtu: number;
  readonly rates: Rates;
  /** Endpoints do not hear each other. */
  readonly isolate: boolean;
  readonly portSecurity: boolean;
  /** Whether the host has the gateways' addresses on the bridge. */
  readonly hostIsGateway: boolean;
}

export type BridgeRef =
  | { readonly how: "name"; readonly name: string }
  /** Nobody said: `name` for the first network that says nothing, for others one of their own. */
  | { readonly how: "default"; readonly name: string };

export interface UplinkSpec {
  readonly name: string;
  /** The host's addresses and routes on it move to the bridge. */
  readonly migrate: boolean;
}

/** What the configuration says for networks that do not say it themselves, as text. */
export interface OvsDefaults {
  readonly bridge?: string | undefined;
  readonly mode?: string | undefined;
  readonly mtu?: string | undefined;
  readonly datapath?: string | undefined;
}

/** Those of docker-ovs-plugin. */
const OLD_DEFAULTS = { bridge: "ovsbr-docker0", mode: "nat", mtu: 1450 } as const;

export type ParsedOvs = { readonly spec: OvsSpec; readonly allow: readonly string[] } | RefusedOptions;

const withController = (): string => "needs an OpenFlow controller (FAUCET), and Underlay works without one";
const ofDovesnap: Option<string> = { read: anyText, notYet: withController };

function optionTable(families: Families) {
  const { "com.docker.network.driver.mtu": mtu, ...common } = commonOptions(families);
  return {
    ...common,
    "com.docker.network.driver.mtu": {
      ...mtu,
      aliases: [...mtu.aliases, "ovs.bridge.mtu", "net.gopher.ovs.bridge.mtu"],
    },
    bridge: { aliases: ["ovs.bridge.name", "net.gopher.ovs.bridge.name"], read: linkName },
    mode: { aliases: ["ovs.bridge.mode", "net.gopher.ovs.bridge.mode"], read: oneOf(OVS_MODES) },
    uplink: {
      aliases: ["ovs.bridge.bind_interface", "net.gopher.ovs.bridge.bind_interface"],
      read: uplinkName,
    },
    uplink_migrate: { read: yesOrNo },
    datapath: { read: oneOf(DATAPATHS) },
    "ovs.bridge.userspace": { read: yesOrNo },
    ...portOptions,
    vlan: { ...portOptions.vlan, aliases: ["ovs.bridge.vlan"] },
    vni: { read: wholeNumber(FIRST_VNI, LAST_VNI, "VXLAN network identifier") },
    peers: { read: peerList },
    port_security: { read: yesOrNo },
    gateway: { read: oneOf(["bridge", "none"]) },
    "ovs.bridge.controller": ofDovesnap,
    "ovs.bridge.dpid": ofDovesnap,
    "ovs.bridge.nat_acl": ofDovesnap,
    "ovs.bridge.default_acl": ofDovesnap,
    "ovs.bridge.vlan_out_acl": ofDovesnap,
  };
}

type OvsValues = OptionValues<ReturnType<typeof optionTable>>;

/**
 * Options of an Open vSwitch network, as the user typed them, to a spec; or all that is wrong with them at once. Pure.
 * The spellings of docker-ovs-plugin (`net.gopher.ovs.bridge.*`) and dovesnap (`ovs.bridge.*`) are understood.
 */
export function parseOvs(
  options: Readonly<Record<string, string>>,
  defaults: OvsDefaults,
  families: Families,
): ParsedOvs {
  const read = readOptions(optionTable(families), options);
  const fallback = readOvsDefaults(defaults, families);
  const { values } = read;
  const mode = values.mode ?? fallback.values.mode ?? OLD_DEFAULTS.mode;
  const problems = [
    ...read.problems,
    ...fallback.problems,
    ...vlanProblems(values),
    ...combinationProblems(values, mode),
    ...read.notYet,
  ];
  if (problems.length > 0)
    return { code: problems.length === read.notYet.length ? "not_yet" : "invalid_option", problems };
  return { spec: specOf(values, fallback.values, mode), allow: values.allow ?? [] };
}

function defaultsTable(families: Families) {
  const { read: readMtu } = commonOptions(families)["com.docker.network.driver.mtu"];
  return {
    bridge: { read: linkName },
    mode: { read: oneOf(OVS_MODES) },
    mtu: { read: readMtu },
    datapath: { read: oneOf(DATAPATHS) },
  };
}

export interface ReadOvsDefaults {
  readonly values: OptionValues<ReturnType<typeof defaultsTable>>;
  readonly problems: readonly Problem[];
}

/** The configuration's section; its problems say so. Also for settings that are judged before there is a network. */
export function readOvsDefaults(defaults: OvsDefaults, families: Families): ReadOvsDefaults {
  const given = Object.entries(defaults).flatMap(([key, text]) => (text === undefined ? [] : [[key, text]]));
  const { values, problems } = readOptions(defaultsTable(families), Object.fromEntries(given));
  return {
    values,
    problems: problems.map(({ subject, message }) => ({
      subject: `ovs.${subject}`,
      message: `default ${message} (configuration, [ovs])`,
    })),
  };
}

/** What each option needs of the others, in the order in which it is told. */
function combinationProblems(values: OvsValues, mode: OvsMode): Problem[] {
  const { uplink, peers, vni, trunks, bridge, datapath, uplink_migrate: migrate } = values;
  const rows: readonly (readonly [subject: string, isWrong: boolean, words: string])[] = [
    [
      "uplink",
      uplink !== undefined && mode === "nat",
      "in mode nat the host routes; a NIC on the bridge needs mode=flat",
    ],
    [
      "uplink",
      uplink !== undefined && uplink === bridge,
      "a bridge is no NIC of itself; name another link, or another bridge",
    ],
    ["uplink_migrate", migrate !== undefined && uplink === undefined, "has a use with uplink only"],
    [
      "peers",
      peers !== undefined && vni === undefined,
      "tunnels need a number that all hosts share; add vni=1 to 16777215",
    ],
    [
      "vni",
      vni !== undefined && uplink !== undefined,
      "hosts joined by both a tunnel and an uplink make a loop; give one of them",
    ],
    [
      "trunks",
      trunks !== undefined && mode === "nat" && values.gateway !== "none",
      "in mode nat the host, as gateway, is in one VLAN; trunks need mode=flat, or stand on a single endpoint",
    ],
    [
      "ovs.bridge.userspace",
      values["ovs.bridge.userspace"] === "true" && datapath === "system",
      "says netdev, and datapath says system; give one of them",
    ],
    [
      "gateway",
      values.gateway === "bridge" && mode === "flat",
      "in mode flat the host is no gateway; use mode=nat",
    ],
  ];
  return rows.flatMap(([subject, isWrong, words]) =>
    isWrong ? [{ subject, message: `${subject}: ${words}` }] : [],
  );
}

function specOf(values: OvsValues, fallback: ReadOvsDefaults["values"], mode: OvsMode): OvsSpec {
  const { bridge, uplink, vni } = values;
  const userspace = values["ovs.bridge.userspace"] === "true" ? "netdev" : undefined;
  const datapath = values.datapath ?? userspace ?? fallback.datapath;
  const mtu = values["com.docker.network.driver.mtu"];
  return {
    kind: "ovs",
    bridge:
      bridge === undefined
        ? { how: "default", name: fallback.bridge ?? OLD_DEFAULTS.bridge }
        : { how: "name", name: bridge },
    mode,
    ...(datapath !== undefined && { datapath }),
    vlans: vlansOf(values) ?? UNTAGGED,
    ...(uplink !== undefined && { uplink: { name: uplink, migrate: values.uplink_migrate === "true" } }),
    ...(vni !== undefined && { tunnel: { vni, peers: values.peers ?? [] } }),
    ...(mtu !== undefined && { mtu }),
    defaultMtu: fallback.mtu ?? OLD_DEFAULTS.mtu,
    rates: ratesOf(values),
    isolate: values.isolate === "true",
    portSecurity: values.port_security === "true",
    hostIsGateway: mode === "nat" && values.gateway !== "none",
  };
}
