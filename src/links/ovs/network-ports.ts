import { UnderlayError } from "../../lib/errors.ts";
import { gatewayLinkNameOf } from "../../lib/ifname.ts";
import { deriveMac, type Mac } from "../../lib/mac.ts";
import { settleAll } from "../../lib/settle.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { getLink, setLinkRequest } from "../../netlink/link.ts";
import { select } from "../../ovsdb/operation.ts";
import { type Carrier, carrierToward } from "./carrier.ts";
import { mtuOf } from "./mtu.ts";
import type { SwitchDatabase, SwitchPorts } from "./ports.ts";
import { gatewayRows } from "./rows.ts";
import type { OvsSpec } from "./spec.ts";
import type { SwitchTunnels, Tunnel } from "./tunnels.ts";
import type { SwitchUplinks } from "./uplink.ts";

/** What a network has on its bridge beside its endpoints: a gateway of its own VLAN, an uplink, tunnels. */
export interface NetworkPorts {
  /**
   * Bytes, of every link of the network: what was asked for, or the default, which gives way to what the way out
   * carries. To be asked before anything is made. Throws `invalid_option` with the sum.
   */
  mtu(network: OvsNetwork): Promise<number>;
  /**
   * Makes what is missing on the bridge, which is there; peers that are no longer named lose their tunnel. When it
   * fails, what it made is gone. Throws as ports, tunnels and uplinks do.
   */
  put(network: OvsNetwork, mtu: number): Promise<PutPorts>;
  /** Takes it all off the bridge. `isLast`: the uplinks too, which networks of one bridge share. Goes on past errors. */
  remove(network: Pick<OvsNetwork, "network" | "bridge">, isLast: boolean): Promise<void>;
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

export interface PutPorts {
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

/** `home`: a conversation in the netns that the bridges are in. */
export interface NetworkParts {
  readonly home: Conversation;
  readonly database: SwitchDatabase;
  readonly ports: SwitchPorts;
  readonly tunnels: SwitchTunnels;
  readonly uplinks: SwitchUplinks;
}

export function networkPorts({ home, database, ports, tunnels, uplinks }: NetworkParts): NetworkPorts {
  async function carrierOf(on: OvsNetwork): Promise<Carrier | undefined> {
    const name = on.spec.uplink?.name;
    if (name === undefined) return carrierToward(home, peersOf(on));
    const mtu = (await getLink(home, { name }))?.attrs.mtu;
    return mtu === undefined ? undefined : { name, mtu };
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
    const mac = await macOf(database, spec, name);
    const { ofport } = await ports.put(gatewayRows({ bridge, name, network, vlans: spec.vlans, mtu, mac }));
    undo.defer(async () => {
      if (isNew) await ports.remove(name);
    });
    await up(name);
    return { link: name, ofport };
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
    async mtu(on) {
      const read = mtuOf(on.spec, await carrierOf(on), peersOf(on));
      if ("mtu" in read) return read.mtu;
      const problems = [{ subject: "mtu", message: read.problem }];
      throw new UnderlayError("invalid_option", read.problem, { problems });
    },
    async put(on, mtu) {
      const { spec } = on;
      await using undo = new AsyncDisposableStack();
      const gateway = spec.hostIsGateway ? await putGateway(on, mtu, undo) : undefined;
      if (spec.uplink) await putUplink(on, spec.uplink.name, undo);
      const made = spec.tunnel ? await setTunnels(on, spec.tunnel.vni, undo) : [];
      undo.move();
      return { tunnels: made, ...(gateway && { gateway }) };
    },
    remove: ({ network, bridge }, isLast) =>
      settleAll([
        () => tunnels.removeAll(network),
        async () => {
          await ports.remove(gatewayLinkNameOf(network));
        },
        async () => {
          if (isLast) await uplinks.removeAll(bridge);
        },
      ]),
  };
}

/** With tunnels a gateway has one MAC on every host. Else no two links may have the same. */
export async function macOf(database: SwitchDatabase, spec: OvsSpec, link: string): Promise<Mac> {
  if (spec.tunnel && spec.hostIsGateway) return deriveMac("ovs gateway");
  const [[root]] = await database.transact([select("Open_vSwitch", [], [])]);
  return deriveMac("ovs link", link, root?._uuid ?? "");
}

export function isUntagged({ vlans }: OvsSpec): boolean {
  return vlans.mode === "access" && vlans.vlan === 0;
}

function peersOf({ spec, peers = [] }: OvsNetwork): readonly string[] {
  return spec.tunnel ? [...new Set([...spec.tunnel.peers, ...peers])] : [];
}
