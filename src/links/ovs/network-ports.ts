import { UnderlayError } from "../../lib/errors.ts";
import { gatewayLinkNameOf } from "../../lib/ifname.ts";
import type { Ip } from "../../lib/ip.ts";
import { deriveMac, type Mac } from "../../lib/mac.ts";
import type { Peer } from "../../lib/peer.ts";
import { settleAll } from "../../lib/settle.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { getLink, setLinkRequest } from "../../netlink/link.ts";
import { select } from "../../ovsdb/operation.ts";
import type { SwitchBridges } from "./bridges.ts";
import { type Carrier, carrierToward } from "./carrier.ts";
import { mtuOf } from "./mtu.ts";
import { switchOverlays } from "./overlay.ts";
import type { SwitchDatabase, SwitchPorts } from "./ports.ts";
import { gatewayRows } from "./rows.ts";
import type { OvsSpec, UplinkSpec } from "./spec.ts";
import type { SwitchTunnels, Tunnel } from "./tunnels.ts";
import type { SwitchUplinks } from "./uplink.ts";
import { UNTAGGED } from "./vlans.ts";

/** What a network has on its bridge beside its endpoints: a gateway of its own VLAN, an uplink, tunnels. */
export interface NetworkPorts {
  /**
   * Bytes, of every link of the network: what was asked for, or the default, which gives way to what the way out
   * carries. To be asked before anything is made. Throws `invalid_option` with the sum.
   */
  mtu(network: OvsNetwork): Promise<number>;
  /**
   * Makes what is missing on the bridge, which is there; peers that are no longer named lose their tunnel. `undo` takes
   * back what it made. Throws as ports, tunnels and uplinks do.
   */
  put(network: OvsNetwork, mtu: number, undo: AsyncDisposableStack): Promise<PutPorts>;
  /** Takes it off the bridge, but for uplinks, which networks of one bridge share. Goes on past errors. */
  remove(network: Pick<OvsNetwork, "network" | "bridge">): Promise<void>;
}

export interface OvsNetwork {
  /** Opaque key. */
  readonly network: string;
  /** Name of its bridge: the spec's, or the one that was chosen for it. */
  readonly bridge: string;
  readonly spec: OvsSpec;
  /** Peers that were learnt, beside those of the spec. */
  readonly peers?: readonly Peer[];
  /** Addresses of the gateways, for a network with tunnels. */
  readonly gateways?: readonly Ip[];
}

export interface PutPorts {
  /** Where the host has the gateways' addresses, in mode nat. */
  readonly gateway?: GatewayLink;
  readonly tunnels: readonly Tunnel[];
  /**
   * What has to be secured with the gateway's MAC and addresses (`security/tunnel-flows.ts`), before addresses are on it:
   * it is the same on every host, and nothing of it may pass these ports of that bridge.
   */
  readonly guarded?: { readonly bridge: string; readonly ports: readonly NumberedPort[] };
}

export interface NumberedPort {
  readonly name: string;
  readonly ofport: number;
}

export interface GatewayLink {
  /** A link of the host, up: the bridge's own, or one in the network's VLAN. */
  readonly link: string;
  /** Of its port; absent: the bridge's own, OFPP_LOCAL. */
  readonly ofport?: number;
  /** That it has: of somebody else's bridge not that which we would have given it. */
  readonly mac?: Mac;
}

/** `home`: a conversation in the netns that the bridges are in. */
export interface NetworkParts {
  readonly home: Conversation;
  readonly database: SwitchDatabase;
  readonly ports: SwitchPorts;
  readonly bridges: SwitchBridges;
  readonly tunnels: SwitchTunnels;
  readonly uplinks: SwitchUplinks;
}

