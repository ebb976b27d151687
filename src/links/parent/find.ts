import { isUp, type LinkRef } from "../../netlink/link.ts";
import { defaultLink } from "./facts.ts";
import type { FoundParent, ParentMemory } from "./parents.ts";
import type { ParentLink, Reading } from "./reading.ts";
import { nameAsked, type ParentRef } from "./ref.ts";

/** As much of the home namespace as a reference is resolved with. */
export interface Lookup<L extends ParentLink = ParentLink> extends Pick<Reading, "routes"> {
  link(ref: LinkRef): Promise<L | undefined>;
}

/** The link that a reference means now, or undefined. `auto` is the link of the best default route, IPv4 before IPv6. */
export async function resolveParent<L extends ParentLink>(
  reading: Lookup<L>,
  ref: ParentRef,
): Promise<L | undefined> {
  switch (ref.how) {
    case "dummy":
      return undefined;
    case "auto":
      return defaultRouteLink(reading);
    case "name":
    case "vlan":
    case "switch":
      return reading.link({ name: ref.name });
  }
}

async function defaultRouteLink<L extends ParentLink>(reading: Lookup<L>): Promise<L | undefined> {
  const ifindex = defaultLink(await reading.routes(4), await reading.routes(6));
  return ifindex === undefined ? undefined : reading.link({ ifindex });
}

/**
 * A network's parent as it is now. `auto` was resolved when the network was made and stays what it was. When the name
 * is gone, the remembered index of the same boot still knows a link that was renamed.
 */
export async function findParent(
  linkOf: (ref: LinkRef) => Promise<ParentLink | undefined>,
  ref: ParentRef,
  memory: ParentMemory,
  bootId: string,
): Promise<ParentLink | undefined> {
  const name = nameAsked(ref) ?? memory.name;
  const byName = await linkOf({ name });
  if (byName || memory.bootId !== bootId) return byName;
  const byIndex = await linkOf({ ifindex: memory.ifindex });
  return byIndex && sameMac(byIndex, memory) ? byIndex : undefined;
}

function sameMac({ attrs }: ParentLink, { mac }: ParentMemory): boolean {
  return mac === undefined || mac === attrs.permAddress || mac === attrs.address;
}

export function foundParent(link: ParentLink): FoundParent {
  return { name: link.attrs.name ?? "", ifindex: link.header.index, up: isUp(link) };
}
