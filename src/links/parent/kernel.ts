import type { LinkFacts, ParentFacts } from "../../lib/facts.ts";
import type { Log } from "../../lib/log.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { getLink, setLinkRequest } from "../../netlink/link.ts";
import { wirelessLink } from "../../netlink/nl80211.ts";
import type { Netns } from "../../sys/netns.ts";
import { ownNetns } from "../../sys/netns-path.ts";
import { bridgeFilters } from "./bridge-filter.ts";
import { realParent } from "./children.ts";
import {
  candidatesFor,
  hopsOf,
  linkFacts,
  MOST_STACKED,
  type Neighbour,
  routersThrough,
  routesElsewhere,
  throughOthers,
} from "./facts.ts";
import { findParent, foundParent, resolveParent } from "./find.ts";
import type { WalkContext } from "./netns-walk.ts";
import type { Limits, ParentMemory, Parents } from "./parents.ts";
import { type ParentLink, type Reading, readEach, readOnce } from "./reading.ts";
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
  /** As `WalkContext.kindsNow`. */
  readonly kindsNow?: WalkContext["kindsNow"];
  readonly log: Log;
}

export function walkOf(kernel: Omit<KernelAccess, "generic" | "requests">): WalkContext {
  return {
    home: kernel.home ?? ownNetns(),
    converseIn: (netns) => kernel.converseIn(netns),
    ...(kernel.kindsNow && { kindsNow: kernel.kindsNow }),
    log: kernel.log,
  };
}

/** Parents as the kernel has them now. Nothing is remembered between calls. `bootId`: of the running kernel. */
export function kernelParents(kernel: KernelAccess, bootId: string): Parents {
  const { requests } = kernel;
  const walk = walkOf(kernel);

  return {
    facts: (ref, memory, limits) => factsBy(readEach(requests, walk), ref, memory, limits),

    async atOnce() {
      const reading = readOnce(requests, walk);
      return { facts: (ref, memory, limits) => factsBy(reading, ref, memory, limits) };
    },

    async find(ref, memory) {
      const link = await findParent((asked) => getLink(requests, asked), ref, memory, bootId);
      return link && foundParent(link);
    },

    async bringUp(ifindex) {
      await requests.request(setLinkRequest({ ifindex }, { up: true }));
    },
  };

  async function factsBy(
    reading: Reading,
    ref: ParentRef,
    memory?: ParentMemory,
    limits: Limits = {},
  ): Promise<ParentFacts> {
    const link = memory
      ? await findParent((asked) => reading.link(asked), ref, memory, bootId)
      : await resolveParent(reading, ref);
    const asked = askedName(ref, memory, link);
    if (link) return { asked, ...(await factsOf(reading, link, limits)) };
    // A VLAN has the MAC address of the link below it, which is there still.
    const candidates =
      memory && ref.how === "vlan" ? [] : candidatesFor(await reading.links(), asked, memory);
    return { asked, candidates, children: [], routers: [], routesElsewhere: [] };
  }

  async function factsOf(
    reading: Reading,
    link: ParentLink,
    { families = [4, 6], children = true }: { families?: Limits["families"]; children?: boolean },
  ): Promise<Omit<ParentFacts, "asked">> {
    const ifindex = link.header.index;
    const addresses = await reading.addresses(ifindex);
    const wireless = await wirelessOf(link);
    const real = children ? await realParent(walk, requests, link) : undefined;
    const routes = (await Promise.all(families.map((family) => reading.routes(family)))).flat();
    const elsewhere = throughOthers(routes, ifindex);
    const filteredBy = link.attrs.info?.kind === "bridge" ? bridgeFilters() : undefined;
    return {
      link: {
        ...linkFacts(link, await linksAround(reading, link), addresses, wireless),
        ...(filteredBy && { filteredBy }),
      },
      candidates: [],
      children: real ? await reading.children(real) : [],
      routers: routersThrough(routes, ifindex),
      routesElsewhere: routesElsewhere(elsewhere, await linksOfHops(reading, hopsOf(elsewhere)), ifindex),
    };
  }

  /** Of those that a kind makes only virt_wifi is Wi-Fi; a VLAN or a bond need not be asked. */
  async function wirelessOf({ header, attrs }: ParentLink): Promise<LinkFacts["wireless"]> {
    const kind = attrs.info?.kind;
    return kind === undefined || kind === "virt_wifi"
      ? wirelessLink(kernel.generic, header.index)
      : undefined;
  }
}

/** Its owner, and what it hangs on as far down as VLANs are stacked. */
async function linksAround(reading: Reading, link: ParentLink): Promise<Neighbour[]> {
  const { master = 0 } = link.attrs;
  const found: Neighbour[] = [];
  const owner = master === 0 ? undefined : await reading.link({ ifindex: master });
  if (owner) found.push(owner);
  let at: Neighbour | undefined = link;
  for (let depth = 0; depth < MOST_STACKED && at !== undefined; depth++) {
    const { info, link: lower, linkNetnsid }: Neighbour["attrs"] = at.attrs;
    if (info?.kind !== "vlan" || lower === undefined || linkNetnsid !== undefined) break;
    at = await reading.link({ ifindex: lower });
    if (at) found.push(at);
  }
  return found;
}

/** So many links are asked for one by one. */
const FEW = 8;

async function linksOfHops(reading: Reading, ifindexes: readonly number[]): Promise<readonly Neighbour[]> {
  if (ifindexes.length > FEW) return reading.links();
  const found = await Promise.all(ifindexes.map((ifindex) => reading.link({ ifindex })));
  return found.flatMap((link) => link ?? []);
}

/** The name in messages: as it was typed; for `auto`, the link that it was or is. */
function askedName(ref: ParentRef, memory: ParentMemory | undefined, link: ParentLink | undefined): string {
  return nameAsked(ref) ?? memory?.name ?? link?.attrs.name ?? ref.how;
}
