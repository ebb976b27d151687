import { concatBytes } from "../lib/bytes.ts";
import type { Mac } from "../lib/mac.ts";
import { type Attrs, encodeAttr, listOf, NLA_F_NESTED, nested } from "./attribute.ts";
import { i32, linkAddress, struct, text, u8, u16, u32 } from "./codec.ts";
import type { Conversation } from "./conversation.ts";
import { GONE, isErrno, type Request } from "./failure.ts";
import { type LinkInfo, linkInfo } from "./link-info.ts";
import { type Body, bodyReader, encodeBody, type Message, NLM_F } from "./message.ts";
import type { Wanted } from "./pick.ts";

/** Links: `<linux/rtnetlink.h>`, `<linux/if_link.h>`, rtnetlink(7). */

export const RTM_LINK = { RTM_NEWLINK: 16, RTM_DELLINK: 17, RTM_GETLINK: 18, RTM_SETLINK: 19 } as const;

/** Names and more that a link has beside its own. */
const RTM_NEWLINKPROP = 108;

/** `<linux/if.h>`. */
export const IFF = {
  IFF_UP: 0x1,
  IFF_LOOPBACK: 0x8,
  IFF_RUNNING: 0x40,
  /** As a person or a program set it: one who listens with a packet socket does not show here. */
  IFF_PROMISC: 0x100,
  IFF_LOWER_UP: 0x10000,
} as const;

export const ifinfomsg = struct({ family: u8, pad: u8, type: u16, index: i32, flags: u32, change: u32 });

const altIfname = { type: 53, symbol: "IFLA_ALT_IFNAME", codec: text };

/** `IN6_ADDR_GEN_MODE_*` of `<linux/if_link.h>`: whether the kernel gives a link that comes up an IPv6 address. */
export const ADDR_GEN_MODE = { eui64: 0, none: 1 } as const;

/** `<linux/if_link.h>`: why the kernel speaks of a link, of the reasons that are looked at. */
export const LINK_EVENT = { IFLA_EVENT_NOTIFY_PEERS: 4 } as const;

export const linkTable = {
  address: { type: 1, symbol: "IFLA_ADDRESS", codec: linkAddress },
  name: { type: 3, symbol: "IFLA_IFNAME", codec: text },
  mtu: { type: 4, symbol: "IFLA_MTU", codec: u32 },
  link: { type: 5, symbol: "IFLA_LINK", codec: u32 },
  master: { type: 10, symbol: "IFLA_MASTER", codec: u32 },
  txqlen: { type: 13, symbol: "IFLA_TXQLEN", codec: u32 },
  operstate: { type: 16, symbol: "IFLA_OPERSTATE", codec: u8 },
  info: { type: 18, symbol: "IFLA_LINKINFO", codec: linkInfo },
  netnsPid: { type: 19, symbol: "IFLA_NET_NS_PID", codec: u32 },
  alias: { type: 20, symbol: "IFLA_IFALIAS", codec: text },
  group: { type: 27, symbol: "IFLA_GROUP", codec: u32 },
  netnsFd: { type: 28, symbol: "IFLA_NET_NS_FD", codec: u32 },
  extMask: { type: 29, symbol: "IFLA_EXT_MASK", codec: u32 },
  promiscuity: { type: 30, symbol: "IFLA_PROMISCUITY", codec: u32 },
  carrier: { type: 33, symbol: "IFLA_CARRIER", codec: u8 },
  linkNetnsid: { type: 37, symbol: "IFLA_LINK_NETNSID", codec: i32 },
  event: { type: 44, symbol: "IFLA_EVENT", codec: u32 },
  newNetnsid: { type: 45, symbol: "IFLA_NEW_NETNSID", codec: i32 },
  newIfindex: { type: 49, symbol: "IFLA_NEW_IFINDEX", codec: i32 },
  minMtu: { type: 50, symbol: "IFLA_MIN_MTU", codec: u32 },
  maxMtu: { type: 51, symbol: "IFLA_MAX_MTU", codec: u32 },
  altNames: { type: 52, symbol: "IFLA_PROP_LIST", codec: listOf(altIfname) },
  altName: altIfname,
  permAddress: { type: 54, symbol: "IFLA_PERM_ADDRESS", codec: linkAddress },
} as const;

export const linkFormat = { header: ifinfomsg, table: linkTable } as const;

export const inet6Table = {
  addrGenMode: { type: 8, symbol: "IFLA_INET6_ADDR_GEN_MODE", codec: u8 },
} as const;
export const afSpecTable = { inet6: { type: 10, symbol: "AF_INET6", codec: nested(inet6Table) } } as const;

