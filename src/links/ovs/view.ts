import type { Uuid } from "../../ovsdb/datum.ts";
import { select } from "../../ovsdb/operation.ts";
import type { SwitchDatabase } from "./ports.ts";
import { idsOf, MARKED, type RowIds } from "./rows.ts";
import type { Datapath } from "./spec.ts";

/** A bridge as a person wants to see it: its ports, their VLANs, tunnels and counters. */
export interface BridgeView {
  readonly name: string;
  readonly datapath: Datapath;
  /** Whether we made it. */
  readonly isOurs: boolean;
  readonly ports: readonly PortView[];
}

export interface PortView {
  readonly name: string;
  /** Absent: somebody else's. */
  readonly ids?: RowIds;
  /** In words of OVSDB: `access`, `trunk`, `native-untagged`; absent: as the other two say. */
  readonly vlanMode?: string;
  /** 0: frames without a tag alone. */
  readonly tag?: number;
  readonly trunks: readonly number[];
  readonly isolated: boolean;
  readonly ofport?: number;
  /** What ovs-vswitchd says against it. */
  readonly error?: string;
  readonly linkIsUp?: boolean;
  readonly tunnel?: { readonly type: string; readonly peer: string; readonly key?: string };
  /** Since the port was added, as the switch counts: what it received is what the container sent. Read each 5 s. */
  readonly counters?: Counters;
}

/** 64 bits. */
export interface Counters {
  readonly rxBytes: bigint;
  readonly rxPackets: bigint;
  readonly txBytes: bigint;
  readonly txPackets: bigint;
}

/** Undefined when there is none of that name. Its own link is among the ports. Throws `unreachable`, `timeout`. */
export async function viewBridge(database: SwitchDatabase, name: string): Promise<BridgeView | undefined> {
  const [[bridge], ports, interfaces] = await database.transact([
    select("Bridge", [["name", "==", name]], ["datapath_type", "ports", "external_ids"]),
    select("Port", [], ["name", "interfaces", "vlan_mode", "tag", "trunks", "protected", "external_ids"]),
    select("Interface", [], ["type", "options", "ofport", "error", "link_state", "statistics"]),
  ]);
  if (!bridge) return undefined;
  const faces = new Map<Uuid, (typeof interfaces)[number]>(interfaces.map((face) => [face._uuid, face]));
  const members = new Set(bridge.ports);
  return {
    name,
    datapath: bridge.datapath_type === "netdev" ? "netdev" : "system",
    isOurs: idsOf(bridge.external_ids) !== undefined,
    ports: ports
      .filter(({ _uuid }) => members.has(_uuid))
      .map((port) => portView(port, faces.get(port.interfaces[0] ?? port._uuid)))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

/** A tunnel of a network as Open vSwitch has it, on whichever bridge. */
export interface TunnelState {
  readonly name: string;
  /** Owner key. */
  readonly network: string;
  readonly peer: string;
  readonly ofport?: number;
  /** What ovs-vswitchd says against it. */
  readonly error?: string;
}

/** All of ours. Throws `unreachable`, `timeout`. */
export async function viewTunnels(database: SwitchDatabase): Promise<readonly TunnelState[]> {
  const [rows] = await database.transact([
    select("Interface", [["type", "==", "vxlan"], MARKED], ["name", "external_ids", "ofport", "error"]),
  ]);
  return rows.flatMap(({ name, external_ids, ofport, error }) => {
    const { network, peer } = idsOf(external_ids) ?? {};
    if (network === undefined || peer === undefined) return [];
    const number = ofport !== undefined && ofport > 0 && { ofport };
    return [{ name, network, peer, ...number, ...(error !== undefined && { error }) }];
  });
}

interface PortRow {
  readonly name: string;
  readonly vlan_mode: string | undefined;
  readonly tag: number | undefined;
  readonly trunks: readonly number[];
  readonly protected: boolean;
  readonly external_ids: ReadonlyMap<string, string>;
}

interface FaceRow {
  readonly type: string;
  readonly options: ReadonlyMap<string, string>;
  readonly ofport: number | undefined;
  readonly error: string | undefined;
  readonly link_state: string | undefined;
  readonly statistics: ReadonlyMap<string, bigint>;
}

function portView(port: PortRow, face: FaceRow | undefined): PortView {
  const { name, vlan_mode: vlanMode, tag, trunks } = port;
  const ids = idsOf(port.external_ids);
  return {
    ...{ name, trunks, isolated: port.protected },
    ...(ids && { ids }),
    ...(vlanMode !== undefined && { vlanMode }),
    ...(tag !== undefined && { tag }),
    ...(face && faceView(face)),
  };
}

function faceView({ type, options, ofport, error, link_state: link, statistics }: FaceRow) {
  const [peer, key] = [options.get("remote_ip"), options.get("key")];
  return {
    ...(ofport !== undefined && ofport > 0 && { ofport }),
    ...(error !== undefined && { error }),
    ...(link !== undefined && { linkIsUp: link === "up" }),
    ...(peer !== undefined && { tunnel: { type, peer, ...(key !== undefined && { key }) } }),
    ...(statistics.size > 0 && { counters: countersOf(statistics) }),
  };
}

function countersOf(statistics: ReadonlyMap<string, bigint>): Counters {
  const read = (name: string) => statistics.get(name) ?? 0n;
  return {
    rxBytes: read("rx_bytes"),
    rxPackets: read("rx_packets"),
    txBytes: read("tx_bytes"),
    txPackets: read("tx_packets"),
  };
}
