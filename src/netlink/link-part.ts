import type { Conversation } from "./conversation.ts";
import { GONE, isErrno } from "./failure.ts";
import {
  getLinkRequest,
  ifinfomsg,
  type LinkAttr,
  type LinkRef,
  linkTable,
  type PartOfLink,
} from "./link.ts";
import { bodyReader, type Message } from "./message.ts";

/** Links of which only some attributes are looked at: each that is decoded is a call, and calls are compiled (ADR 19). */

export type LinkReader<K extends LinkAttr> = (message: Message) => PartOfLink<K>;

export function linkReader<K extends LinkAttr>(names: readonly K[]): LinkReader<K> {
  const table: Partial<Record<LinkAttr, (typeof linkTable)[LinkAttr]>> = {};
  for (const name of names) table[name] = linkTable[name];
  const read = bodyReader({ header: ifinfomsg, table: table as Pick<typeof linkTable, K> }, "dropped");
  return (message) => read(message.body) as PartOfLink<K>;
}

/** The link, or undefined when there is none. Any other failure throws. */
export async function getPartOfLink<K extends LinkAttr>(
  conversation: Conversation,
  ref: LinkRef,
  read: LinkReader<K>,
): Promise<PartOfLink<K> | undefined> {
  try {
    const [message] = await conversation.request(getLinkRequest(ref));
    return message && read(message);
  } catch (error) {
    if (isErrno(error, ...GONE)) return undefined;
    throw error;
  }
}
