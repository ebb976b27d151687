import type { Mac } from "../../lib/mac.ts";
import type { Rates } from "./endpoint-spec.ts";
import type { Datapath } from "./spec.ts";
import { VXLAN_PORT } from "./values.ts";
import { type VlanColumns, vlanColumns } from "./vlan-columns.ts";
import type { PortVlans } from "./vlans.ts";

/** What we write into Open vSwitch's tables, by the names of ovs-vswitchd.conf.db(5). Pure. */

/** `external_ids:owner` of every row that we make. Nobody else's row is ever changed or removed. */
export const OWNER = "underlay";

/**
 * `uplink`: a NIC of the host. `gateway`: a link of the host's own in the network's VLAN. `overlay`: what joins a bridge
 * and that of its tunnels. `bridge`: a bridge's own link, which comes and goes with it.
 */
const ROLES = ["uplink", "gateway", "overlay", "bridge"] as const;
export type Role = (typeof ROLES)[number];

/** Keys of `external_ids` beside `owner`: whose the row is, in the words of whoever asked for it. */
export interface RowIds {
  /** Opaque key of the network: `docker:NETWORKID`. */
  readonly network: string;
  /** Opaque key of the endpoint, for what goes with one. */
  readonly endpoint?: string;
  /** Address of the other host, for a tunnel. */
  readonly peer?: string;
  /** What else the row is for. */
  readonly role?: Role;
}

export function externalIds(ids: RowIds): Readonly<Record<string, string>> {
  const given = Object.entries(ids).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]]));
  return { owner: OWNER, ...Object.fromEntries(given) };
}

/** Marks that another row of ours would have, or undefined of a row that is not ours. */
export function idsOf(external: ReadonlyMap<string, string>): RowIds | undefined {
  const network = external.get("network");
  if (external.get("owner") !== OWNER || network === undefined) return undefined;
  const [endpoint, peer] = ["endpoint", "peer"].map((key) => external.get(key));
  const role = ROLES.find((known) => known === external.get("role"));
  return {
    network,
    ...(endpoint !== undefined && { endpoint }),
    ...(peer !== undefined && { peer }),
    ...(role !== undefined && { role }),
  };
}

export function isSameIds(one: RowIds | undefined, other: RowIds): boolean {
  const keys = ["network", "endpoint", "peer", "role"] as const;
  return one !== undefined && keys.every((key) => one[key] === other[key]);
}

/** A condition of all rows of ours. */
export const MARKED = ["external_ids", "includes", { owner: OWNER }] as const;

export interface PortWish {
  readonly bridge: string;
  /** Name of the link, and of its rows. */
  readonly name: string;
  readonly ids: RowIds;
  readonly vlans: PortVlans;
  /** It does not hear other such ports. */
  readonly isolate: boolean;
  readonly rates: Rates;
  /** Of the container's end. */
  readonly mac?: Mac;
}

/** The rows of one port, by columns. Both bear the link's name. */
export interface PortRows {
  readonly bridge: string;
  readonly name: string;
  readonly ids: RowIds;
  readonly port: PortColumns;
  readonly iface: InterfaceColumns;
  readonly qos?: QosColumns | undefined;
}

export interface PortColumns extends VlanColumns {
  readonly protected: boolean;
  readonly external_ids: Readonly<Record<string, string>>;
}

export interface InterfaceColumns {
  readonly type: "" | "vxlan" | "internal" | "patch";
  readonly options: Readonly<Record<string, string>>;
  /** kbit/s; 0 = no limit. */
  readonly ingress_policing_rate: number;
  /** kbit */
  readonly ingress_policing_burst: number;
  /** Of an internal port. */
  readonly mac?: string;
  /** Bytes, of an internal port. */
  readonly mtu_request?: number;
  readonly external_ids: Readonly<Record<string, string>>;
}

export interface QosColumns {
  readonly type: "linux-htb";
  readonly other_config: { readonly "max-rate": string };
  readonly external_ids: Readonly<Record<string, string>>;
}

/** The port of an endpoint. */
export function portRows({ bridge, name, ids, vlans, isolate, rates, mac }: PortWish): PortRows {
  const marks = externalIds(ids);
  return {
    bridge,
    name,
    ids,
    port: { ...vlanColumns(vlans), protected: isolate, external_ids: marks },
    iface: {
      type: "",
      options: {},
      ...policingOf(rates),
      // What other programs look for: the contract of ovs-vswitchd.conf.db(5) for virtual machines.
      external_ids: {
        ...marks,
        ...(ids.endpoint !== undefined && { "iface-id": ids.endpoint }),
        ...(mac !== undefined && { "attached-mac": mac }),
      },
    },
    qos: qosOf(rates, marks),
  };
}

