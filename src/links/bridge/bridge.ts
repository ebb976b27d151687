import { UnderlayError } from "../../lib/errors.ts";
import { type Cidr, contains, formatCidr, sameIp } from "../../lib/ip.ts";
import { randomMac } from "../../lib/mac.ts";
import type { BridgeWish, LinkEnd, SetOnHost } from "../../lib/pair.ts";
import { addAddressRequest, deleteAddressRequest, IFA_F, listAddresses } from "../../netlink/address.ts";
import { bridgeInfo } from "../../netlink/bridge.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { isErrno, type Request } from "../../netlink/failure.ts";
import { getLink, IFF, isUp, type Link, newLinkRequest, setLinkRequest } from "../../netlink/link.ts";

/** Bridges of the host. They are shared by containers and networks, so nobody here removes one. */

/**
 * The bridge, up; made when it is not there. Throws `conflict` for a link of that name that is none, `kernel`,
 * `unsupported`.
 */
export async function ensureBridge(
  home: Conversation,
  wish: BridgeWish,
  setOnHost: SetOnHost,
): Promise<LinkEnd> {
  const link = (await findBridge(home, wish.name)) ?? (await makeBridge(home, wish));
  const ref = { ifindex: link.header.index };
  setOnHost([{ path: `ipv6/conf/${wish.name}/accept_ra`, value: "0", optional: true }]);
  const changes = {
    ...(!isUp(link) && { up: true }),
    ...(wish.promisc && !isPromiscuous(link) && { promisc: true }),
  };
  if (Object.keys(changes).length > 0) await home.request(setLinkRequest(ref, changes));
  return endOf(link);
}

/** Undefined when there is no such link. Throws `conflict` for one that is no bridge. */
export async function findBridge(home: Conversation, name: string): Promise<Link | undefined> {
  const link = await getLink(home, { name });
  if (link === undefined || link.attrs.info?.kind === "bridge") return link;
  throw new UnderlayError("conflict", `${JSON.stringify(name)} already exists but is not a bridge`, {
    inputs: { link: name },
  });
}

/** A bridge that was not told its MAC address takes its ports' lowest, another one whenever a container comes or goes. */
async function makeBridge(home: Conversation, { name, mtu, vlans }: BridgeWish): Promise<Link> {
  try {
    await home.request(
      newLinkRequest({
        name,
        mac: randomMac(),
        ...(mtu !== undefined && { mtu }),
        info: bridgeInfo(vlans ? { vlanFiltering: 1 } : {}),
      }),
    );
  } catch (thrown) {
    // Another process was faster.
    if (!isErrno(thrown, "EEXIST")) throw thrown;
  }
  const made = await findBridge(home, name);
  if (made) return made;
  throw new UnderlayError("kernel", `bridge ${name} vanished as soon as it was made`);
}

export function isPromiscuous({ header }: Link): boolean {
  return (header.flags & IFF.IFF_PROMISC) !== 0;
}

export function endOf({ header, attrs: { name = "", address, mtu = 0 } }: Link): LinkEnd {
  return { name, mtu, ifindex: header.index, ...(typeof address === "string" && { mac: address }) };
}

/**
 * The address on the link, in place of those that cannot be beside it if `force`: another IPv4 address, an IPv6 subnet
 * that overlaps. Throws `conflict` without it.
 */
export async function ensureAddress(
  home: Conversation,
  link: LinkEnd,
  address: Cidr,
  force: boolean,
): Promise<void> {
  const { ifindex, name } = link;
  const found = (await listAddresses(home, ifindex)).filter((each) => each.ifindex === ifindex);
  if (found.some(({ cidr }) => sameCidr(cidr, address))) return;
  const inTheWay = found.map(({ cidr }) => cidr).filter((cidr) => collide(cidr, address));
  if (inTheWay.length > 0 && !force) {
    const text = `${JSON.stringify(name)} already has an IP address different from ${formatCidr(address)}`;
    throw new UnderlayError("conflict", text, { inputs: { link: name } });
  }
  await settled(home, [
    ...inTheWay.map((cidr) => deleteAddressRequest(ifindex, cidr)),
    addAddressRequest(ifindex, address, address.ip.family === 6 ? IFA_F.IFA_F_NODAD : 0),
    // Told its own, it keeps it when ports come and go: neighbours know the gateway by it.
    ...(link.mac ? [setLinkRequest({ ifindex }, { mac: link.mac })] : []),
  ]);
}

function collide(a: Cidr, b: Cidr): boolean {
  if (a.ip.family !== b.ip.family) return false;
  return a.ip.family === 4 || contains(a, b.ip) || contains(b, a.ip);
}

export function sameCidr(a: Cidr, b: Cidr): boolean {
  return a.prefix === b.prefix && sameIp(a.ip, b.ip);
}

/** All of them; what is there, or gone, already is success. Throws the first other failure. */
export async function settled(home: Conversation, requests: readonly Request[]): Promise<void> {
  const outcomes = await home.settle(requests);
  const failed = outcomes.find((outcome) => !outcome.ok && !isErrno(outcome.error, ...ALREADY));
  if (failed && !failed.ok) throw failed.error;
}

const ALREADY = ["EEXIST", "EADDRNOTAVAIL", "ENOENT"];
