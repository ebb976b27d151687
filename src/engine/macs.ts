import { UnderlayError } from "../lib/errors.ts";
import { formatCidr } from "../lib/ip.ts";
import { deriveMac, type Mac } from "../lib/mac.ts";
import { ownerWords } from "../lib/owner.ts";
import type { EndpointRequest } from "../lib/request.ts";
import type { ParentMemory } from "../links/parent/parents.ts";
import type { Context } from "./context.ts";
import type { EndpointRecord, NetworkRecord } from "./records.ts";

/** Which MAC address an endpoint has. */

/**
 * The given one, that of a kind which has it whatever is asked for, or one that follows from the address. Undefined
 * for a link without a MAC of its own; throws `invalid_option` when the user gave it one.
 */
export function macOf(context: Context, network: NetworkRecord, request: EndpointRequest): Mac | undefined {
  const { ownMac } = context.drivers[network.kind];
  if (ownMac) return request.mac ?? inheritedMac(context, network) ?? stableMac(context, network, request);
  if (request.mac === undefined || request.macByUser !== true) return undefined;
  throw new UnderlayError(
    "invalid_option",
    `containers on ${network.kind} have the MAC address of their parent ${network.parent.name} and can be given no ` +
      `other, not ${request.mac}: leave it out, or use a macvlan network`,
    { inputs: { endpoint: request.owner, mac: request.mac } },
  );
}

function inheritedMac(context: Context, { kind, spec, parent }: NetworkRecord): Mac | undefined {
  return context.drivers[kind].inheritedMac(spec, parent);
}

/**
 * The same for the same address on the same parent, also after the network was made anew: switches, reservations
 * and ARP caches of the LAN stay right. The store's seed keeps two hosts apart. Without an address it is the
 * endpoint's own.
 */
function stableMac(context: Context, network: NetworkRecord, request: EndpointRequest): Mac {
  const { seed } = context.store;
  const address = request.addresses[0];
  if (!address) return deriveMac(seed, request.owner);
  return deriveMac(seed, network.parent.name, formatCidr(address));
}

/** Another endpoint on the same parent that has the MAC; nobody stands in the way where all have the parent's. */
export function macHolder(
  context: Context,
  network: NetworkRecord,
  wanted: EndpointRecord,
): EndpointRecord | undefined {
  const { mac } = wanted;
  if (mac === undefined || inheritedMac(context, network) !== undefined) return undefined;
  const { endpoints, networks } = context;
  const sharesParent = (owner: string) => {
    const other = networks.get(owner);
    return other !== undefined && isSameParent(other.parent, network.parent);
  };
  return endpoints
    .with("mac", mac)
    .find(
      (other) => other.owner !== wanted.owner && other.state !== "removing" && sharesParent(other.network),
    );
}

/** As it is looked up: by its name, and when that is gone by the index of the same boot. */
function isSameParent(one: ParentMemory, other: ParentMemory): boolean {
  return one.name === other.name || (one.bootId === other.bootId && one.ifindex === other.ifindex);
}

/**
 * Whether a container may still use the endpoint: one has its link, or it was spoken of a moment ago and its link is
 * on the way. A link that was made and is nowhere died with its container.
 */
export async function isAlive(
  context: Context,
  endpoint: EndpointRecord,
  lastCall: number,
): Promise<boolean> {
  const { links: found, complete } = await context.survey();
  const links = found.filter(({ owner }) => owner === endpoint.owner);
  if (links.some(({ home }) => !home)) return true;
  if (endpoint.state === "provisioned" && links.length === 0) return !complete;
  return context.steady() - lastCall < context.staleAfter;
}

export function macConflict(wanted: EndpointRecord, holder: EndpointRecord): UnderlayError {
  return new UnderlayError(
    "conflict",
    `MAC address ${wanted.mac} is in use by endpoint ${ownerWords(holder.owner)} (${holder.addresses.join(" ")}) on the same ` +
      "parent; choose another one, or remove that container first",
    { inputs: { endpoint: wanted.owner, mac: wanted.mac } },
  );
}
