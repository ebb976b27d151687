import { UnderlayError } from "../../lib/errors.ts";
import { linkNameOf, OUR_LINK_GROUP, SWITCH_PORT_GROUP, switchPortNameOf } from "../../lib/ifname.ts";
import { derivePortMac, type Mac } from "../../lib/mac.ts";
import type { LinkEnd } from "../../lib/pair.ts";
import type { Conversation, Outcome } from "../../netlink/conversation.ts";
import type { Ethtool } from "../../netlink/ethtool.ts";
import { GONE, isErrno } from "../../netlink/failure.ts";
import {
  ADDR_GEN_MODE,
  decodeLink,
  deleteLinkRequest,
  getLink,
  getLinkRequest,
  type Link,
  newLinkRequest,
  setLinkRequest,
} from "../../netlink/link.ts";
import { vethInfo } from "../../netlink/veth.ts";
import { aliasOf } from "../survey.ts";
import { FINISHED_CHECKSUMS } from "./offloads.ts";

/** Veth pairs between a container and the switch, both ends born on the host; the runtime moves one of them. */
export interface SwitchPairs {
  /**
   * Makes one: the container's end down, the switch's up. One that is there already and is what is wanted is success;
   * one that is not is replaced. Throws `conflict` when a link that is not ours has one of the names, `kernel`,
   * `permission`.
   */
  make(wish: SwitchPairWish): Promise<SwitchPair>;
  /** Deletes it, wherever the container's end is; false when there is none. Returns after the kernel's wait of 16 ms. */
  remove(owner: string): Promise<boolean>;
  /** The switch's end; undefined when there is none. */
  find(owner: string): Promise<LinkEnd | undefined>;
}

export interface SwitchPairWish {
  readonly owner: string;
  /** Of the container's end; absent: the kernel's choice. */
  readonly mac?: Mac;
  /** Bytes, of both ends. */
  readonly mtu: number;
  /**
   * The container sends no frame whose checksum is left for later: Open vSwitch's userspace datapath, of 3.1 at least,
   * sends such frames on as they are, and TCP and UDP do not pass.
   */
  readonly finishesChecksums: boolean;
}

export interface SwitchPair {
  readonly container: LinkEnd;
  readonly port: LinkEnd;
}

