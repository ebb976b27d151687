import { UnderlayError } from "../lib/errors.ts";
import { linkNameOf } from "../lib/ifname.ts";
import { isUnspecified } from "../lib/ip.ts";
import { type Peer, readPeer } from "../lib/peer.ts";
import { type Birth, type LinkDriver, type LinkSpec, WHOLE_LINKS } from "../links/driver.ts";
import { IPVLAN_SHARING, type IpvlanSpec, parseIpvlan } from "../links/ipvlan/spec.ts";
import { MACVLAN_SHARING, type MacvlanSpec, parseMacvlan } from "../links/macvlan/spec.ts";
import type { HostPorts } from "../links/nat/ports.ts";
import type { EngineParts } from "./context.ts";
import type { World } from "./world.fixture.ts";

/** Drivers of links that are entries of a map. */
export function worldDrivers(world: World): EngineParts["drivers"] {
  const shared = {
    trial: async () => world.trial,
    isFree: async () => world.looksAtMac++ >= world.macHeldFor,
    create: async (birth: Birth<LinkSpec>) => {
      if (world.createFailure) throw world.createFailure;
      world.links.set(birth.name, birth);
    },
  };
  const macvlan: LinkDriver<MacvlanSpec> = {
    ...WHOLE_LINKS,
    ...shared,
    kind: "macvlan",
    ownMac: true,
    parse: (options, families) => parseMacvlan(options, {}, families),
    routesOnLink: () => false,
    sharesAddress: (_, family) => MACVLAN_SHARING[family],
    inheritedMac: (spec, parent) => (spec.mode === "passthru" ? parent.mac : undefined),
  };
  const ipvlan: LinkDriver<IpvlanSpec> = {
    ...WHOLE_LINKS,
    ...shared,
    kind: "ipvlan",
    ownMac: false,
    parse: (options, families) => parseIpvlan(options, {}, families),
    trial: async () => (world.trial.outcome === "failed" ? world.trial : undefined),
    routesOnLink: ({ mode }) => mode !== "l2",
    sharesAddress: ({ mode }) => IPVLAN_SHARING[mode],
    inheritedMac: () => undefined,
  };
  const ovs: LinkDriver = {
    ...WHOLE_LINKS,
    ...shared,
    kind: "ovs",
    ownMac: true,
    settle: (spec, owner, isTaken) =>
      spec.parent.how === "switch" && spec.parent.name === "default" && isTaken("default")
        ? { ...spec, parent: { ...spec.parent, name: `own of ${owner}` } }
        : spec,
    prepare: async (spec, owner, { peers }) => {
      if (world.prepareFailure) throw world.prepareFailure;
      await world.onPrepare(owner);
      const { tunnel } = spec;
      if (tunnel) world.tunnels.set(owner, [...tunnel.peers, ...peers]);
      if (peers.some((peer) => peer === BAD_PEER))
        throw new UnderlayError("kernel", `no tunnel to ${BAD_PEER}`);
      world.prepared.set(owner, world.prepared.get(owner) ?? "made");
      return spec.parent.how === "switch" ? { ...spec, parent: { ...spec.parent, mtu: 1400 } } : spec;
    },
    // What IPv6 takes more than IPv4.
    reach: async (_spec, _owner, peers) => {
      const own = peers.filter((peer) => peer === OWN_ADDRESS);
      return { own, mtu: peers.some((peer) => peer.includes(":")) ? 1380 : 1400 };
    },
    dismantle: async (_, owner, isLast) => {
      if (world.prepared.delete(owner)) world.dismantled.push([owner, isLast]);
    },
    endpointOptions: ["vlan"],
    parse: (options) => {
      const { bridge: name = "ovsbr0", mode = "nat", vni, peers = "", chosen } = options;
      const spec = { kind: "ovs", parent: { how: "switch", name, mtu: 1450 }, mode } as const;
      const own = { pool: chosen ?? "172.18.40.0/29", gateway: "172.18.40.1" };
      const ownSubnets = [{ ...own, ...(chosen !== undefined && { isChosen: true as const }) }];
      const tunnel = vni === undefined ? {} : { tunnel: { vni: Number(vni), peers: peersIn(peers) } };
      return { spec: { ...spec, ...tunnel, hostIsGateway: mode === "nat", ownSubnets }, allow: [] };
    },
    parseEndpoint: ({ vlan }) =>
      vlan === "0"
        ? { problems: [{ subject: "vlan", message: "no VLAN 0" }] }
        : { spec: vlan === undefined ? undefined : { kind: "ovs" } },
    routesOnLink: () => false,
    sharesAddress: () => ({ never: "it is a switch" }),
    inheritedMac: () => undefined,
    trial: async () => undefined,
    isFree: async () => true,
    create: async (birth) => {
      await shared.create(birth);
      if (birth.endpoint) world.ports.add(birth.endpoint.owner);
    },
    detach: async (owner) => {
      if (world.detachFailure) throw world.detachFailure;
      world.ports.delete(owner);
    },
    leftovers: async () => {
      if (world.detachFailure) throw world.detachFailure;
      return [...world.ports].filter(
        (owner) => !world.links.has(linkNameOf(owner)) && !world.held.has(owner),
      );
    },
  };
  return { macvlan, ipvlan, ovs };
}

/** The host's own, of which its addresses of parents are none. */
export const OWN_ADDRESS = "192.0.2.1";
/** A tunnel to it cannot be made. */
export const BAD_PEER = "192.0.2.66";

/** Addresses parted by blanks. */
export function peersIn(text: string): readonly Peer[] {
  return text.split(" ").flatMap((each) => {
    const read = readPeer(each);
    return "value" in read ? [read.value] : [];
  });
}

/** Ports of a host with nothing else on it; whoever says none gets them from 40000 on. */
export function worldPorts(held: Map<number, string>): Pick<HostPorts, "hold" | "release"> {
  const take = (owner: string, port: number) => {
    const holder = held.get(port) ?? owner;
    if (holder !== owner) throw new UnderlayError("conflict", `port ${port} is held by ${holder}`);
    held.set(port, owner);
    return port;
  };
  return {
    hold: (owner, addresses, requests) =>
      requests.flatMap(({ hostAddress, hostPort = 0, hostPortEnd: _, ...request }) => {
        const ips = addresses.filter(({ family }) => family === (hostAddress?.family ?? family));
        const port = take(owner, hostPort === 0 ? 40_000 + held.size : hostPort);
        const host = hostAddress && !isUnspecified(hostAddress) ? { hostAddress } : {};
        return ips.map((containerAddress) => ({ ...request, ...host, hostPort: port, containerAddress }));
      }),
    release: (owner) => {
      for (const [port, holder] of held) if (holder === owner) held.delete(port);
    },
  };
}
