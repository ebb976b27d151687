import { sha256, toBase32 } from "../lib/bytes.ts";
import type { AttachmentId } from "./plugin.ts";

/** The engine's keys of CNI attachments, `cni:NETWORK/CONTAINER/IFNAME`: names and ids have no slash in them. */

/** The alias of a link, in which the whole of it is, has 255 bytes (IFALIASZ); names and ids may be of any length. */
const MOST = 100;
const KEPT = 80;

export function ownerOf(network: string, { containerId, ifname }: AttachmentId): string {
  return `${networkPrefix(network)}${bounded(containerId)}/${ifname}`;
}

/** Tells of an owner whether it is of the network and none of these. */
export function isStrayOf(network: string, valid: readonly AttachmentId[]): (owner: string) => boolean {
  const alive = new Set(valid.map((one) => ownerOf(network, one)));
  return (owner) => owner.startsWith(networkPrefix(network)) && !alive.has(owner);
}

function networkPrefix(network: string): string {
  return `cni:${bounded(network)}/`;
}

/** No name and no id has a tilde in it, so that none is taken for another's beginning. */
function bounded(text: string): string {
  return text.length <= MOST ? text : `${text.slice(0, KEPT)}~${toBase32(sha256("owner", text), 12)}`;
}
