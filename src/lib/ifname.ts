import { sha256, toBase32 } from "./bytes.ts";
import type { PairKey } from "./pair.ts";
import { quote } from "./quote.ts";

/** IFNAMSIZ of `<linux/if.h>` less the final NUL. */
export const MAX_IFNAME = 15;

/** isspace() of the kernel reads bytes as Latin-1, where this one is the no-break space. In UTF-8 it ends an "à". */
const KERNEL_SPACE = 0xa0;

/** Two that are no file names, and two that sysctl has for itself beside the links' names. */
const RESERVED = [".", "..", "all", "default"];

/** What the kernel's dev_valid_name() and sysctl_dev_name_is_allowed() refuse, in words; undefined when the name is fine. */
export function ifnameProblem(name: string): string | undefined {
  if (name === "") return "a link name cannot be empty";
  if (Buffer.byteLength(name) > MAX_IFNAME)
    return `link name ${quote(name)} is longer than ${MAX_IFNAME} bytes`;
  if (RESERVED.includes(name)) return `${quote(name)} is not a link name`;
  if (/[/:\0 \t-\r]/.test(name))
    return `link name ${quote(name)} has a slash, colon, NUL or white space in it`;
  if (name.includes("%"))
    return `link name ${quote(name)} has a % in it, which the kernel takes for a pattern`;
  if (Buffer.from(name).includes(KERNEL_SPACE)) {
    return `link name ${quote(name)} has a letter in it whose UTF-8 bytes the kernel takes for white space`;
  }
  return undefined;
}

const one = (letter: string): [number, number] => [letter.charCodeAt(0), letter.charCodeAt(0)];

/** RFC 4648 in small letters, as ranges of bytes. */
const BASE32: readonly [number, number][] = [
  [0x61, 0x7a],
  [0x32, 0x37],
];

/** The bytes of our links' names, place by place, each with the ranges that it may be in. */
export const OUR_LINK_NAME_BYTES = [
  ...[..."ul-"].map((letter) => [one(letter)]),
  ...Array.from({ length: 12 }, () => BASE32),
];

/** The birth mark of our links: `ul-` and 12 base32 characters of the owner's hash. */
export function linkNameOf(owner: string): string {
  return `ul-${toBase32(sha256("link", owner), 12)}`;
}

const OURS = /^ul-[a-z2-7]{12}$/;

export function isOurLinkName(name: string): boolean {
  return OURS.test(name);
}

/**
 * The host's own link on the parent of a network: `ulh-` and 11 characters. No endpoint's, which is deleted when no
 * record speaks of it.
 */
export function hostLinkNameOf(network: string): string {
  return `ulh-${toBase32(sha256("host link", network), 11)}`;
}

const HOST_LINK = /^ulh-[a-z2-7]{11}$/;

export function isHostLinkName(name: string): boolean {
  return HOST_LINK.test(name);
}

/**
 * The end of an endpoint's pair that stays with the switch while the other, `linkNameOf`, goes to the container: `ulo-`
 * and 11 characters. Also the name of its port in Open vSwitch, where names are never used by two endpoints.
 */
export function switchPortNameOf(owner: string): string {
  return `ulo-${toBase32(sha256("switch port", owner), 11)}`;
}

const SWITCH_PORT = /^ulo-[a-z2-7]{11}$/;

export function isSwitchPortName(name: string): boolean {
  return SWITCH_PORT.test(name);
}

/** A tunnel of a network to one other host: `ult-` and 11 characters. Tunnels are ports of Open vSwitch and no links. */
export function tunnelNameOf(network: string, peer: string): string {
  return `ult-${toBase32(sha256("tunnel", network, peer), 11)}`;
}

/**
 * The host's own link in the VLAN of a network, where it has the gateway's addresses: `ulg-` and 11 characters. An
 * internal port of Open vSwitch.
 */
export function gatewayLinkNameOf(network: string): string {
  return `ulg-${toBase32(sha256("gateway", network), 11)}`;
}

/**
 * The bridge of a network's tunnels, where the host is the network's gateway: `ulx-` and 11 characters; and the two ends
 * of what joins it to the network's own: `ulp-` there, `ulq-` here.
 */
export function overlayNamesOf(network: string): { bridge: string; there: string; here: string } {
  const hash = toBase32(sha256("overlay", network), 11);
  return { bridge: `ulx-${hash}`, there: `ulp-${hash}`, here: `ulq-${hash}` };
}

/** The bridge of a network that names none, where another one has the default's: `ovsbr-` and 9 characters. */
export function ovsBridgeNameOf(network: string): string {
  return `ovsbr-${toBase32(sha256("ovs bridge", network), 9)}`;
}

/** Birth mark in IFLA_GROUP: "ul". Never group 0, which is everybody's. */
export const OUR_LINK_GROUP = 0x756c;

/** Birth mark of the links that we make for parents; those of endpoints that are on their way out have the one between. */
export const OUR_PARENT_GROUP = OUR_LINK_GROUP + 2;

/** Birth mark of the host's own links. */
export const HOST_LINK_GROUP = OUR_LINK_GROUP + 3;

/** Birth mark of the hosts' ends of veth pairs. */
export const VETH_GROUP = OUR_LINK_GROUP + 4;

/** Birth mark of the ends that stay with a switch. */
export const SWITCH_PORT_GROUP = OUR_LINK_GROUP + 5;

/**
 * The host's end of a pair: `veth`, four base32 characters of the network's hash and seven of the attachment's. So an
 * attachment is found without a record, and those of a network are told from others.
 */
export function vethNameOf(key: PairKey): string {
  const { network, container, ifname } = key;
  return `${vethPrefixOf(network)}${toBase32(sha256("veth", network, container, ifname), 7)}`;
}

/** What the names of a network's pairs begin with. */
export function vethPrefixOf(network: string): string {
  return `veth${toBase32(sha256("veth network", network), 4)}`;
}
