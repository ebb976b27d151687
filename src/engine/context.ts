import type { Judged, JudgedEndpoint } from "../conditions/condition.ts";
import { UnderlayError } from "../lib/errors.ts";
import type { ParentFacts } from "../lib/facts.ts";
import type { Log } from "../lib/log.ts";
import { ownerWords } from "../lib/owner.ts";
import type { LinkKind } from "../lib/request.ts";
import type { Announce } from "../links/announce.ts";
import type { LinkDriver } from "../links/driver.ts";
import type { HostLinks } from "../links/host-link.ts";
import type { InsideLinks } from "../links/inside.ts";
import type { NatGateway } from "../links/nat/gateway.ts";
import type { GatewayAddresses } from "../links/nat/gateway-addresses.ts";
import type { HostPorts } from "../links/nat/ports.ts";
import type { ParentLinks } from "../links/parent/make.ts";
import type { ParentMemory, Parents } from "../links/parent/parents.ts";
import type { Reaper } from "../links/reaper.ts";
import type { Survey } from "../links/survey.ts";
import type { Store, Table } from "../store/store.ts";
import { Cache } from "./cache.ts";
import { Queues } from "./queues.ts";
import {
  type AttachmentRecord,
  type EndpointRecord,
  type NetworkRecord,
  type ParentRecord,
  parentNamesOf,
  subnetsOf,
} from "./records.ts";
import { Sightings } from "./sightings.ts";
import type { StepReached } from "./steps.ts";

/** What the engine stands on; made by the program's wiring. */
export interface EngineParts {
  readonly store: Store;
  readonly log: Log;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  /**
   * Milliseconds that only pass. The other clock is set by NTP: on a host that has none of its own by years, just when
   * the containers start.
   */
  readonly steady: () => number;
  /** Waits so many milliseconds, for what the kernel tells by no event. */
  readonly pause: (milliseconds: number) => Promise<void>;
  readonly bootId: string;
  /** How long an endpoint must be seen without a container before it is dropped, in milliseconds. */
  readonly staleAfter: number;
  readonly step: StepReached;
  readonly drivers: Readonly<Record<LinkKind, LinkDriver>>;
  readonly parents: Parents;
  readonly parentLinks: ParentLinks;
  readonly hostLinks: HostLinks;
  /** Waits until no other process makes or removes the link. Throws `timeout`. */
  readonly lockParent: (name: string) => Promise<{ release(): void }>;
  /** What the host is to networks whose gateway it is. */
  readonly gatewayAddresses: GatewayAddresses;
  readonly nat: Pick<NatGateway, "apply">;
  readonly hostPorts: Pick<HostPorts, "hold" | "release">;
  readonly announce: Announce;
  readonly reaper: Reaper;
  readonly inside: InsideLinks;
  readonly survey: Survey;
}

/** What the engine's files share: the parts, the records and the order of work. */
export interface Context extends EngineParts {
  readonly networks: NetworkCache;
  readonly endpoints: EndpointCache;
  readonly ownedParents: Cache<ParentRecord>;
  /** Not cached: other processes write it. */
  readonly attachments: Table<AttachmentRecord>;
  readonly queues: Queues;
  readonly sightings: Sightings;
}

/** As much of it as a look at networks needs. */
export type LookContext = Pick<
  Context,
  "networks" | "endpoints" | "queues" | "sightings" | "parents" | "bootId" | "log" | "clock" | "steady"
>;

export type NetworkCache = Cache<NetworkRecord, "parent" | "parentIndex">;
export type EndpointCache = Cache<EndpointRecord, "network" | "mac" | "address">;

export function cachesOf(store: Store): { networks: NetworkCache; endpoints: EndpointCache } {
  return {
    networks: new Cache(store.table<NetworkRecord>("networks"), (network) => ({
      parent: parentNamesOf(network),
      parentIndex: [indexKey(network.parent)],
    })),
    endpoints: new Cache(store.table<EndpointRecord>("endpoints"), ({ network, mac, addresses }) => ({
      network: [network],
      mac: mac === undefined ? [] : [mac],
      address: addresses,
    })),
  };
}

export function parentTables(store: Store): Pick<Context, "ownedParents" | "attachments"> {
  return {
    ownedParents: new Cache(store.table<ParentRecord>("parents"), () => ({})),
    attachments: store.table<AttachmentRecord>("attachments"),
  };
}

export function makeContext(parts: EngineParts): Context {
  return {
    ...parts,
    ...cachesOf(parts.store),
    ...parentTables(parts.store),
    queues: new Queues(),
    sightings: new Sightings(),
  };
}

