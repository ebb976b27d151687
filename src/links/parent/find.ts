import type { Conversation } from "../../netlink/conversation.ts";
import { getLink, isUp, type Link } from "../../netlink/link.ts";
import { listRoutes } from "../../netlink/route.ts";
import { defaultLink } from "./facts.ts";
import type { FoundParent, ParentMemory } from "./parents.ts";
import { nameAsked, type ParentRef } from "./ref.ts";

/** The link that a reference means now, or undefined. `auto` is the link of the best default route, IPv4 before IPv6. */
export async function resolveParent(conversation: Conversation, ref: ParentRef): Promise<Link | undefined> {
  switch (ref.how) {
    case "dummy":
      return undefined;
    case "auto":
      return defaultRouteLink(conversation);
    case "name":
    case "vlan":
      return getLink(conversation, { name: ref.name });
  }
}

async function defaultRouteLink(conversation: Conversation): Promise<Link | undefined> {
  const ifindex = defaultLink(await listRoutes(conversation, 4), await listRoutes(conversation, 6));
  return ifindex === undefined ? undefined : getLink(conversation, { ifindex });
}

/**
 * A network's parent as it is now. `auto` was resolved when the network was made and stays what it was. When the name
 * is gone, the remembered index of the same boot still knows a link that was renamed.
 */
export async function findParent(
  conversation: Conversation,
  ref: ParentRef,
  memory: ParentMemory,
  bootId: string,
): Promise<Link | undefined> {
  const name = nameAsked(ref) ?? memory.name;
  const byName = await getLink(conversation, { name });
  if (byName || memory.bootId !== bootId) return byName;
  const byIndex = await getLink(conversation, { ifindex: memory.ifindex });
  return byIndex && sameMac(byIndex, memory) ? byIndex : undefined;
}

function sameMac({ attrs }: Link, { mac }: ParentMemory): boolean {
  return mac === undefined || mac === attrs.permAddress || mac === attrs.address;
}

export function foundParent(link: Link): FoundParent {
  return { name: link.attrs.name ?? "", ifindex: link.header.index, up: isUp(link) };
}
