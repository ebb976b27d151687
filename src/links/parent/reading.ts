import type { ChildFacts } from "../../lib/facts.ts";
import type { Cidr } from "../../lib/ip.ts";
import { listAddresses } from "../../netlink/address.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { getLink, type LinkRef, listLinks, type PartOfLink } from "../../netlink/link.ts";
import { listRoutes, type Route } from "../../netlink/route.ts";
import { childrenIn, childrenOf, type ParentPlace } from "./children.ts";
import { OF_NEIGHBOURS, withoutLinkLocal } from "./facts.ts";
import { HOST_NETNS, type WalkContext } from "./netns-walk.ts";

/** What is looked at of a parent itself. */
const OF_PARENT = [...OF_NEIGHBOURS, "carrier", "mtu", "master"] as const;
export type ParentLink = PartOfLink<(typeof OF_PARENT)[number]>;

/** How the home namespace is read: each thing when it is asked for, or all at once. All throw `kernel`. */
export interface Reading {
  link(ref: LinkRef): Promise<ParentLink | undefined>;
  links(): Promise<readonly ParentLink[]>;
  addresses(ifindex: number): Promise<readonly Cidr[]>;
  /** But those to link-local addresses. */
  routes(family: 4 | 6): Promise<readonly Route[]>;
  /** In whichever namespace they live. */
  children(parent: ParentPlace): Promise<readonly ChildFacts[]>;
}

/** For one parent. There may be thousands of links beside it, so that what is asked for is all that is read. */
export function readEach(requests: Conversation, walk: WalkContext): Reading {
  return {
    link: (ref) => getLink(requests, ref),
    links: () => listLinks(requests, { only: OF_PARENT }),
    async addresses(ifindex) {
      const found = await listAddresses(requests, ifindex);
      return found.filter((address) => address.ifindex === ifindex).map(({ cidr }) => cidr);
    },
    routes: async (family) => withoutLinkLocal(await listRoutes(requests, family)),
    children: (parent) => childrenOf(walk, parent),
  };
}

/** For many parents: every list is read once, when it is wanted first, and every namespace entered once. */
export function readOnce(requests: Conversation, walk: WalkContext): Reading {
  const each = readEach(requests, walk);
  const home = { inode: walk.home.inode, path: HOST_NETNS };
  const links = once(each.links);
  const byIndex = once(async () => new Map((await links()).map((link) => [link.header.index, link])));
  const byName = once(
    async () => new Map((await links()).flatMap((link) => namesOf(link).map((name) => [name, link]))),
  );
  const addresses = once(async () => Map.groupBy(await listAddresses(requests), ({ ifindex }) => ifindex));
  const routes = { 4: once(() => each.routes(4)), 6: once(() => each.routes(6)) };
  const children = once(() => childrenIn(walk, home));
  return {
    links,
    link: async (ref) =>
      "name" in ref ? (await byName()).get(ref.name) : (await byIndex()).get(ref.ifindex),
    addresses: async (ifindex) => ((await addresses()).get(ifindex) ?? []).map(({ cidr }) => cidr),
    routes: (family) => routes[family](),
    async children(parent) {
      if (parent.netns.inode !== home.inode) return each.children(parent);
      return (await children()).get(parent.ifindex) ?? [];
    },
  };
}

function namesOf({ attrs: { name = "", altNames = [] } }: ParentLink): string[] {
  return [name, ...altNames];
}

function once<T>(read: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined;
  return () => {
    answer ??= read();
    return answer;
  };
}
