import { next } from "../ipam/address.ts";
import { UnderlayError } from "../lib/errors.ts";
import type { RouteFacts } from "../lib/facts.ts";
import { type Cidr, formatCidr, networkOf, overlaps } from "../lib/ip.ts";
import { ownerWords } from "../lib/owner.ts";
import type { LinkKind, NetworkRequest, Subnet } from "../lib/request.ts";
import type { LinkSpec, OwnSubnet } from "../links/driver.ts";
import type { Context } from "./context.ts";
import { type NetworkRecord, type SubnetRecord, subnetRecord, subnetsOf } from "./records.ts";

/** What of a network follows from its kind, its options and the other networks, when nobody says it. */

/**
 * The spec with what depends on the other networks. Throws `conflict` when the subnets that the kind has for those who
 * bring none, or the number of its tunnels, are another network's.
 */
export function settledSpec(context: Context, request: NetworkRequest, spec: LinkSpec): LinkSpec {
  const { networks, drivers } = context;
  const isTaken = (parent: string) => networks.with("parent", parent).length > 0;
  requireOwnNumber(context, request, spec);
  if (request.subnets.length === 0) requireFree(context, request, spec);
  return drivers[request.kind].settle(spec, request.owner, isTaken);
}

/** What comes out of a tunnel is known by the number alone. Tunnels have it from the first peer on, and records before. */
function requireOwnNumber({ networks }: Context, { owner }: NetworkRequest, { tunnel }: LinkSpec): void {
  if (tunnel === undefined) return;
  const { vni } = tunnel;
  const holder = networks.list().find((other) => other.owner !== owner && other.spec.tunnel?.vni === vni);
  if (holder === undefined) return;
  throw new UnderlayError(
    "conflict",
    `VNI ${vni} is taken on this host by network ${ownerWords(holder.owner)}; each network needs its own`,
    { inputs: { network: owner, holder: holder.owner, vni } },
  );
}

function requireFree({ networks }: Context, { owner }: NetworkRequest, { ownSubnets = [] }: LinkSpec): void {
  for (const { pool } of subnetsOf({ subnets: ownSubnets.map(ownRecord) })) {
    const holder = networks
      .list()
      .find(
        (other) => other.owner !== owner && subnetsOf(other).some((theirs) => overlaps(theirs.pool, pool)),
      );
    if (holder === undefined) continue;
    throw new UnderlayError(
      "conflict",
      `the subnet for networks that bring none, ${formatCidr(pool)}, is in use by network ${ownerWords(holder.owner)}; ` +
        "give this one a subnet of its own with Docker's IPAM: --subnet",
      { inputs: { network: owner, holder: holder.owner } },
    );
  }
}

/** The subnets of a request, or those that the kind has for who brings none; then endpoints get their addresses here. */
export function addressesOf(
  { subnets }: NetworkRequest,
  { ownSubnets = [], hostIsGateway: isGateway = false }: LinkSpec,
): Pick<NetworkRecord, "subnets" | "allocates"> {
  if (subnets.length > 0 || ownSubnets.length === 0)
    return { subnets: subnets.map((subnet) => subnetRecord(isGateway ? withGateway(subnet) : subnet)) };
  return { subnets: ownSubnets.map(ownRecord), allocates: true };
}

/** Where the host is the gateway there has to be one: the first address, when nobody chose another. */
function withGateway(subnet: Subnet): Subnet {
  return { ...subnet, gateway: subnet.gateway ?? next(networkOf(subnet.pool)) };
}

/**
 * What the host reaches elsewhere it would look for behind its own gateway: the kernel prefers the narrower route, and of
 * two alike the one that came first. A wider one, as of a VPN, only loses what is ours. Throws `conflict`, with a subnet
 * that is free.
 */
export function requireUnrouted(
  { owner, spec, subnets }: NetworkRecord,
  routes: readonly RouteFacts[],
): void {
  if (!spec.hostIsGateway) return;
  for (const { pool } of subnetsOf({ subnets })) {
    const route = routes.find(
      ({ destination }) => overlaps(destination, pool) && destination.prefix >= pool.prefix,
    );
    if (route === undefined) continue;
    const free = freeSubnet(routes.map(({ destination }) => destination));
    throw new UnderlayError(
      "conflict",
      `subnet ${formatCidr(pool)} overlaps ${formatCidr(route.destination)}, which this host reaches through ${route.link}` +
        (free === undefined ? "" : `; ${formatCidr(free)} is free: --subnet ${formatCidr(free)}`),
      { inputs: { network: owner, link: route.link } },
    );
  }
}

/** Of RFC 1918, like the subnet that the old plugin had. */
const SECOND_BYTES = Array.from({ length: 16 }, (_, i) => 16 + i);

function freeSubnet(taken: readonly Cidr[]): Cidr | undefined {
  return SECOND_BYTES.map((second): Cidr => {
    return { ip: { family: 4, bytes: Uint8Array.of(172, second, 40, 0) }, prefix: 24 };
  }).find((candidate) => !taken.some((other) => other.prefix > 0 && overlaps(other, candidate)));
}

function ownRecord({ pool, gateway }: OwnSubnet): SubnetRecord {
  return { pool, ...(gateway !== undefined && { gateway }), aux: {} };
}

/** What cannot be parsed is refused when it is to be made. */
export function hostIsGateway(
  { drivers }: Context,
  kind: LinkKind,
  options: Readonly<Record<string, string>>,
): boolean {
  const parsed = drivers[kind].parse(options, { ipv6: false });
  return "spec" in parsed && parsed.spec.hostIsGateway === true;
}

/** A repeated create is a no-op when it asks for the same; the parent may be called by another of its names. */
export function requireSame(existing: NetworkRecord, request: NetworkRequest): void {
  const asked = {
    kind: request.kind,
    options: request.options,
    subnets: addressesOf(request, existing.spec).subnets,
    internal: request.internal,
    ipv6: request.ipv6,
  };
  const { kind, options, subnets, internal, ipv6 } = existing;
  if (Bun.deepEquals(asked, { kind, options, subnets, internal, ipv6 })) return;
  throw new UnderlayError(
    "conflict",
    `network ${ownerWords(request.owner)} exists already with other options or subnets`,
    {
      inputs: { network: request.owner },
    },
  );
}
