import { UnderlayError } from "../../lib/errors.ts";
import { VETH_GROUP, vethNameOf, vethPrefixOf } from "../../lib/ifname.ts";
import type { Mac } from "../../lib/mac.ts";
import type { LinkEnd, Pair, PairKey, PairStrays } from "../../lib/pair.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { isErrno } from "../../netlink/failure.ts";
import {
  deleteLinkRequest,
  getLink,
  getLinkRequest,
  listLinks,
  newLinkRequest,
  setLinkRequest,
} from "../../netlink/link.ts";
import { getPartOfLink, linkReader } from "../../netlink/link-part.ts";
import { vethInfo } from "../../netlink/veth.ts";
import type { Libc } from "../../sys/libc.ts";
import type { Inside } from "../born-inside.ts";
import { type DeleteElsewhere, type Going, goInside } from "../gone-inside.ts";
import { aliasOf, ownerOfAlias } from "../survey.ts";

/** Veth pairs: one end in a container, the other on the host under a name that tells whose it is. */
export interface VethPairs {
  /**
   * Makes one, the host's end up, the container's down, so that nothing passes yet. What an earlier try of the same attachment left is replaced. Throws `conflict` when the
   * container has a link of that name, `kernel`, `permission`.
   */
  make(inside: Inside, wish: PairWish): Promise<Pair>;
  /** Throws `conflict` when one of its ends is not there, or is no such end. */
  find(inside: Inside, key: PairKey): Promise<Pair>;
  /** Whether the host's end of this attachment is another pair's by now. */
  isReplaced(pair: Pair): Promise<boolean>;
  /** Begins to delete it; undefined when there is none. `inside`: for one that others made, who name it otherwise. */
  remove(inside: Inside | undefined, key: PairKey): Promise<Going | undefined>;
  /** Deletes these. */
  collect(strays: PairStrays): Promise<void>;
}

export interface PairWish {
  readonly key: PairKey;
  /** Whom the alias of the host's end tells. */
  readonly owner: string;
  readonly mtu?: number;
  readonly mac?: Mac;
  readonly hostMac?: Mac;
  /** Index of the bridge that the host's end is a port of. */
  readonly master?: number;
}

const readEnd = linkReader(["name", "address", "mtu"]);
type End = ReturnType<typeof readEnd>;

/** `home`: a conversation in the host's netns. */
export function vethPairs(libc: Libc, home: Conversation, deleteElsewhere: DeleteElsewhere): VethPairs {
  /** In one send: that it is up and whose it is cannot be said at birth, and the kernel is asked what it made. */
  async function create({ netns }: Inside, wish: PairWish): Promise<End | undefined> {
    const { key, owner, mtu, mac, hostMac, master } = wish;
    const name = vethNameOf(key);
    const size = mtu === undefined ? {} : { mtu };
    const outcomes = await home.settle([
      newLinkRequest({
        name,
        ...size,
        group: VETH_GROUP,
        ...(hostMac !== undefined && { mac: hostMac }),
        ...(master !== undefined && { master }),
        info: vethInfo({ name: key.ifname, ...size, ...(mac !== undefined && { mac }), netnsFd: netns.fd }),
      }),
      setLinkRequest({ name }, { up: true, alias: aliasOf(owner) }),
      getLinkRequest({ name }),
    ]);
    const failed = outcomes.find((outcome) => !outcome.ok);
    if (failed && !failed.ok) throw failed.error;
    const seen = outcomes.at(-1);
    const message = seen?.ok ? seen.messages[0] : undefined;
    return message && readEnd(message);
  }

  /** Only what bears our mark is replaced, and with it goes its other end. */
  async function createAgain(inside: Inside, wish: PairWish, cause: unknown): Promise<End | undefined> {
    const found = await getLink(home, { name: vethNameOf(wish.key) });
    if (found?.attrs.group === VETH_GROUP) {
      await home.settle([deleteLinkRequest({ ifindex: found.header.index })]);
      return create(inside, wish);
    }
    throw cause;
  }

  async function createOnce(inside: Inside, wish: PairWish): Promise<End | undefined> {
    try {
      return await create(inside, wish);
    } catch (thrown) {
      if (!isErrno(thrown, "EEXIST")) throw thrown;
      return createAgain(inside, wish, thrown);
    }
  }

  return {
    async make(inside, wish) {
      const { ifname } = wish.key;
      try {
        const host = await createOnce(inside, wish);
        const link = await getPartOfLink(inside.kernel, { name: ifname }, readEnd);
        if (host && link) return { key: wish.key, host: endOf(host), inside: endOf(link) };
        throw new UnderlayError("kernel", `link ${ifname} vanished as soon as it was made`);
      } catch (cause) {
        if (!isErrno(cause, "EEXIST")) throw cause;
        throw new UnderlayError("conflict", `the container has a link ${ifname} already`, {
          cause,
          inputs: { link: ifname },
        });
      }
    },
    async find(inside, key) {
      const { ifname } = key;
      const link = await getLink(inside.kernel, { name: ifname });
      if (!link) throw amiss(ifname, "it is not there");
      const { info, link: other } = link.attrs;
      if (info?.kind !== "veth") throw amiss(ifname, `its kind is ${info?.kind}, not veth`);
      // By index, not by name: others name it otherwise. The kernel tells of each end which the other is.
      const host = other === undefined ? undefined : await getLink(home, { ifindex: other });
      if (host?.attrs.info?.kind === "veth" && host.attrs.link === link.header.index)
        return { key, host: endOf(host), inside: endOf(link) };
      throw amiss(ifname, "its other end is not on the host");
    },
    async isReplaced({ key, host }) {
      const found = await getPartOfLink(home, { name: vethNameOf(key) }, readEnd);
      return found !== undefined && found.header.index !== host.ifindex;
    },
    async remove(inside, key) {
      const own = await goInside(libc, { kernel: home }, vethNameOf(key), deleteElsewhere);
      return own ?? (inside && goInside(libc, inside, key.ifname, deleteElsewhere));
    },
    async collect({ network, alive, isStray }) {
      const prefix = vethPrefixOf(network);
      const wanted = new Set(alive.map(vethNameOf));
      const links = await listLinks(home, { only: ["name", "alias"], inGroup: VETH_GROUP });
      const strays = links.filter(({ attrs: { name = "", alias } }) => {
        const owner = ownerOfAlias(alias);
        // Somebody else may have taken its alias.
        return name.startsWith(prefix) && (owner === undefined ? !wanted.has(name) : isStray(owner));
      });
      const outcomes = await home.settle(
        strays.map(({ header }) => deleteLinkRequest({ ifindex: header.index })),
      );
      const failed = outcomes.find((outcome) => !outcome.ok && !isErrno(outcome.error, "ENODEV"));
      if (failed && !failed.ok) throw failed.error;
    },
  };
}

function amiss(ifname: string, problem: string): UnderlayError {
  return new UnderlayError("conflict", `link ${ifname} of the container: ${problem}`, {
    inputs: { link: ifname },
  });
}

function endOf({ header, attrs: { name = "", address, mtu = 0 } }: End): LinkEnd {
  return { name, mtu, ifindex: header.index, ...(typeof address === "string" && { mac: address }) };
}
