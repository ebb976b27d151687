import type { ChildFacts, NetnsFacts } from "../../lib/facts.ts";
import { isHostLinkName, isOurLinkName, OUR_LINK_GROUP } from "../../lib/ifname.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { ipvlanFlagName, ipvlanModeName } from "../../netlink/kinds/ipvlan.ts";
import { macvlanModeName } from "../../netlink/kinds/macvlan.ts";
import { listLinks, type PartOfLink } from "../../netlink/link.ts";
import { isKnownKind, type LinkInfo } from "../../netlink/link-info.ts";
import { netnsIdOf } from "../../netlink/nsid.ts";
import { HOST_NETNS, openPlace, type Place, visitEveryNetns, type WalkContext } from "./netns-walk.ts";

/** Macvlans and ipvlans on a parent, in whichever namespace they live. */

/** Where a parent is: an index means something only in its namespace. */
export interface ParentPlace {
  readonly ifindex: number;
  readonly netns: NetnsFacts;
}

const OF_CHILDREN = ["name", "link", "linkNetnsid", "info", "address", "mtu", "group"] as const;

const CHILD_KINDS = ["macvlan", "macvtap", "ipvlan", "ipvtap"] as const;

/** All children in all namespaces that can be reached. */
export async function childrenOf(
  context: WalkContext,
  { ifindex, netns }: ParentPlace,
): Promise<ChildFacts[]> {
  return (await childrenIn(context, netns, ifindex)).get(ifindex) ?? [];
}

/** The children of all parents in a namespace, or of the one with that index. */
export async function childrenIn(
  context: WalkContext,
  parents: NetnsFacts,
  ifindex?: number,
): Promise<ReadonlyMap<number, ChildFacts[]>> {
  using netns = openPlace(context, parents);
  const found = new Map<number, ChildFacts[]>();
  await visitEveryNetns(context, async (place) => {
    const links = (await childLinks(context, place)).filter(
      ({ attrs }) => attrs.link !== undefined && (ifindex === undefined || attrs.link === ifindex),
    );
    if (links.length === 0) return;
    // Only after the dump: it is what makes the kernel give the parent's namespace an id here.
    const nsid = await parentNetnsId(place, parents, netns.fd);
    for (const link of links) {
      if (!hangsIn(link, nsid)) continue;
      const parent = link.attrs.link ?? 0;
      found.set(parent, [...(found.get(parent) ?? []), ...childFacts(link, place.facts)]);
    }
  });
  return found;
}

/** The home namespace may have thousands of VLANs; a container has a few links, which are read in one go. */
async function childLinks(
  { home, kindsNow }: WalkContext,
  { facts, conversation }: Place,
): Promise<PartOfLink<(typeof OF_CHILDREN)[number]>[]> {
  const kinds = facts.inode === home.inode ? kindsNow?.(CHILD_KINDS) : undefined;
  if (!kinds) return listLinks(conversation, { only: OF_CHILDREN });
  const links = [];
  for (const kind of kinds) links.push(...(await listLinks(conversation, { kind, only: OF_CHILDREN })));
  // A kind that went meanwhile would have listed all, and those of the others twice.
  return [...new Map(links.map((link) => [link.header.index, link])).values()];
}

/** The id by which this place knows the parent's namespace; `same` in that very namespace, where links carry no id. */
type NetnsId = number | "same" | undefined;

async function parentNetnsId(place: Place, parents: NetnsFacts, parentNetnsFd: number): Promise<NetnsId> {
  if (place.facts.inode === parents.inode) return "same";
  return netnsIdOf(place.conversation, parentNetnsFd);
}

function hangsIn({ attrs }: PartOfLink<"linkNetnsid">, nsid: NetnsId): boolean {
  if (nsid === undefined) return false;
  return nsid === "same" ? attrs.linkNetnsid === undefined : attrs.linkNetnsid === nsid;
}

/** Nothing for kinds that leave the parent's frames to others: VLANs, tunnels. */
function childFacts(
  { header, attrs }: PartOfLink<(typeof OF_CHILDREN)[number]>,
  netns: NetnsFacts,
): ChildFacts[] {
  const { info, address, name = "", mtu = 0, group } = attrs;
  if (!isChildInfo(info)) return [];
  return [
    {
      kind: info.kind,
      name,
      ifindex: header.index,
      ...modeOf(info),
      ...(typeof address === "string" && { mac: address }),
      mtu,
      netns,
      // A container's runtime renames the link; the group stays.
      ours: isOurLinkName(name) || isHostLinkName(name) || group === OUR_LINK_GROUP,
    },
  ];
}

type ChildInfo = Extract<LinkInfo, { readonly kind: ChildFacts["kind"] }>;

function isChildInfo(info: LinkInfo | undefined): info is ChildInfo {
  return isKnownKind(info?.kind) && info?.kind !== "vlan";
}

function modeOf(info: ChildInfo): Pick<ChildFacts, "mode" | "flag"> {
  const mode = info.data?.mode ?? 0;
  if (info.kind === "macvlan" || info.kind === "macvtap") return { mode: macvlanModeName(mode) };
  const flags = info.data !== undefined && "flags" in info.data ? (info.data.flags ?? 0) : 0;
  return { mode: ipvlanModeName(mode), flag: ipvlanFlagName(flags) };
}

/**
 * The link that the kernel really uses: a macvlan on a macvlan hangs on the lower one's own parent
 * (macvlan_common_newlink of drivers/net/macvlan.c). Undefined when that parent is out of reach.
 */
export async function realParent(
  context: WalkContext,
  conversation: Conversation,
  link: PartOfLink<"info" | "link" | "linkNetnsid">,
): Promise<ParentPlace | undefined> {
  const { info, link: lower, linkNetnsid } = link.attrs;
  const home = { inode: context.home.inode, path: HOST_NETNS };
  const isMacvlan = info?.kind === "macvlan" || info?.kind === "macvtap";
  if (!isMacvlan || lower === undefined) return { ifindex: link.header.index, netns: home };
  if (linkNetnsid === undefined) return { ifindex: lower, netns: home };
  const netns = await netnsWithId(context, conversation, linkNetnsid);
  return netns && { ifindex: lower, netns };
}

async function netnsWithId(
  context: WalkContext,
  conversation: Conversation,
  id: number,
): Promise<NetnsFacts | undefined> {
  const { results } = await visitEveryNetns(context, async ({ facts, netns }) =>
    (await netnsIdOf(conversation, netns.fd)) === id ? [facts] : [],
  );
  return results.flat()[0];
}
