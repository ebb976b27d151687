import type { ChildWish, ParentWish } from "../lib/attach.ts";
import { UnderlayError } from "../lib/errors.ts";
import type { Conversation } from "../netlink/conversation.ts";
import { IPVLAN_FLAG, IPVLAN_MODE } from "../netlink/kinds/ipvlan.ts";
import { MACVLAN_MODE } from "../netlink/kinds/macvlan.ts";
import { VLAN_PROTOCOL } from "../netlink/kinds/vlan.ts";
import type { LinkInfo } from "../netlink/link-info.ts";
import type { Libc } from "../sys/libc.ts";
import { bornInside, type Inside, type LinkInside } from "./born-inside.ts";
import { type DeleteElsewhere, type Going, goInside } from "./gone-inside.ts";
import { resolveParent } from "./parent/find.ts";
import { type ParentRef, parseParent } from "./parent/ref.ts";

/** Links that hang on a parent and live in a container from birth to death. */
export interface ContainerLinks {
  /** The link that a wish means now; undefined when there is none. Throws `invalid_option` for what is no name. */
  parent(wish: ParentWish, inside: Inside): Promise<ParentLink | undefined>;
  /** Makes it, down. Throws as `bornInside` does. */
  make(inside: Inside, wanted: WantedLink): Promise<LinkInside>;
  /** Begins to delete it; undefined when there is none. */
  remove(inside: Inside, ifname: string): Promise<Going | undefined>;
}

export interface ParentLink {
  readonly name: string;
  readonly ifindex: number;
  readonly mtu: number;
  /** Where it was found. */
  readonly inside: boolean;
}

export interface WantedLink {
  readonly owner: string;
  readonly ifname: string;
  readonly parent: ParentLink;
  readonly link: ChildWish;
  readonly mtu?: number;
}

/** `home`: a conversation where the parents of the host are. */
export function containerLinks(
  libc: Libc,
  home: Conversation,
  deleteElsewhere: DeleteElsewhere,
): ContainerLinks {
  const at = (isInside: boolean, inside: Inside) => (isInside ? inside.kernel : home);
  return {
    async parent(wish, inside) {
      const link = await resolveParent(at(wish.inside, inside), refOf(wish.name));
      if (!link) return undefined;
      const { name = "", mtu = 0 } = link.attrs;
      return { name, mtu, ifindex: link.header.index, inside: wish.inside };
    },
    make(inside, { owner, ifname, parent, link, mtu }) {
      return bornInside(at(parent.inside, inside), inside, {
        owner,
        ifname,
        parent: parent.ifindex,
        ...(mtu !== undefined && mtu > 0 && { mtu }),
        ...(link.kind === "macvlan" && link.mac !== undefined && { mac: link.mac }),
        info: infoOf(link),
      });
    },
    remove: (inside, ifname) => goInside(libc, inside, ifname, deleteElsewhere),
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
      return { kind: "macvlan", data: { mode: MACVLAN_MODE[link.mode], ...queue } };
    }
    case "ipvlan":
      return { kind: "ipvlan", data: { mode: IPVLAN_MODE[link.mode], flags: IPVLAN_FLAG[link.flag] } };
    case "vlan":
      return { kind: "vlan", data: { protocol: VLAN_PROTOCOL["802.1q"], id: link.vid } };
  }
}
