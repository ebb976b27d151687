import { findCandidate } from "../ipam/allocate.ts";
import { parseRange, type Range } from "../ipam/range.ts";
import { UnderlayError } from "../lib/errors.ts";
import { type Cidr, formatCidr, formatIp, parseCidr, sameIp } from "../lib/ip.ts";
import { ownerWords } from "../lib/owner.ts";
import { type Context, endpointsOf } from "./context.ts";
import { type EndpointRecord, type NetworkRecord, type SubnetRecord, subnetsOf } from "./records.ts";

/**
 * An address of each subnet of a network that has no allocator but us, for one more endpoint: none that an endpoint's
 * record has, the gateway's and the user's own left out. What was given back last comes last. Throws `conflict` when a
 * subnet has none left. It is the endpoint's as soon as its record is written.
 */
export function nextAddresses(context: Context, network: NetworkRecord): Cidr[] {
  const addresses = chosen(context, network);
  context.log("info", "address allocated", {
    network: network.owner,
    address: addresses.map(formatCidr).join(" "),
  });
  return addresses;
}

function chosen(context: Context, network: NetworkRecord): Cidr[] {
  const endpoints = endpointsOf(context, network.owner).toSorted((a, b) =>
    a.createdAt < b.createdAt ? -1 : 1,
  );
  return network.subnets.map((subnet) => nextIn(network, subnet, endpoints));
}

function nextIn(network: NetworkRecord, subnet: SubnetRecord, endpoints: readonly EndpointRecord[]): Cidr {
  const range = rangeOf(subnet);
  const taken = endpoints.flatMap(({ addresses }) =>
    addresses.flatMap((text) => {
      const address = parseCidr(text);
      return address?.ip.family === range.start.family ? [address.ip] : [];
    }),
  );
  const kept = subnetsOf(network).flatMap(({ aux }) => Object.values(aux));
  const names = new Set([...taken, ...kept].map(formatIp));
  const found = findCandidate([range], taken.at(-1), ({ ip }) => !names.has(formatIp(ip)));
  if (found) return { ip: found.ip, prefix: range.subnet.prefix };
  throw new UnderlayError(
    "conflict",
    `subnet ${formatCidr(range.subnet)} of network ${ownerWords(network.owner)} has no address left`,
    { inputs: { network: network.owner } },
  );
}

function rangeOf({ pool, gateway }: SubnetRecord): Range {
  const range = parseRange({ subnet: pool, rangeStart: "", rangeEnd: "", gateway: gateway ?? "" });
  if (gateway !== undefined) return range;
  // Without a gateway the first address is an ordinary one.
  const none = { family: range.start.family, bytes: new Uint8Array(range.start.bytes.length) };
  return { ...range, gateway: sameIp(range.gateway, range.start) ? none : range.gateway };
}
