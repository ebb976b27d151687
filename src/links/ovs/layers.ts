import { UnderlayError } from "../../lib/errors.ts";
import { type Cidr, contains, formatCidr, LINK_LOCAL } from "../../lib/ip.ts";
import { deriveMac } from "../../lib/mac.ts";
import { listAddresses } from "../../netlink/address.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { getLink, setLinkRequest } from "../../netlink/link.ts";
import { GATEWAY_ADDRESS } from "../gateway-address.ts";
import type { FoundLayer, ParentLinks } from "../parent/make.ts";
import type { KernelLayer, ParentLayer, SwitchLayer } from "../parent/plan.ts";
import type { SwitchBridges } from "./bridges.ts";
import { SHARED_GATEWAY_MAC } from "./network-ports.ts";
import type { BridgeWish } from "./rows.ts";

/** Bridges of the switch, as the layers of parents that they are. */

/** What of them is not the layer's to say. */
export interface SwitchHost {
  readonly bridges: SwitchBridges;
  /** A conversation in the netns that the bridges are in. */
  readonly home: Conversation;
  /** Different on each host, so that their bridges are told apart on a LAN. */
  readonly seed: string;
}

/** Parents of all kinds: those of the kernel as they are, bridges by the switch. */
export function withSwitch(kernel: ParentLinks<KernelLayer>, host: SwitchHost): ParentLinks {
  const bridges = bridgeLayers(host);
  const linksOf = (layer: ParentLayer) =>
    layer.kind === "switch" ? bridges.of(layer) : kernelOf(kernel, layer);
  return {
    look: (layer) => linksOf(layer).look(),
    names: kernel.names,
    make: (layer) => linksOf(layer).make(),
    finish: (layer, ifindex) => linksOf(layer).finish(ifindex),
    users: (layer, ifindex, except) => linksOf(layer).users(ifindex, except),
    remove: (layer, ifindex) => linksOf(layer).remove(ifindex),
  };
}

/** The verbs of `ParentLinks`, for one layer. */
interface LayerLinks {
  look(): Promise<FoundLayer | undefined>;
  make(): Promise<number>;
  finish(ifindex: number): Promise<void>;
  users(ifindex: number, except: ReadonlySet<number>): Promise<string[]>;
  remove(ifindex: number): Promise<void>;
}

function kernelOf(kernel: ParentLinks<KernelLayer>, layer: KernelLayer): LayerLinks {
  return {
    look: () => kernel.look(layer),
    make: () => kernel.make(layer),
    finish: (ifindex) => kernel.finish(layer, ifindex),
    users: (ifindex, except) => kernel.users(layer, ifindex, except),
    remove: (ifindex) => kernel.remove(layer, ifindex),
  };
}

function bridgeLayers({ bridges, home, seed }: SwitchHost) {
  /** Addresses that somebody else gave, and ours. */
  async function addressesOf(ifindex: number): Promise<{ readonly ours: Cidr[]; readonly others: Cidr[] }> {
    const all = (await listAddresses(home, ifindex)).filter(({ cidr }) => !contains(LINK_LOCAL, cidr.ip));
    const isOurs = ({ proto }: { readonly proto: number }) => proto === GATEWAY_ADDRESS;
    const cidrs = (some: typeof all) => some.map(({ cidr }) => cidr);
    return { ours: cidrs(all.filter(isOurs)), others: cidrs(all.filter((address) => !isOurs(address))) };
  }

  async function up(ifindex: number): Promise<void> {
    await home.request(setLinkRequest({ ifindex }, { up: true }));
  }

  const of = (layer: SwitchLayer): LayerLinks => ({
    async look() {
      const found = await bridges.find(layer.name);
      const link = found && (await getLink(home, { name: layer.name }));
      return link && { ifindex: link.header.index, name: layer.name, marked: found.ids !== undefined };
    },
    async make() {
      await bridges.ensure(wishOf(layer, seed));
      const link = await getLink(home, { name: layer.name });
      if (!link) throw linkless(layer.name);
      await up(link.header.index);
      return link.header.index;
    },
    finish: up,
    async users(ifindex) {
      const ports = (await bridges.ports(layer.name)).filter(({ ids }) => ids === undefined);
      const { others } = await addressesOf(ifindex);
      return [...ports.map(({ name }) => name), ...others.map(formatCidr)];
    },
    async remove(ifindex) {
      const { ours } = await addressesOf(ifindex);
      const removed = await bridges.remove(layer.name, ours);
      if (removed.isGone) return;
      throw new UnderlayError("conflict", `bridge ${layer.name} stays: ${removed.why}`, {
        inputs: { bridge: layer.name },
      });
    },
  });
  return { of };
}

function wishOf(layer: SwitchLayer, seed: string): BridgeWish {
  const { name, network, datapath, mtu, isSharedGateway = false } = layer;
  return {
    name,
    network,
    datapath: datapath ?? "system",
    datapathAsked: datapath !== undefined,
    // The gateway of one network is the same wherever a container goes.
    mac: isSharedGateway ? SHARED_GATEWAY_MAC : deriveMac(seed, "bridge", name),
    macIsShared: isSharedGateway,
    mtu,
  };
}

function linkless(bridge: string): UnderlayError {
  return new UnderlayError(
    "unreachable",
    `bridge ${bridge} is in the database of Open vSwitch and has no link: ovs-vswitchd does not run`,
    { inputs: { bridge } },
  );
}
