import { UnderlayError } from "../../lib/errors.ts";
import { gatewayLinkNameOf, switchPortNameOf } from "../../lib/ifname.ts";
import type { Cidr } from "../../lib/ip.ts";
import type { Log } from "../../lib/log.ts";
import { deriveMac, type Mac } from "../../lib/mac.ts";
import type { LinkEnd } from "../../lib/pair.ts";
import { settleAll } from "../../lib/settle.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { getLink, setLinkRequest } from "../../netlink/link.ts";
import { select } from "../../ovsdb/operation.ts";
import type { Families } from "../on-parent.ts";
import type { FoundBridge } from "./bridge-rows.ts";
import type { RemovedBridge, SwitchBridges } from "./bridges.ts";
import { carrierToward } from "./carrier.ts";
import { type OvsEndpointSpec, type ParsedOvsEndpoint, parseOvsEndpoint } from "./endpoint-spec.ts";
import { mtuOf } from "./mtu.ts";
import type { SwitchPairs } from "./pair.ts";
import type { SwitchDatabase, SwitchPorts } from "./ports.ts";
import { gatewayRows, portRows, type RowIds } from "./rows.ts";
import { type OvsDefaults, type OvsSpec, type ParsedOvs, parseOvs } from "./spec.ts";
import type { SwitchTunnels, Tunnel } from "./tunnels.ts";
import type { SwitchUplinks } from "./uplink.ts";

/** Networks on Open vSwitch: a bridge that several may share, and for each endpoint a port of it. */
export interface OvsDriver {
  parse(options: Readonly<Record<string, string>>, families: Families): ParsedOvs;
  parseEndpoint(options: Readonly<Record<string, string>>): ParsedOvsEndpoint;
  /**
   * The network has its bridge, uplink and tunnels. Again: what is missing is made, peers that are no longer named lose
   * their tunnel. When it fails, what it made is gone. Calls for one bridge come one after another.
   */
  prepare(network: OvsNetwork): Promise<Prepared>;
  /** Takes off the bridge what the network alone has there. `last`: it was the bridge's last. */
  dismantle(network: OvsNetwork, last?: LastOfBridge): Promise<RemovedBridge | undefined>;
  /** A pair of which one end is a port of the bridge, down in the container's half. Again: made as wanted. */
  create(birth: OvsBirth): Promise<OvsBorn>;
  /** Both halves, wherever the container's is; goes on past what fails. "Already gone" is success. */
  remove(owner: string): Promise<void>;
  /** What is wrong with an endpoint's port, for people; undefined when nothing is. */
  check(owner: string, bridge: string): Promise<string | undefined>;
  /** Removes rows of ours that are not wanted; answers the names of the ports that went. */
  collect(isWanted: (ids: RowIds) => boolean): Promise<readonly string[]>;
}

export interface OvsNetwork {
  /** Opaque key. */
  readonly network: string;
  /** Name of its bridge: the spec's, or the one that was chosen for it. */
  readonly bridge: string;
  readonly spec: OvsSpec;
  /** Peers that were learnt, beside those of the spec. */
  readonly peers?: readonly string[];
}

export interface Prepared {
  readonly bridge: FoundBridge;
  /** Bytes, of every link of the network. */
  readonly mtu: number;
  /** Where the host has the gateways' addresses, in mode nat. */
  readonly gateway?: GatewayLink;
  readonly tunnels: readonly Tunnel[];
}

export interface GatewayLink {
  /** A link of the host, up: the bridge's own, or one in the network's VLAN. */
  readonly link: string;
  /** Of its port; absent: the bridge's own, OFPP_LOCAL. */
  readonly ofport?: number;
}

export interface LastOfBridge {
  /** Ours, on the bridge's own link. */
  readonly ownAddresses: readonly Cidr[];
}

export interface OvsBirth {
  readonly owner: string;
  readonly on: OvsNetwork;
  readonly endpoint: OvsEndpointSpec;
  /** Absent: the kernel's choice. */
  readonly mac?: Mac;
  /** Bytes; as `prepare` said. */
  readonly mtu: number;
}

export interface OvsBorn {
  readonly container: LinkEnd;
  readonly port: LinkEnd;
  readonly ofport: number;
}

