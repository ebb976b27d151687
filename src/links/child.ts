import { OUR_LINK_GROUP } from "../lib/ifname.ts";
import type { Mac } from "../lib/mac.ts";
import type { Conversation } from "../netlink/conversation.ts";
import { isErrno } from "../netlink/failure.ts";
import { deleteLinkRequest, getLink, type Link, newLinkRequest, setLinkRequest } from "../netlink/link.ts";
import type { LinkInfo } from "../netlink/link-info.ts";

/** How links that hang on a parent are made, whatever their kind. */

export interface WantedChild {
  readonly name: string;
  readonly parentIfindex: number;
  /** Absent for kinds whose links have their parent's. */
  readonly mac?: Mac;
  readonly mtu?: number;
  readonly alias: string;
  /** Its birth mark; absent = that of an endpoint's link. */
  readonly group?: number;
  readonly info: LinkInfo;
}

/**
 * Makes the link, down, in the netns of the conversation. One of that name which already is what is wanted is success;
 * one that is not is replaced. Throws `kernel`, `unsupported`, `permission`.
 */
export async function makeChild(conversation: Conversation, wanted: WantedChild): Promise<void> {
  try {
    await make(conversation, wanted);
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
    const found = await getLink(conversation, { name: wanted.name });
    if (found && isWanted(found, wanted)) return;
    await conversation.settle([deleteLinkRequest({ name: wanted.name })]);
    await make(conversation, wanted);
  }
}

async function make(conversation: Conversation, wanted: WantedChild): Promise<void> {
  const { name, parentIfindex, mac, mtu, alias, group = OUR_LINK_GROUP, info } = wanted;
  // The kernel ignores IFLA_IFALIAS at creation, so the alias is a second message of the same send.
  const outcomes = await conversation.settle([
    newLinkRequest({
      name,
      parent: parentIfindex,
      ...(mac !== undefined && { mac }),
      ...(mtu !== undefined && { mtu }),
      group,
      info,
    }),
    setLinkRequest({ name }, { alias }),
  ]);
  const failed = outcomes.find((outcome) => !outcome.ok);
  if (failed && !failed.ok) throw failed.error;
}

function isWanted({ attrs }: Link, { parentIfindex, mac, mtu, info }: WantedChild): boolean {
  return (
    attrs.link === parentIfindex &&
    (mac === undefined || attrs.address === mac) &&
    (mtu === undefined || attrs.mtu === mtu) &&
    attrs.info?.kind === info.kind &&
    hasAll(dataOf(attrs.info), dataOf(info))
  );
}

/** The kernel tells more of a link than was asked for. */
function hasAll(
  found: Readonly<Record<string, unknown>>,
  wanted: Readonly<Record<string, unknown>>,
): boolean {
  return Object.entries(wanted).every(([key, value]) => found[key] === value);
}

function dataOf(info: LinkInfo | undefined): Readonly<Record<string, unknown>> {
  return info !== undefined && "data" in info ? { ...info.data } : {};
}