/** `home`: a conversation in the host's netns, `features` too. */
export function switchPairs(home: Conversation, features: Ethtool): SwitchPairs {
  /** Undefined when somebody has deleted it meanwhile. */
  async function create({ owner, mac, mtu }: SwitchPairWish): Promise<Ends | undefined> {
    const [name, peer] = [linkNameOf(owner), switchPortNameOf(owner)];
    // Higher than any NIC's: a bridge takes the lowest address of its ports for its own unless it was told one.
    const portMac = derivePortMac("switch port", owner);
    await home.request(
      newLinkRequest({
        name,
        ...(mac !== undefined && { mac }),
        mtu,
        group: OUR_LINK_GROUP,
        info: vethInfo({ name: peer, mac: portMac, mtu }),
      }),
    );
    // Not in one send with the first: where that fails, these would mark what somebody else has under the name.
    const [container, port, ...changes] = await home.settle([
      getLinkRequest({ name }),
      getLinkRequest({ name: peer }),
      setLinkRequest({ name }, { alias: aliasOf(owner) }),
      setLinkRequest({ name: peer }, { group: SWITCH_PORT_GROUP, alias: aliasOf(owner) }),
      // The host does not speak on it; a kernel without IPv6 would not either.
      setLinkRequest({ name: peer }, { addrGenMode: ADDR_GEN_MODE.none }),
      setLinkRequest({ name: peer }, { up: true }),
    ]);
    const failed = changes.find((outcome) => !outcome.ok && !isErrno(outcome.error, "EAFNOSUPPORT"));
    if (!failed || failed.ok) return endsOf(linkIn(container), linkIn(port));
    await home.settle([deleteLinkRequest({ name })]);
    throw failed.error;
  }

  async function createOnce(wish: SwitchPairWish): Promise<MadeEnds> {
    try {
      return { ends: await create(wish), isNew: true };
    } catch (thrown) {
      if (!isErrno(thrown, "EEXIST")) throw thrown;
      const found = await look(wish.owner);
      if (found && isWanted(found, wish)) return { ends: found, isNew: false };
      await removeAll(wish.owner, thrown);
      return { ends: await create(wish), isNew: true };
    }
  }

  async function look(owner: string): Promise<Ends | undefined> {
    const container = await getLink(home, { name: linkNameOf(owner) });
    const port = await getLink(home, { name: switchPortNameOf(owner) });
    return endsOf(container, port);
  }

  /** What an earlier try of the same owner left; with an end goes the other. */
  async function removeAll(owner: string, cause: unknown): Promise<void> {
    const rows = [
      [switchPortNameOf(owner), SWITCH_PORT_GROUP],
      [linkNameOf(owner), OUR_LINK_GROUP],
    ] as const;
    for (const [name, group] of rows) {
      const found = await getLink(home, { name });
      if (found && found.attrs.group !== group) {
        throw new UnderlayError("conflict", `link ${name} is there already, and is none of ours`, {
          cause,
          inputs: { link: name },
        });
      }
      if (found) await removeIndex(found.header.index);
    }
  }

  async function removeIndex(ifindex: number): Promise<boolean> {
    const [outcome] = await home.settle([deleteLinkRequest({ ifindex })]);
    if (outcome && !outcome.ok && !isErrno(outcome.error, ...GONE)) throw outcome.error;
    return outcome?.ok === true;
  }

  async function removeOwn(owner: string): Promise<boolean> {
    const found = await getLink(home, { name: switchPortNameOf(owner) });
    return found?.attrs.group === SWITCH_PORT_GROUP && removeIndex(found.header.index);
  }

  return {
    async make(wish) {
      const { ends, isNew } = await createOnce(wish);
      await using undo = new AsyncDisposableStack();
      if (isNew) {
        undo.defer(async () => {
          await removeOwn(wish.owner);
        });
      }
      if (!ends) {
        const message = `link ${linkNameOf(wish.owner)} vanished as soon as it was made`;
        throw new UnderlayError("kernel", message);
      }
      const { index: ifindex } = ends.container.header;
      if (wish.finishesChecksums) await features.setFeatures({ ifindex }, FINISHED_CHECKSUMS);
      undo.move();
      return { container: endOf(ends.container), port: endOf(ends.port) };
    },
    remove: removeOwn,
    async find(owner) {
      const found = await getLink(home, { name: switchPortNameOf(owner) });
      return found?.attrs.group === SWITCH_PORT_GROUP ? endOf(found) : undefined;
    },
  };
}

interface Ends {
  readonly container: Link;
  readonly port: Link;
}

interface MadeEnds {
  readonly ends: Ends | undefined;
  /** False when it was there already. */
  readonly isNew: boolean;
}

function endsOf(container: Link | undefined, port: Link | undefined): Ends | undefined {
  return container && port && { container, port };
}

function linkIn(outcome: Outcome | undefined): Link | undefined {
  const message = outcome?.ok ? outcome.messages[0] : undefined;
  return message && decodeLink(message);
}

function isWanted({ container, port }: Ends, { mac, mtu }: SwitchPairWish): boolean {
  return (
    container.attrs.link === port.header.index &&
    port.attrs.group === SWITCH_PORT_GROUP &&
    container.attrs.group === OUR_LINK_GROUP &&
    container.attrs.mtu === mtu &&
    port.attrs.mtu === mtu &&
    (mac === undefined || container.attrs.address === mac)
  );
}

function endOf({ header, attrs: { name = "", address, mtu = 0 } }: Link): LinkEnd {
  return { name, mtu, ifindex: header.index, ...(typeof address === "string" && { mac: address }) };
}
