import { sha256, toBase32 } from "./bytes.ts";
import { quote } from "./quote.ts";

/** IFNAMSIZ of `<linux/if.h>` less the final NUL. */
export const MAX_IFNAME = 15;

/** What the kernel's dev_valid_name() refuses, in words; undefined when the name is fine. */
export function ifnameProblem(name: string): string | undefined {
  if (name === "") return "a link name cannot be empty";
  if (Buffer.byteLength(name) > MAX_IFNAME)
    return `link name ${quote(name)} is longer than ${MAX_IFNAME} bytes`;
  if (name === "." || name === "..") return `${quote(name)} is not a link name`;
  if (/[/:\s\0]/.test(name)) return `link name ${quote(name)} has a slash, colon, NUL or white space in it`;
  return undefined;
}

/** The birth mark of our links: `ul-` and 12 base32 characters of the owner's hash. */
export function linkNameOf(owner: string): string {
  return `ul-${toBase32(sha256("link", owner), 12)}`;
}

const OURS = /^ul-[a-z2-7]{12}$/;

export function isOurLinkName(name: string): boolean {
  return OURS.test(name);
}

/** Birth mark in IFLA_GROUP: "ul". Never group 0, which is everybody's. */
export const OUR_LINK_GROUP = 0x756c;
