import type { ChildFacts, NetnsFacts } from "../../lib/facts.ts";
import { isHostLinkName, isOurLinkName, OUR_LINK_GROUP } from "../../lib/ifname.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { ipvlanFlagName, ipvlanModeName } from "../../netlink/kinds/ipvlan.ts";
import { macvlanModeName } from "../../netlink/kinds/macvlan.ts";
import { type Link, listLinks, type PartOfLink } from "../../netlink/link.ts";
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

/** All children in all namespaces that can be reached. */
export async function childrenOf(context: WalkContext, parent: ParentPlace): Promise<ChildFacts[]> {
  using netns = openPlace(context, parent.netns);
  const { results } = await visitEveryNetns(context, async (place) => {
    const links = (await listLinks(place.conversation, { only: OF_CHILDREN })).filter(
      ({ attrs }) => attrs.link === parent.ifindex,
    );
    if (links.length === 0) return [];
    // Only after the dump: it is what makes the kernel give the parent's namespace an id here.
    const nsid = await parentNetnsId(place, parent, netns.fd);
    return links.filter((link) => hangsIn(link, nsid)).flatMap((link) => childFacts(link, place.facts));
  });
  return results.flat();
}

/** The id by which this place knows the parent's namespace; `same` in that very namespace, where links carry no id. */
type NetnsId = number | "same" | undefined;

async function parentNetnsId(place: Place, parent: ParentPlace, parentNetnsFd: number): Promise<NetnsId> {
  if (place.facts.inode === parent.netns.inode) return "same";
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
  link: Link,
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