export function endpointsOf(context: LookContext, network: string): EndpointRecord[] {
  return context.endpoints.with("network", network);
}

/** Those of them that have a link now. */
export function livingOn(context: LookContext, network: string): EndpointRecord[] {
  return endpointsOf(context, network).filter(
    ({ state, bootId }) => state === "provisioned" && bootId === context.bootId,
  );
}

/** A network and its parent as conditions judge them. */
export function judgedOf(context: LookContext, network: NetworkRecord, parent: ParentFacts): Judged {
  const { mtu, flag } = network.spec;
  const hostTrouble = context.sightings.hostTrouble(network.owner);
  return {
    network: network.owner,
    exists: context.networks.get(network.owner) !== undefined,
    kind: network.kind,
    mode: network.spec.mode,
    ...(flag !== undefined && { flag }),
    ...(mtu !== undefined && { mtu }),
    ipv6: network.ipv6,
    internal: network.internal,
    subnets: subnetsOf(network),
    parent,
    neighbours: neighboursOf(context, network, parent),
    endpoints: endpointsOf(context, network.owner).map((endpoint) =>
      judgedEndpoint(context, network, endpoint),
    ),
    released: context.sightings.releasedOf(network.owner),
    ...(hostTrouble && { hostTrouble }),
  };
}

/** A pass may fall into the start of a container: so long, in milliseconds, that is nothing to tell. */
const ORDINARY_START = 10_000;

function judgedEndpoint(
  context: LookContext,
  { spec }: NetworkRecord,
  { owner, addresses, publishes }: EndpointRecord,
): JudgedEndpoint {
  const since = context.sightings.unattachedSince(owner);
  return {
    name: owner,
    addresses,
    publishesInVain: spec.hostIsGateway ? [] : publishes,
    ...(since !== undefined &&
      context.steady() - since >= ORDINARY_START && {
        unattachedSince: dateOf(context, since).toISOString(),
      }),
  };
}

function dateOf({ clock, steady }: LookContext, steadyTime: number): Date {
  return new Date(clock() - (steady() - steadyTime));
}

function neighboursOf(
  context: LookContext,
  network: NetworkRecord,
  parent: ParentFacts,
): Judged["neighbours"] {
  return networksOn(context, parent)
    .filter((other) => other.owner !== network.owner)
    .map((other) => ({
      owner: other.owner,
      kind: other.kind,
      mode: other.spec.mode,
      ...(other.spec.flag !== undefined && { flag: other.spec.flag }),
    }));
}

/** The networks whose parent it is. */
export function networksOn(context: LookContext, parent: ParentFacts): NetworkRecord[] {
  return withParent(context, parent).filter((other) => sharesParent(context, other, parent));
}

/** Those that may share the parent, without a look at the thousands that are on other ones. */
function withParent({ networks, bootId }: LookContext, { asked, link }: ParentFacts): NetworkRecord[] {
  if (!link) return networks.with("parent", asked);
  const byName = [link.name, ...link.altNames].flatMap((name) => networks.with("parent", name));
  const byIndex = networksAt({ networks, bootId }, link.ifindex);
  return [...new Set([...byName, ...byIndex])];
}

/** Those whose parent had that index when it was last looked at in this boot. */
export function networksAt(
  { networks, bootId }: Pick<LookContext, "networks" | "bootId">,
  ifindex: number,
): NetworkRecord[] {
  return networks.with("parentIndex", indexKey({ bootId, ifindex }));
}

function indexKey({ bootId, ifindex }: Pick<ParentMemory, "bootId" | "ifindex">): string {
  return `${bootId} ${ifindex}`;
}

function sharesParent(context: LookContext, other: NetworkRecord, parent: ParentFacts): boolean {
  const { name, ifindex, bootId } = other.parent;
  if (!parent.link) return name === parent.asked;
  const sameBoot = bootId === context.bootId && ifindex === parent.link.ifindex;
  return sameBoot || name === parent.link.name || parent.link.altNames.includes(name);
}

/** Throws `not_found` for a network that never was or is going. */
export function knownNetwork(context: Context, owner: string): NetworkRecord {
  const network = context.networks.get(owner);
  if (!network || network.state === "removing") throw unknown("network", owner);
  return network;
}

export function unknown(what: "network" | "endpoint", owner: string): UnderlayError {
  return new UnderlayError("not_found", `${what} ${ownerWords(owner)} is not known to Underlay`, {
    inputs: { [what]: owner },
  });
}
