import type { ChildWish, ParentWish } from "../lib/attach.ts";
import { UnderlayError } from "../lib/errors.ts";
import { OUR_PARENT_GROUP } from "../lib/ifname.ts";
import type { Conversation } from "../netlink/conversation.ts";
import { IPVLAN_FLAG, IPVLAN_MODE } from "../netlink/kinds/ipvlan.ts";
import { MACVLAN_MODE } from "../netlink/kinds/macvlan.ts";
import { VLAN_PROTOCOL } from "../netlink/kinds/vlan.ts";
import { getLink, IFF, type Link } from "../netlink/link.ts";
import type { LinkInfo } from "../netlink/link-info.ts";
import { listRoutes } from "../netlink/route.ts";
import type { Libc } from "../sys/libc.ts";
import { bornInside, type Inside, type LinkInside } from "./born-inside.ts";
import { type DeleteElsewhere, type Going, goInside } from "./gone-inside.ts";
import { type Lookup, resolveParent } from "./parent/find.ts";
import { type ParentRef, parseParent } from "./parent/ref.ts";
import { inWords, requireKind } from "./refusal.ts";

/** Links that live in a container from birth to death, most of them on a parent. */
export interface ContainerLinks {
  /** The link that a wish means now; undefined when there is none. Throws `invalid_option` for what is no name. */
  parent(wish: ParentWish, inside: Inside | undefined): Promise<ParentLink | undefined>;
  /** Throws `kernel` when the kernel has no such links. */
  requireKind(kind: ChildWish["kind"]): Promise<void>;
  /** Makes it, down. Throws as `bornInside` does. */
  make(inside: Inside, wanted: WantedLink): Promise<LinkInside>;
  /** Throws `conflict` for a link that is not there, or that is another. */
  verify(inside: Inside, wanted: Omit<WantedLink, "owner"> & { readonly mac?: string }): Promise<void>;
  /** Whether the name is another link's by now. */
  isReplaced(inside: Inside, ifname: string, ifindex: number): Promise<boolean>;
  /** Begins to delete it; undefined when there is none. */
  remove(inside: Inside, ifname: string): Promise<Going | undefined>;
}

export interface ParentLink {
  readonly name: string;
  readonly ifindex: number;
  readonly mtu: number;
  /** Where it was found. */
  readonly inside: boolean;
  /** It bears the birth mark of the parents that we make. */
  readonly marked: boolean;
}

export interface WantedLink {
  readonly owner: string;
  readonly ifname: string;
  readonly parent?: ParentLink;
  readonly link: ChildWish;
  readonly mtu?: number;
}

/** `home`: a conversation where the parents of the host are. */
export function containerLinks(
  libc: Libc,
  home: Conversation,
  deleteElsewhere: DeleteElsewhere,
): ContainerLinks {
  const at = (isInside: boolean, inside: Inside | undefined) => (isInside && inside ? inside.kernel : home);
  return {
    async parent(wish, inside) {
      const link = await resolveParent(lookupIn(at(wish.inside, inside)), refOf(wish.name));
      if (!link) return undefined;
      const { name = "", mtu = 0, group } = link.attrs;
      const marked = group === OUR_PARENT_GROUP;
      return { name, mtu, ifindex: link.header.index, inside: wish.inside, marked };
    },
    requireKind: (kind) => requireKind(home, kind),
    async make(inside, { owner, ifname, parent, link, mtu }) {
      const wanted = {
        owner,
        ifname,
        ...(parent && { parent: parent.ifindex }),
        ...(mtu !== undefined && mtu > 0 && { mtu }),
        ...(link.kind === "macvlan" && link.mac !== undefined && { mac: link.mac }),
        info: infoOf(link),
      };
      try {
        return await bornInside(parent && !parent.inside ? home : inside.kernel, inside, wanted);
      } catch (thrown) {
        if (!(thrown instanceof UnderlayError)) throw thrown;
        throw inWords(thrown, { kind: link.kind, ...(parent && { parent: parent.name }) });
      }
    },
    async verify(inside, wanted) {
      const { ifname, parent, mtu, mac } = wanted;
      const found = await getLink(inside.kernel, { name: ifname });
      const differs = found
        ? differences(found, {
            ...(parent && { parent }),
            info: infoOf(wanted.link),
            ...(mtu !== undefined && { mtu }),
            ...(mac !== undefined && { mac }),
          })
        : ["it is not there"];
      if (differs.length === 0) return;
      throw new UnderlayError("conflict", `link ${ifname} of the container: ${differs.join("; ")}`, {
        inputs: { link: ifname },
      });
    },
    async isReplaced(inside, ifname, ifindex) {
      const found = await getLink(inside.kernel, { name: ifname });
      return found !== undefined && found.header.index !== ifindex;
    },
    remove: (inside, ifname) => goInside(libc, inside, ifname, deleteElsewhere),
  };
}

function lookupIn(conversation: Conversation): Lookup<Link> {
  return {
    link: (ref) => getLink(conversation, ref),
    routes: (family) => listRoutes(conversation, family),
  };
}

function refOf(name: string | undefined): ParentRef {
  if (name === undefined) return { how: "auto" };
  const reading = parseParent(name);
  if ("value" in reading) return reading.value;
  const problems = [{ subject: "master", message: reading.problem }];
  throw new UnderlayError("invalid_option", reading.problem, { problems });
}

function infoOf(link: ChildWish): LinkInfo {
  switch (link.kind) {
    case "macvlan": {
      const queue = link.queue !== undefined && link.queue > 0 ? { bcQueueLen: link.queue } : {};
      const cutoff = link.cutoff === undefined ? {} : { bcCutoff: link.cutoff };
      return { kind: "macvlan", data: { mode: MACVLAN_MODE[link.mode], ...queue, ...cutoff } };
    }
    case "ipvlan":
      return { kind: "ipvlan", data: { mode: IPVLAN_MODE[link.mode], flags: IPVLAN_FLAG[link.flag] } };
    case "vlan":
      return { kind: "vlan", data: { protocol: VLAN_PROTOCOL["802.1q"], id: link.vid } };
    case "dummy":
      return { kind: "dummy" };
  }
}

interface Expected {
  readonly parent?: ParentLink;
  readonly info: LinkInfo;
  readonly mtu?: number;
  readonly mac?: string;
}

/** A parent is known by its index, which says nothing across namespaces unless the kernel says that it is in another. */
function differences({ header, attrs }: Link, { parent, info, mtu, mac }: Expected): string[] {
  const [found, wanted] = [dataOf(attrs.info), dataOf(info)];
  const rows: readonly (readonly [string, unknown, unknown])[] = [
    ["kind", attrs.info?.kind, info.kind],
    ...(parent ? [["parent", attrs.link, parent.ifindex] as const] : []),
    // The reference asks it of no other kind: a container may take its links down.
    ...(info.kind === "dummy" ? [["state", isUp(header.flags), "up"] as const] : []),
    ...(mtu === undefined || mtu === 0 ? [] : [["mtu", attrs.mtu, mtu] as const]),
    ...(mac === undefined ? [] : [["mac", attrs.address, mac] as const]),
    ...Object.entries(wanted).map(([key, value]) => [key, found[key], value] as const),
  ];
  return rows.flatMap(([what, is, should]) => (is === should ? [] : [`its ${what} is ${is}, not ${should}`]));
}

function isUp(flags: number): string {
  return (flags & IFF.IFF_UP) === 0 ? "down" : "up";
}

function dataOf(info: LinkInfo | undefined): Readonly<Record<string, unknown>> {
  return info !== undefined && "data" in info ? { ...info.data } : {};
}
