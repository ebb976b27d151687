import { UnderlayError } from "../lib/errors.ts";
import { linkNameOf, OUR_LINK_GROUP } from "../lib/ifname.ts";
import type { Mac } from "../lib/mac.ts";
import type { Conversation } from "../netlink/conversation.ts";
import { GONE, isErrno } from "../netlink/failure.ts";
import { deleteLinkRequest, getLink, type Link, newLinkRequest, setLinkRequest } from "../netlink/link.ts";
import type { LinkInfo } from "../netlink/link-info.ts";
import type { Netns } from "../sys/netns.ts";
import { aliasOf } from "./survey.ts";

/** Links that are born in a container's netns, which saves the 16 ms that the kernel takes to move one there. */

/** A container's netns and a conversation in it. */
export interface Inside {
  readonly netns: Netns;
  readonly kernel: Conversation;
}

export interface WantedInside {
  readonly owner: string;
  readonly ifname: string;
  /** Index of the parent in the netns of `from`; absent for kinds that have none. */
  readonly parent?: number;
  readonly mac?: Mac;
  /** Absent: the parent's. */
  readonly mtu?: number;
  readonly info: LinkInfo;
}

export interface LinkInside {
  readonly ifindex: number;
  /** Absent where the kind has none. */
  readonly mac?: Mac;
  readonly mtu: number;
}

/**
 * Makes the link, down. `from`: a conversation where its parent is. One that an earlier try of the same owner left is
 * replaced. Throws `conflict` when the container has another link of that name, `kernel`, `unsupported`, `permission`.
 */
export async function bornInside(
  from: Conversation,
  inside: Inside,
  wanted: WantedInside,
): Promise<LinkInside> {
  const bornAs = await give(from, inside, wanted);
  const { owner, ifname } = wanted;
  const link = await getLink(inside.kernel, { name: bornAs });
  if (!link) throw new UnderlayError("kernel", `link ${ifname} vanished as soon as it was made`);
  const ifindex = link.header.index;
  const changes = { alias: aliasOf(owner), ...(bornAs !== ifname && { name: ifname }) };
  await inside.kernel.request(setLinkRequest({ ifindex }, changes));
  const { address, mtu = 0 } = link.attrs;
  return { ifindex, mtu, ...(typeof address === "string" && { mac: address }) };
}

/** Under which name it was born. */
async function give(from: Conversation, inside: Inside, wanted: WantedInside): Promise<string> {
  try {
    await create(from, inside, wanted, wanted.ifname);
    return wanted.ifname;
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
    return await giveAgain(from, inside, wanted, error);
  }
}

/**
 * The name is taken: in the container, or, where the kernel looks there too (6.1 does, 6.18 does not), in the netns
 * of the parent. For the second the link is born under a name of its own.
 */
async function giveAgain(
  from: Conversation,
  inside: Inside,
  wanted: WantedInside,
  cause: unknown,
): Promise<string> {
  const { ifname, owner } = wanted;
  const found = await getLink(inside.kernel, { name: ifname });
  if (found && !isOwn(found, owner)) throw taken(ifname, cause);
  if (found) await remove(inside, found.header.index);
  const name = found ? ifname : linkNameOf(owner);
  try {
    await create(from, inside, wanted, name);
  } catch (error) {
    // Another try of the same owner was quicker.
    throw isErrno(error, "EEXIST") ? taken(ifname, error) : error;
  }
  return name;
}

function taken(ifname: string, cause: unknown): UnderlayError {
  return new UnderlayError("conflict", `the container has a link ${ifname} already`, {
    cause,
    inputs: { link: ifname },
  });
}

/** The alias alone proves nothing; the group is the mark that a new name does not change. */
function isOwn({ attrs }: Link, owner: string): boolean {
  return attrs.group === OUR_LINK_GROUP && attrs.alias === aliasOf(owner);
}

async function create(from: Conversation, inside: Inside, wanted: WantedInside, name: string): Promise<void> {
  const { parent, mac, mtu, info } = wanted;
  await from.request(
    newLinkRequest({
      name,
      ...(parent !== undefined && { parent }),
      ...(mac !== undefined && { mac }),
      ...(mtu !== undefined && { mtu }),
      group: OUR_LINK_GROUP,
      ...(from !== inside.kernel && { netnsFd: inside.netns.fd }),
      info,
    }),
  );
}

async function remove(inside: Inside, ifindex: number): Promise<void> {
  const [outcome] = await inside.kernel.settle([deleteLinkRequest({ ifindex })]);
  if (outcome && !outcome.ok && !isErrno(outcome.error, ...GONE)) throw outcome.error;
}
