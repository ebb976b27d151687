import { statSync } from "node:fs";
import { OUR_LINK_GROUP } from "../lib/ifname.ts";
import type { Conversation } from "../netlink/conversation.ts";
import { GONE, isErrno } from "../netlink/failure.ts";
import { deleteLinkRequest, listLinks } from "../netlink/link.ts";
import { type Netns, OWN_NETNS } from "../sys/netns.ts";
import { isInhabited, openNetns } from "../sys/netns-path.ts";
import { aliasOf } from "./survey.ts";

/** Links of ours where their containers have them, under a name that the runtime chose. */
export interface InsideLinks {
  /**
   * Deletes the owner's link in the netns at that path, and resolves when the kernel's wait is over, some 16 ms later.
   * False when there is no such netns or no such link in it. Throws `kernel`, `permission`.
   */
  delete(path: string, owner: string): Promise<boolean>;
  /** Whether a process lives in the netns at that path; false when there is no such netns. */
  isInhabited(path: string): Promise<boolean>;
}

/** Runs the work with a conversation in a netns, in a thread that may wait, and closes it. */
export type ConverseInside = <T>(
  netns: Netns,
  work: (conversation: Conversation) => Promise<T>,
) => Promise<T>;

export function linksInside(converse: ConverseInside): InsideLinks {
  return {
    async delete(path, owner) {
      const netns = netnsAt(path);
      if (!netns) return false;
      try {
        return await converse(netns, (conversation) => deleteIn(conversation, owner));
      } finally {
        netns.close();
      }
    },
    async isInhabited(path) {
      const netns = netnsAt(path);
      if (!netns) return false;
      try {
        return await isInhabited(netns);
      } finally {
        netns.close();
      }
    },
  };
}

/** A name whose mount is gone, or hidden from us, is an ordinary file of another file system. */
function netnsAt(path: string): Netns | undefined {
  const device = statSync(path, { throwIfNoEntry: false })?.dev;
  return device === statSync(OWN_NETNS).dev ? openNetns(path) : undefined;
}

async function deleteIn(conversation: Conversation, owner: string): Promise<boolean> {
  try {
    const links = await listLinks(conversation, { only: ["alias", "group"] });
    // An alias alone proves nothing; the group is the mark that a new name does not change.
    const ours = links.find(({ attrs }) => attrs.group === OUR_LINK_GROUP && attrs.alias === aliasOf(owner));
    if (!ours) return false;
    await conversation.request(deleteLinkRequest({ ifindex: ours.header.index }));
    return true;
  } catch (thrown) {
    if (isErrno(thrown, ...GONE)) return false;
    throw thrown;
  }
}