/** To change a link by. No link is read by it: what a bridge tells of its ports has other things in IFLA_AF_SPEC. */
export const linkChangeFormat = {
  header: ifinfomsg,
  table: { ...linkTable, afSpec: { type: 26, symbol: "IFLA_AF_SPEC", codec: nested(afSpecTable) } },
} as const;

export type Link = Body<(typeof ifinfomsg)["members"], typeof linkTable>;
export type LinkAttrs = Attrs<typeof linkTable>;
export type LinkAttr = keyof typeof linkTable;

/** A link of which only some attributes were asked for. */
export interface PartOfLink<K extends LinkAttr> {
  readonly header: Link["header"];
  readonly attrs: Pick<LinkAttrs, K>;
}

/** What a reader of links asks for that looks at no more than these attributes; with `inGroup` only at links in it. */
export function wantedOfLinks(attrs: readonly LinkAttr[], inGroup?: number): Wanted {
  const { type, codec } = linkTable.group;
  return {
    header: ifinfomsg.size,
    types: [...attrs.map((name) => linkTable[name].type), ...(inGroup === undefined ? [] : [type])],
    ...(inGroup !== undefined && { having: { type, payload: codec.encode(inGroup) } }),
  };
}

/** Which link: by its index, or by name or altname. */
export type LinkRef = { readonly ifindex: number } | { readonly name: string };

/** What a link is born with, in the order in which it is sent. */
export interface NewLink {
  readonly name: string;
  /** Index of the parent, in the netns that the conversation's socket belongs to. */
  readonly parent?: number;
  readonly mac?: Mac;
  readonly mtu?: number;
  readonly group?: number;
  /** Index of the bridge, bond or the like that it is a port of. */
  readonly master?: number;
  readonly up?: boolean;
  /** Where it is born; absent = the socket's netns. */
  readonly netnsFd?: number;
  readonly info: LinkInfo;
}

export interface LinkChanges {
  readonly up?: boolean;
  readonly promisc?: boolean;
  readonly name?: string;
  readonly mtu?: number;
  readonly mac?: Mac;
  readonly group?: number;
  readonly alias?: string;
  readonly master?: number;
  /** EAFNOSUPPORT where the kernel, or this link, has no IPv6. */
  readonly addrGenMode?: (typeof ADDR_GEN_MODE)[keyof typeof ADDR_GEN_MODE];
}

const readLink = bodyReader(linkFormat, "dropped");

/** Attributes that the table does not know are dropped: a link has some thirty of them. */
export function decodeLink(message: Message): Link {
  return readLink(message.body);
}

function request(what: string, type: number, flags: number, body: Uint8Array): Request {
  return { what, type, flags, body, format: linkFormat };
}

function refText(ref: LinkRef): string {
  return "name" in ref ? ref.name : `#${ref.ifindex}`;
}

/**
 * Header and attribute for a reference. Up to 15 bytes go as IFLA_IFNAME, by which a kernel that knows altnames finds
 * those, too; longer ones can only be altnames.
 */
function refParts(ref: LinkRef): { index: number; attrs: LinkAttrs } {
  if ("ifindex" in ref) return { index: ref.ifindex, attrs: {} };
  const attrs = Buffer.byteLength(ref.name) > 15 ? { altName: ref.name } : { name: ref.name };
  return { index: 0, attrs };
}

/** The message that makes a link, always NLM_F_CREATE and NLM_F_EXCL: EEXIST when the name is taken. */
export function newLinkRequest(link: NewLink): Request {
  const up = link.up ? IFF.IFF_UP : 0;
  const body = encodeBody(
    linkFormat,
    { flags: up, change: up },
    {
      name: link.name,
      ...(link.parent !== undefined && { link: link.parent }),
      ...(link.mac !== undefined && { address: link.mac }),
      ...(link.mtu !== undefined && { mtu: link.mtu }),
      ...(link.group !== undefined && { group: link.group }),
      ...(link.master !== undefined && { master: link.master }),
      ...(link.netnsFd !== undefined && { netnsFd: link.netnsFd }),
      info: link.info,
    },
  );
  const what = `create ${link.info.kind ?? "link"} ${link.name}`;
  return request(what, RTM_LINK.RTM_NEWLINK, NLM_F.NLM_F_CREATE | NLM_F.NLM_F_EXCL, body);
}

/**
 * RTM_NEWLINK rather than RTM_SETLINK: it alone takes every attribute, IFLA_IFALIAS and IFLA_GROUP among them.
 * A new name needs the link's index: beside it in IFLA_IFNAME there is no room for the old one.
 */