/** Bits that may pass at once: a veth hands over up to 64 KiB in one piece, and a policer drops what it cannot hold. */
const LEAST_BURST = 1_000_000;

/** Of what the container sends. */
function policingOf({ tx }: Rates) {
  if (tx === undefined) return { ingress_policing_rate: 0, ingress_policing_burst: 0 };
  return {
    ingress_policing_rate: Math.ceil(tx / 1000),
    ingress_policing_burst: Math.ceil(Math.max(tx / 10, LEAST_BURST) / 1000),
  };
}

/** Of what the container receives. A root row: it goes only when it is removed. */
function qosOf({ rx }: Rates, marks: QosColumns["external_ids"]): QosColumns | undefined {
  return rx === undefined
    ? undefined
    : { type: "linux-htb", other_config: { "max-rate": `${rx}` }, external_ids: marks };
}

export interface TunnelWish {
  readonly bridge: string;
  readonly name: string;
  readonly network: string;
  readonly vni: number;
  readonly peer: string;
  readonly vlans: PortVlans;
}

/**
 * The port of a tunnel to one other host. Protected, for the split horizon: a frame that came out of one tunnel goes
 * into no other, else it would go round in a mesh of three hosts for ever.
 */
export function tunnelRows({ bridge, name, network, vni, peer, vlans }: TunnelWish): PortRows {
  const rows = portRows({ bridge, name, vlans, ids: { network, peer }, isolate: true, rates: {} });
  const options = { remote_ip: peer, key: `${vni}`, dst_port: `${VXLAN_PORT}` };
  return { ...rows, iface: { ...rows.iface, type: "vxlan", options } };
}

/** The port of a NIC: all VLANs pass, those without a tag too, since whoever is behind it decides. */
export function uplinkRows(wish: {
  readonly bridge: string;
  readonly name: string;
  readonly network: string;
}): PortRows {
  const { bridge, name, network } = wish;
  const vlans = { mode: "trunk", vlans: [] } as const;
  return portRows({ bridge, name, vlans, ids: { network, role: "uplink" }, isolate: false, rates: {} });
}

export interface GatewayWish {
  readonly bridge: string;
  readonly name: string;
  readonly network: string;
  readonly vlans: PortVlans;
  readonly mac: Mac;
  /** Bytes. */
  readonly mtu: number;
}

/** The host's own link in the network's VLAN: that of the bridge itself is in none. */
export function gatewayRows({ bridge, name, network, vlans, mac, mtu }: GatewayWish): PortRows {
  const ids = { network, role: "gateway" } as const;
  const rows = portRows({ bridge, name, vlans, ids, isolate: false, rates: {} });
  return { ...rows, iface: { ...rows.iface, type: "internal", mac, mtu_request: mtu } };
}

export interface PatchWish {
  readonly bridge: string;
  readonly name: string;
  /** Name of the port at the other end. */
  readonly peer: string;
  readonly network: string;
  readonly vlans: PortVlans;
  readonly isolate: boolean;
}

/** One end of what joins two bridges of the switch. */
export function patchRows({ bridge, name, peer, network, vlans, isolate }: PatchWish): PortRows {
  const ids = { network, role: "overlay" } as const;
  const rows = portRows({ bridge, name, vlans, ids, isolate, rates: {} });
  return { ...rows, iface: { ...rows.iface, type: "patch", options: { peer } } };
}

export interface BridgeWish {
  readonly name: string;
  readonly network: string;
  readonly datapath: Datapath;
  /** The user chose it: a bridge that is there with another one will not do. */
  readonly datapathAsked: boolean;
  /** Of its own link, which has the lowest of its ports' otherwise, and another one when ports come or go. */
  readonly mac: Mac;
  /** It has the same on every host, so that of a bridge of ours is changed to it. */
  readonly macIsShared?: boolean;
  /** Bytes, of its own link. */
  readonly mtu: number;
}

/** Forwards like a switch without a controller, and is not told what to do by one on the network. */
export function bridgeColumns({ name, network, datapath, mac }: BridgeWish) {
  return {
    name,
    datapath_type: datapath,
    fail_mode: "standalone",
    other_config: { hwaddr: mac, "disable-in-band": "true" },
    external_ids: externalIds({ network }),
  };
}

export function localPortColumns({ name, network }: BridgeWish) {
  return { name, external_ids: externalIds({ network, role: "bridge" }) };
}

export function localInterfaceColumns({ name, network, mtu }: BridgeWish) {
  return { name, type: "internal", mtu_request: mtu, external_ids: externalIds({ network, role: "bridge" }) };
}
