import { linkNameOf } from "../lib/ifname.ts";
import { formatCidr, formatIp, type Ip, parseCidr, parseIp } from "../lib/ip.ts";
import type { Mac } from "../lib/mac.ts";
import type { Peer } from "../lib/peer.ts";
import type { LinkKind, Subnet } from "../lib/request.ts";
import type { EndpointSpec, LinkSpec } from "../links/driver.ts";
import type { PublishedPort } from "../links/nat/rules.ts";
import type { ParentMemory } from "../links/parent/parents.ts";
import { layersOf, type ParentLayer } from "../links/parent/plan.ts";
import type { EndpointState, NetworkState } from "./engine.ts";

/**
 * What is kept of networks and endpoints. Records are intent: written before the side effect they speak of.
 * Everything in them is JSON as it stands, addresses as text.
 */

export interface SubnetRecord {
  readonly pool: string;
  readonly gateway?: string;
  readonly aux: Readonly<Record<string, string>>;
}

export interface NetworkRecord {
  readonly owner: string;
  readonly kind: LinkKind;
  readonly state: NetworkState;
  readonly options: Readonly<Record<string, string>>;
  readonly spec: LinkSpec;
  readonly allow: readonly string[];
  readonly parent: ParentMemory;
  readonly subnets: readonly SubnetRecord[];
  /** Hosts that it spans beside those of its options, in the order in which they were learnt. */
  readonly learnt?: readonly PeerRecord[];
  /** Its endpoints are given addresses here: nobody else does. */
  readonly allocates?: true;
  readonly internal: boolean;
  readonly ipv6: boolean;
  readonly createdAt: string;
}

export interface PeerRecord {
  readonly address: Peer;
  readonly learntAt: string;
}

export interface EndpointRecord {
  readonly owner: string;
  readonly network: string;
  readonly state: EndpointState;
  readonly addresses: readonly string[];
  /** Absent when its link has the parent's. */
  readonly mac?: Mac;
  readonly macChosenByUser: boolean;
  readonly ifname?: string;
  /** Path of the netns in which its container has the link. */
  readonly netns?: string;
  readonly publishes: readonly string[];
  /** What it asks for beyond its network. */
  readonly spec?: EndpointSpec;
  /** Ports that it was given; absent until it has a link. */
  readonly published?: readonly PublishedRecord[];
  readonly bootId: string;
  readonly createdAt: string;
}

/** A port of the host that leads to an endpoint, addresses as text. */
export interface PublishedRecord extends Omit<PublishedPort, "hostAddress" | "containerAddress"> {
  readonly hostAddress?: string;
  readonly containerAddress: string;
}

/** A link that we made for the parents of networks. Its owner is its name. */
export interface ParentRecord {
  readonly owner: string;
  readonly layer: ParentLayer;
  /** `making`: it was about to be made; whether it was, the kernel knows. */
  readonly state: "making" | "made";
  readonly bootId: string;
  /** In that boot. */
  readonly ifindex: number;
  readonly createdAt: string;
}

/**
 * Somebody who hangs a link on VLANs that may be ours, beside the networks: one of those that are made in one go. All
 * else of it is in its netns, and ends with that.
 */
export interface AttachmentRecord {
  readonly owner: string;
  readonly layers: readonly ParentLayer[];
  /** A former boot's is nobody's any more. */
  readonly bootId: string;
  readonly createdAt: string;
}

/**
 * What the kernel lets only one link on a parent have: its MAC, or the addresses of links that have their parent's.
 * ipvlan_addr_busy of drivers/net/ipvlan knows those in all netns.
 */
export function holdingsOf({ mac, addresses }: EndpointRecord): readonly string[] {
  return mac === undefined ? addresses : [mac];
}

export function linkNameOfEndpoint(record: EndpointRecord): string {
  return linkNameOf(record.owner);
}

export function subnetRecord(subnet: Subnet): SubnetRecord {
  return {
    pool: formatCidr(subnet.pool),
    ...(subnet.gateway && { gateway: formatIp(subnet.gateway) }),
    aux: Object.fromEntries(Object.entries(subnet.aux).map(([name, ip]) => [name, formatIp(ip)])),
  };
}

/** The subnets of a record; text that does not parse was never written by us and is left out. */
export function subnetsOf(record: Pick<NetworkRecord, "subnets">): Subnet[] {
  return record.subnets.flatMap(({ pool, gateway, aux }) => {
    const cidr = parseCidr(pool);
    if (!cidr) return [];
    const ip = gateway === undefined ? undefined : parseIp(gateway);
    const kept = Object.entries(aux).map(([name, text]): [string, Ip | undefined] => [name, parseIp(text)]);
    const known = kept.filter((entry): entry is [string, Ip] => entry[1] !== undefined);
    return [{ pool: cidr, ...(ip && { gateway: ip }), aux: Object.fromEntries(known) }];
  });
}

/** Of a network whose gateway is this host: the link that has the gateways' addresses. */
export function gatewayLinkOf({ spec, parent }: NetworkRecord): string {
  return spec.gatewayLink ?? parent.name;
}

export function learntBy({ learnt = [] }: Pick<NetworkRecord, "learnt">): Peer[] {
  return learnt.map(({ address }) => address);
}

/** Names by which networks are counted as users of parents. */
export function parentNamesOf({ spec, owner, parent }: NetworkRecord): string[] {
  return [parent.name, ...layersOf(spec.parent, owner).map(({ name }) => name)];
}