export function setLinkRequest(ref: { readonly ifindex: number }, changes: LinkChanges): Request;
export function setLinkRequest(ref: LinkRef, changes: Omit<LinkChanges, "name">): Request;
export function setLinkRequest(ref: LinkRef, changes: LinkChanges): Request {
  const { index, attrs } = refParts(ref);
  const { up, promisc, mac, addrGenMode, ...rest } = changes;
  const body = encodeBody(
    linkChangeFormat,
    { index, ...flagsOf(up, promisc) },
    {
      ...attrs,
      ...rest,
      ...(mac !== undefined && { address: mac }),
      ...(addrGenMode !== undefined && { afSpec: { inet6: { addrGenMode } } }),
    },
  );
  return request(`change link ${refText(ref)}`, RTM_LINK.RTM_NEWLINK, 0, body);
}

function flagsOf(up: boolean | undefined, promisc: boolean | undefined) {
  const switches = [
    ...(up === undefined ? [] : [{ bit: IFF.IFF_UP, on: up }]),
    ...(promisc === undefined ? [] : [{ bit: IFF.IFF_PROMISC, on: promisc }]),
  ];
  const sum = (bits: readonly { readonly bit: number }[]) => bits.reduce((all, { bit }) => all | bit, 0);
  return { flags: sum(switches.filter(({ on }) => on)), change: sum(switches) };
}

/** Gives the link another name, of up to 127 bytes. EEXIST when a link of the netns has it, be it this one. */
export function addAltNameRequest(ref: LinkRef, altName: string): Request {
  const { index, attrs } = refParts(ref);
  const { type, codec } = linkTable.altNames;
  const body = concatBytes([
    encodeBody(linkFormat, { index }, attrs),
    // rtnl_linkprop parses strictly and refuses a list without the mark.
    encodeAttr(type | NLA_F_NESTED, codec.encode([altName])),
  ]);
  const flags = NLM_F.NLM_F_CREATE | NLM_F.NLM_F_EXCL | NLM_F.NLM_F_APPEND;
  return request(`add altname to link ${refText(ref)}`, RTM_NEWLINKPROP, flags, body);
}

export function deleteLinkRequest(ref: LinkRef): Request {
  const { index, attrs } = refParts(ref);
  return request(
    `delete link ${refText(ref)}`,
    RTM_LINK.RTM_DELLINK,
    0,
    encodeBody(linkFormat, { index }, attrs),
  );
}

/** Deletes every link of the group in the socket's netns. The caller has made sure that all are ours; never group 0. */
export function deleteGroupRequest(group: number): Request {
  if (group === 0) throw new RangeError("group 0 is everybody's");
  return request(
    `delete link group ${group}`,
    RTM_LINK.RTM_DELLINK,
    0,
    encodeBody(linkFormat, {}, { group }),
  );
}

/** `<linux/rtnetlink.h>`. Without counters a link is a third shorter, and nobody here counts packets. */
export const RTEXT_FILTER_SKIP_STATS = 1 << 3;

/**
 * All links of the socket's netns, or those of one kind: the kernel filters. `only`: the attributes that are looked
 * at, of which the kernel knows no filter; all without it. `inGroup`: the links of that group. Throws `kernel`.
 */
export function listLinks(conversation: Conversation, filter?: { readonly kind?: string }): Promise<Link[]>;
export function listLinks<K extends LinkAttr>(
  conversation: Conversation,
  filter: { readonly kind?: string; readonly only: readonly K[]; readonly inGroup?: number },
): Promise<PartOfLink<K>[]>;
export async function listLinks(
  conversation: Conversation,
  {
    kind,
    only,
    inGroup,
  }: { readonly kind?: string; readonly only?: readonly LinkAttr[]; readonly inGroup?: number } = {},
): Promise<Link[]> {
  const body = encodeBody(
    linkFormat,
    {},
    { extMask: RTEXT_FILTER_SKIP_STATS, ...(kind !== undefined && { info: { kind } }) },
  );
  const messages = await conversation.dump({
    ...request("list links", RTM_LINK.RTM_GETLINK, 0, body),
    ...(only && { wanted: wantedOfLinks(only, inGroup) }),
  });
  const links = messages.map(decodeLink);
  return inGroup === undefined ? links : links.filter(({ attrs }) => attrs.group === inGroup);
}

export function getLinkRequest(ref: LinkRef): Request {
  const { index, attrs } = refParts(ref);
  const body = encodeBody(linkFormat, { index }, { extMask: RTEXT_FILTER_SKIP_STATS, ...attrs });
  return request(`look up link ${refText(ref)}`, RTM_LINK.RTM_GETLINK, 0, body);
}

/** The link, or undefined when there is none. Any other failure throws. */
export async function getLink(conversation: Conversation, ref: LinkRef): Promise<Link | undefined> {
  try {
    const [message] = await conversation.request(getLinkRequest(ref));
    return message && decodeLink(message);
  } catch (error) {
    if (isErrno(error, ...GONE)) return undefined;
    throw error;
  }
}

export function isUp(link: PartOfLink<never>): boolean {
  return (link.header.flags & IFF.IFF_UP) !== 0;
}