export interface OvsParts {
  readonly home: Conversation;
  readonly database: SwitchDatabase;
  readonly pairs: SwitchPairs;
  readonly ports: SwitchPorts;
  readonly bridges: SwitchBridges;
  readonly tunnels: SwitchTunnels;
  readonly uplinks: SwitchUplinks;
  readonly defaults: OvsDefaults;
  readonly log: Log;
  /** Deletes a link of ours by name, without its sender waiting for the kernel; absent: `pairs` does. */
  readonly deleteLink?: (name: string) => Promise<boolean>;
}

export function ovsDriver(parts: OvsParts): OvsDriver {
  const { home, database, pairs, ports, bridges, tunnels, uplinks, defaults, log } = parts;
  const deleteLink = parts.deleteLink;

  /** With tunnels a gateway has one MAC on every host. Else no two links may have the same. */
  async function macOf({ spec }: OvsNetwork, link: string): Promise<Mac> {
    if (spec.tunnel && spec.hostIsGateway) return deriveMac("ovs gateway");
    const [[root]] = await database.transact([select("Open_vSwitch", [], [])]);
    return deriveMac("ovs link", link, root?._uuid ?? "");
  }

  async function ensureBridge(on: OvsNetwork, mtu: number): Promise<FoundBridge> {
    const { network, bridge, spec } = on;
    return bridges.ensure({
      ...{ name: bridge, network, mtu, mac: await macOf(on, bridge) },
      datapath: spec.datapath ?? "system",
      datapathAsked: spec.datapath !== undefined,
      macIsShared: spec.tunnel !== undefined && spec.hostIsGateway && isUntagged(spec),
    });
  }

  async function putGateway(on: OvsNetwork, mtu: number, undo: AsyncDisposableStack): Promise<GatewayLink> {
    const { network, bridge, spec } = on;
    const up = (name: string) => home.request(setLinkRequest({ name }, { up: true }));
    if (isUntagged(spec)) {
      await up(bridge);
      return { link: bridge };
    }
    const name = gatewayLinkNameOf(network);
    const isNew = (await ports.find(name)) === undefined;
    const wish = { bridge, name, network, vlans: spec.vlans, mtu, mac: await macOf(on, name) };
    const { ofport } = await ports.put(gatewayRows(wish));
    undo.defer(async () => {
      if (isNew) await ports.remove(name);
    });
    await up(name);
    return { link: name, ofport };
  }

  /** Before anything is made. */
  async function requireMtu({ spec }: OvsNetwork, peers: readonly string[]): Promise<number> {
    const uplink = spec.uplink && (await getLink(home, { name: spec.uplink.name }));
    const carrier = uplink
      ? { name: spec.uplink?.name ?? "", mtu: uplink.attrs.mtu ?? 0 }
      : await carrierToward(home, peers);
    const read = mtuOf(spec, carrier, peers);
    if ("mtu" in read) return read.mtu;
    const problems = [{ subject: "mtu", message: read.problem }];
    throw new UnderlayError("invalid_option", read.problem, { problems });
  }

  async function putUplink({ network, bridge }: OvsNetwork, asked: string, undo: AsyncDisposableStack) {
    const { name, isNew } = await uplinks.put({ network, bridge, name: asked });
    undo.defer(async () => {
      if (isNew) await ports.remove(name);
    });
  }

  async function setTunnels(on: OvsNetwork, vni: number, undo: AsyncDisposableStack) {
    const { network, bridge, spec } = on;
    // Those that were there before carry somebody's frames.
    if ((await tunnels.peersOf(network)).length === 0) undo.defer(() => tunnels.removeAll(network));
    return tunnels.set({ network, bridge, vni, peers: peersOf(on), vlans: spec.vlans });
  }

  return {
    parse: (options, families) => parseOvs(options, defaults, families),
    parseEndpoint: parseOvsEndpoint,
    async prepare(on) {
      const { bridge, spec } = on;
      const mtu = await requireMtu(on, peersOf(on));
      await using undo = new AsyncDisposableStack();
      const wasThere = (await bridges.find(bridge)) !== undefined;
      const made = await ensureBridge(on, mtu);
      if (!wasThere) undo.defer(() => dropBridge(bridge));
      requireRates(spec, made);
      const gateway = spec.hostIsGateway ? await putGateway(on, mtu, undo) : undefined;
      if (spec.uplink) await putUplink(on, spec.uplink.name, undo);
      const tunnels = spec.tunnel ? await setTunnels(on, spec.tunnel.vni, undo) : [];
      undo.move();
      return { bridge: made, mtu, tunnels, ...(gateway && { gateway }) };
    },
    async dismantle({ network, bridge }, last) {
      const outcome: { removed?: RemovedBridge } = {};
      await settleAll([
        () => tunnels.removeAll(network),
        async () => {
          await ports.remove(gatewayLinkNameOf(network));
        },
        async () => {
          if (last) await uplinks.removeAll(bridge);
        },
        async () => {
          if (last) outcome.removed = await bridges.remove(bridge, last.ownAddresses);
        },
      ]);
      const { removed } = outcome;
      if (removed && !removed.isGone) log("info", `bridge ${bridge} is kept: ${removed.why}`, { bridge });
      return removed;
    },
    async create({ owner, on, endpoint, mac, mtu }) {
      const { network, bridge, spec } = on;
      const found = await bridges.find(bridge);
      if (!found) throw new UnderlayError("not_found", `there is no Open vSwitch bridge ${bridge}`);
      const rates = { ...spec.rates, ...endpoint.rates };
      requireRates({ rates }, found);
      await using undo = new AsyncDisposableStack();
      undo.defer(async () => {
        await pairs.remove(owner);
      });
      const ends = await pairs.make({
        ...{ owner, mtu },
        ...(mac !== undefined && { mac }),
        finishesChecksums: found.datapath === "netdev",
      });
      const { ofport } = await ports.put(
        portRows({
          ...{ bridge, rates, name: ends.port.name },
          ids: { network, endpoint: owner },
          vlans: endpoint.vlans ?? spec.vlans,
          isolate: endpoint.isolate ?? spec.isolate,
          ...(ends.container.mac !== undefined && { mac: ends.container.mac }),
        }),
      );
      undo.move();
      log("info", `attached veth ${ends.port.name} to bridge ${bridge}`, { owner, bridge, ofport });
      return { ...ends, ofport };
    },
    async remove(owner) {
      const name = switchPortNameOf(owner);
      await settleAll([
        async () => {
          if (await ports.remove(name)) log("info", `deleted OVS port ${name} from its bridge`, { owner });
        },
        async () => {
          await (deleteLink ? deleteLink(name) : pairs.remove(owner));
        },
      ]);
    },
    async check(owner, bridge) {
      const name = switchPortNameOf(owner);
      const found = await ports.find(name);
      if (found?.ids?.endpoint !== owner) return `its port ${name} is gone from Open vSwitch`;
      if (found.bridge !== bridge) return `its port ${name} is on bridge ${found.bridge}, not ${bridge}`;
      const { ofport = -1, error } = found.iface ?? {};
      if (error !== undefined) return `Open vSwitch cannot use its port ${name}: ${error}`;
      if (ofport <= 0) return `Open vSwitch has not taken its port ${name}`;
      return (await pairs.find(owner)) ? undefined : `link ${name} is gone`;
    },
    collect: (isWanted) => ports.collect(isWanted),
  };

  async function dropBridge(name: string): Promise<void> {
    await bridges.remove(name, []);
  }
}

function peersOf({ spec, peers = [] }: OvsNetwork): readonly string[] {
  return spec.tunnel ? [...new Set([...spec.tunnel.peers, ...peers])] : [];
}

function isUntagged({ vlans }: OvsSpec): boolean {
  return vlans.mode === "access" && vlans.vlan === 0;
}

/** Frames reach ovs-vswitchd before the kernel's policer would see them. */
function requireRates({ rates }: Pick<OvsSpec, "rates">, { name, datapath }: FoundBridge): void {
  if (rates.tx === undefined || datapath !== "netdev") return;
  const message = `tx_rate: the userspace datapath of bridge ${name} does not limit what containers send; leave it out, or use datapath=system`;
  throw new UnderlayError("unsupported", message, { problems: [{ subject: "tx_rate", message }] });
}
