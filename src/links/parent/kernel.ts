import type { ParentFacts } from "../../lib/facts.ts";
import type { Log } from "../../lib/log.ts";
import { listAddresses } from "../../netlink/address.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { type Link, listLinks, setLinkRequest } from "../../netlink/link.ts";
import { wirelessLink } from "../../netlink/nl80211.ts";
import { listRoutes } from "../../netlink/route.ts";
import { type Netns, ownNetns } from "../../sys/netns.ts";
import { bridgeFilters } from "./bridge-filter.ts";
import { childrenOf, realParent } from "./children.ts";
import {
  candidatesFor,
  linkFacts,
  type Neighbour,
  OF_NEIGHBOURS,
  routersThrough,
  routesElsewhere,
} from "./facts.ts";
import { findParent, foundParent, resolveParent } from "./find.ts";
import type { WalkContext } from "./netns-walk.ts";
import type { ParentMemory, Parents } from "./parents.ts";
import { nameAsked, type ParentRef } from "./ref.ts";

/** The kernel as those need it who look around in it. */
export interface KernelAccess {
  /** Where links are made; absent = the calling thread's own namespace. */
  readonly home?: Netns;
  /** Over NETLINK_ROUTE, in the home namespace. */
  readonly requests: Conversation;
  /** Over NETLINK_GENERIC, in the home namespace. */
  readonly generic: Conversation;
  /** A conversation over NETLINK_ROUTE in another namespace; closing it closes its socket. */
  converseIn(netns: Netns): Conversation;
  readonly log: Log;
}

export function walkOf(kernel: KernelAccess): WalkContext {
  return {
    home: kernel.home ?? ownNetns(),
    converseIn: (netns) => kernel.converseIn(netns),
    log: kernel.log,
  };
}

/** Parents as the kernel has them now. Nothing is remembered between calls. `bootId`: of the running kernel. */
export function kernelParents(kernel: KernelAccess, bootId: string): Parents {
  const { requests, generic } = kernel;
  const walk = walkOf(kernel);

  async function factsOf(link: Link, links: readonly Neighbour[]): Promise<Omit<ParentFacts, "asked">> {
    const ifindex = link.header.index;
    const addresses = await listAddresses(requests, ifindex);
    const wireless = await wirelessLink(generic, ifindex);
    const real = await realParent(walk, requests, link);
    const routes = [...(await listRoutes(requests, 4)), ...(await listRoutes(requests, 6))];
    const filteredBy = link.attrs.info?.kind === "bridge" ? bridgeFilters() : undefined;
    const ours = addresses.filter((address) => address.ifindex === ifindex).map(({ cidr }) => cidr);
    return {
      link: { ...linkFacts(link, links, ours, wireless), ...(filteredBy && { filteredBy }) },
      candidates: [],
      children: real ? await childrenOf(walk, real) : [],
      routers: routersThrough(routes, ifindex),
      routesElsewhere: routesElsewhere(routes, links, ifindex),
    };
  }

  return {
    async facts(ref, memory) {
      const link = memory
        ? await findParent(requests, ref, memory, bootId)
        : await resolveParent(requests, ref);
      const links = await listLinks(requests, { only: OF_NEIGHBOURS });
      const asked = askedName(ref, memory, link);
      if (link) return { asked, ...(await factsOf(link, links)) };
      // A VLAN has the MAC address of the link below it, which is there still.
      const candidates = memory && ref.how === "vlan" ? [] : candidatesFor(links, asked, memory);
      return { asked, candidates, children: [], routers: [], routesElsewhere: [] };
    },

    async find(ref, memory) {
      const link = await findParent(requests, ref, memory, bootId);
      return link && foundParent(link);
    },

    async bringUp(ifindex) {
      await requests.request(setLinkRequest({ ifindex }, { up: true }));
    },
  };
}

/** The name in messages: as it was typed; for `auto`, the link that it was or is. */
function askedName(ref: ParentRef, memory: ParentMemory | undefined, link: Link | undefined): string {
  return nameAsked(ref) ?? memory?.name ?? link?.attrs.name ?? ref.how;
}
