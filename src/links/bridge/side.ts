import type { AssignedAddress } from "../../lib/attach.ts";
import { UnderlayError } from "../../lib/errors.ts";
import { VETH_GROUP, vethNameOf } from "../../lib/ifname.ts";
import { formatCidr } from "../../lib/ip.ts";
import type { BridgeWish, LinkEnd, Pair, SetOnHost } from "../../lib/pair.ts";
import { listAddresses } from "../../netlink/address.ts";
import { bridgeOf, bridgePortOf, listVlans, setBridgePortRequest } from "../../netlink/bridge.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { getLink, isUp, listLinks } from "../../netlink/link.ts";
import type { HostSide, ToldSide } from "../host-side.ts";
import { endOf, ensureAddress, ensureBridge, findBridge, isPromiscuous, sameCidr } from "./bridge.ts";
import type { SpoofCheck } from "./spoof-check.ts";
import { ensureVlanLink, plugVlans, vlanLinkName, vlansOf } from "./vlans.ts";

export interface BridgeContext {
  /** A conversation in the host's netns. */
  readonly home: Conversation;
  readonly setOnHost: SetOnHost;
  /** Loaded when asked for. */
  readonly spoofCheck: () => Promise<SpoofCheck>;
  /** Returns when a port passes frames on; throws `timeout`. */
  readonly awaitForwarding: (port: LinkEnd) => Promise<void>;
}

/** The host's end is a port of a bridge, which has the gateway's address if the host is the router. */
export function bridgeSide(
  { home, setOnHost, spoofCheck, awaitForwarding }: BridgeContext,
  wish: BridgeWish,
): HostSide {
  const { vlans, isGateway, checkMac } = wish;

  async function requireBridge(): Promise<LinkEnd> {
    const link = await findBridge(home, wish.name);
    if (!link) throw conflict("it is not there");
    if (wish.promisc && !isPromiscuous(link)) throw conflict("it is not promiscuous");
    return endOf(link);
  }

  /** As somebody else has it. */
  async function requireOthers(): Promise<LinkEnd> {
    const link = await findBridge(home, wish.name);
    if (!link) throw conflict("it is not there");
    if (!isUp(link)) throw conflict("it is down");
    if (vlans && bridgeOf(link.attrs.info)?.vlanFiltering !== 1)
      throw conflict("it does not filter VLANs (`ip link set … type bridge vlan_filtering 1`)");
    return endOf(link);
  }

  function conflict(why: string): UnderlayError {
    return new UnderlayError("conflict", `bridge ${wish.name} of the host: ${why}`, {
      inputs: { link: wish.name },
    });
  }

  /** The link that has the gateways' addresses. */
  function routerLink(bridge: LinkEnd): Promise<LinkEnd> {
    return vlans?.untagged === undefined
      ? Promise.resolve(bridge)
      : ensureVlanLink(home, bridge, vlans.untagged, vlans, setOnHost);
  }

  async function verifyPort({ host }: Pair, bridge: LinkEnd): Promise<void> {
    const attrs = (await getLink(home, { ifindex: host.ifindex }))?.attrs;
    const port = bridgePortOf(attrs?.info) ?? {};
    if (attrs?.master !== bridge.ifindex) throw conflict(`${host.name} is no port of it`);
    const rows = [
      ["hairpin", port.hairpin, wish.hairpin],
      ["isolated", port.isolated, wish.isolated],
    ] as const;
    for (const [what, is, should] of rows) {
      if ((is === 1) !== should) throw conflict(`its port ${host.name} is ${should ? "not " : ""}${what}`);
    }
    if (!vlans) return;
    const has = await listVlans(home, host.ifindex);
    const missing = vlansOf(vlans).filter(
      ({ vid, pvid = false }) => !has.some((each) => each.vid === vid && each.pvid === pvid),
    );
    if (missing.length === 0) return;
    throw conflict(`its port ${host.name} is not in VLAN ${missing.map(({ vid }) => vid).join(", ")}`);
  }

  async function verifyGateways(bridge: LinkEnd, addresses: readonly AssignedAddress[]): Promise<void> {
    if (!isGateway) return;
    const name = vlans?.untagged === undefined ? bridge.name : vlanLinkName(bridge, vlans.untagged);
    const router = await getLink(home, { name });
    const ifindex = router?.header.index ?? 0;
    const has = (await listAddresses(home, ifindex)).filter((each) => each.ifindex === ifindex);
    const missing = gatewaysOf(addresses).filter(
      (gateway) => !has.some(({ cidr }) => sameCidr(cidr, gateway)),
    );
    if (missing.length > 0) throw conflict(`${name} lacks address ${missing.map(formatCidr).join(", ")}`);
  }

  /** As it was before the port came, which may change its MAC address until it is told one. */
  const state: { prepared?: LinkEnd } = {};

  return {
    forwards: isGateway,
    async prepare() {
      state.prepared = await (wish.mustExist ? requireOthers() : ensureBridge(home, wish, setOnHost));
      return state.prepared;
    },
    async plug({ key, host, inside }) {
      const port = { hairpin: Number(wish.hairpin), isolated: Number(wish.isolated) };
      if (wish.hairpin || wish.isolated) await home.request(setBridgePortRequest(host.ifindex, port));
      if (vlans) await plugVlans(home, host.ifindex, vlans);
      if (checkMac && inside.mac) await (await spoofCheck()).add(key, inside.mac);
    },
    async connect({ host }, addresses, isUp) {
      const gateways = isGateway ? gatewaysOf(addresses) : [];
      const bridge = (gateways.length > 0 && state.prepared) || (await requireBridge());
      const router = gateways.length > 0 ? await routerLink(bridge) : bridge;
      for (const gateway of gateways) await ensureAddress(home, router, gateway, wish.forceAddress);
      if (isUp) await awaitForwarding(host);
      return { master: bridge, others: router === bridge ? [] : [router] };
    },
    async unplug(key) {
      if (checkMac) await (await spoofCheck()).remove(key);
    },
    async collect({ network, alive }) {
      if (!checkMac) return;
      // Another network's are there still.
      const there = await listLinks(home, { only: ["name"], inGroup: VETH_GROUP });
      const links = [...alive.map(vethNameOf), ...there.map(({ attrs: { name = "" } }) => name)];
      await (await spoofCheck()).collect(network, new Set(links));
    },
    async verify(pair, { addresses, links }: ToldSide) {
      const bridge = await requireBridge();
      const told = links.find(({ name }) => name === wish.name)?.mac;
      if (told !== undefined && told !== bridge.mac) throw conflict(`its mac is ${bridge.mac}, not ${told}`);
      await verifyPort(pair, bridge);
      await verifyGateways(bridge, addresses);
      if (checkMac && !(await (await spoofCheck()).has(pair.key))) {
        throw conflict(`the MAC address of its port ${pair.host.name} is not checked`);
      }
    },
    async requireReady() {
      await (wish.mustExist ? requireOthers() : findBridge(home, wish.name));
    },
  };
}

function gatewaysOf(addresses: readonly AssignedAddress[]) {
  const all = addresses.flatMap(({ address, gateway }) =>
    gateway ? [{ ip: gateway, prefix: address.prefix }] : [],
  );
  return all.filter((one, i) => all.findIndex((other) => sameCidr(one, other)) === i);
}