export function networkPorts(parts: NetworkParts): NetworkPorts {
  const { home, database, ports, bridges, tunnels, uplinks } = parts;
  const overlays = switchOverlays(bridges, ports);

  async function carrierOf(on: OvsNetwork): Promise<Carrier | undefined> {
    const name = on.spec.uplink?.name;
    if (name === undefined) return carrierToward(home, peersOf(on));
    const mtu = (await getLink(home, { name }))?.attrs.mtu;
    return mtu === undefined ? undefined : { name, mtu };
  }

  async function putGateway(on: OvsNetwork, mtu: number, undo: AsyncDisposableStack): Promise<GatewayLink> {
    const { network, bridge, spec } = on;
    if (isUntagged(spec)) return { link: bridge, ...(await up(bridge)) };
    const name = gatewayLinkNameOf(network);
    const isNew = (await ports.find(name)) === undefined;
    const mac = await macOf(database, spec, name);
    const { ofport } = await ports.keep(gatewayRows({ bridge, name, network, vlans: spec.vlans, mtu, mac }));
    undo.defer(async () => {
      if (isNew) await ports.remove(name);
    });
    return { link: name, ofport, ...(await up(name)) };
  }

  async function up(name: string): Promise<{ readonly mac?: Mac }> {
    await home.request(setLinkRequest({ name }, { up: true }));
    const address = (await getLink(home, { name }))?.attrs.address;
    return typeof address === "string" ? { mac: address } : {};
  }

  async function putUplink({ network, bridge }: OvsNetwork, asked: UplinkSpec, undo: AsyncDisposableStack) {
    const { name, isNew } = await uplinks.put({ network, bridge, ...asked });
    undo.defer(async () => {
      if (isNew) await uplinks.remove(name);
    });
  }

  async function putTunnels(on: OvsNetwork, mtu: number, undo: AsyncDisposableStack) {
    const { network, bridge, spec } = on;
    const { tunnel, vlans, isolate } = spec;
    if (!tunnel) return { tunnels: [] };
    // Those that were there before carry somebody's frames.
    const isNew = (await tunnels.peersOf(network)).length === 0;
    undo.defer(async () => {
      if (isNew) await settleAll([() => tunnels.removeAll(network), () => overlays.remove(network)]);
    });
    const wish = { network, vni: tunnel.vni, peers: peersOf(on) };
    if (!spec.hostIsGateway) return { tunnels: await tunnels.set({ ...wish, bridge, vlans }) };
    const overlay = await overlays.put({ network, bridge, vlans, isolate, mtu });
    const made = await tunnels.set({ ...wish, bridge: overlay.bridge, vlans: UNTAGGED });
    return { tunnels: made, guarded: { bridge: overlay.bridge, ports: [overlay.port, ...made] } };
  }

  return {
    async mtu(on) {
      const read = mtuOf(on.spec, await carrierOf(on), peersOf(on));
      if ("mtu" in read) return read.mtu;
      const problems = [{ subject: "mtu", message: read.problem }];
      throw new UnderlayError("invalid_option", read.problem, { problems });
    },
    async put(on, mtu, undo) {
      const { spec } = on;
      const gateway = spec.hostIsGateway ? await putGateway(on, mtu, undo) : undefined;
      if (spec.uplink) await putUplink(on, spec.uplink, undo);
      const made = await putTunnels(on, mtu, undo);
      return { ...made, ...(gateway && { gateway }) };
    },
    remove: ({ network }) =>
      settleAll([
        () => tunnels.removeAll(network),
        () => overlays.remove(network),
        async () => {
          await ports.remove(gatewayLinkNameOf(network));
        },
      ]),
  };
}

/** With tunnels a gateway has one MAC on every host. Else no two links may have the same. */
async function macOf(database: SwitchDatabase, spec: OvsSpec, link: string): Promise<Mac> {
  if (isSharedGateway(spec)) return SHARED_GATEWAY_MAC;
  const [[root]] = await database.transact([select("Open_vSwitch", [], [])]);
  return deriveMac("ovs link", link, root?._uuid ?? "");
}

export const SHARED_GATEWAY_MAC = deriveMac("ovs gateway");

function isSharedGateway({ tunnel, hostIsGateway }: OvsSpec): boolean {
  return tunnel !== undefined && hostIsGateway;
}

/** Whether the bridge's own link is such a gateway. */
export function bridgeIsSharedGateway(spec: OvsSpec): boolean {
  return isSharedGateway(spec) && isUntagged(spec);
}

export function isUntagged({ vlans }: OvsSpec): boolean {
  return vlans.mode === "access" && vlans.vlan === 0;
}

function peersOf({ spec, peers = [] }: OvsNetwork): readonly Peer[] {
  return spec.tunnel ? [...new Set([...spec.tunnel.peers, ...peers])] : [];
}
