import { UnderlayError } from "../lib/errors.ts";
import { type Cidr, contains, formatCidr, type Ip, parseCidr } from "../lib/ip.ts";
import { ownerWords } from "../lib/owner.ts";
import type { Subnet } from "../lib/request.ts";
import { type EndpointRecord, type NetworkRecord, subnetsOf } from "./records.ts";

/** The subnet that an endpoint's address belongs to: same prefix length, and it contains the address. */
export function subnetFor(network: NetworkRecord, address: Cidr): Subnet {
  const subnet = findSubnet(network, address);
  if (subnet) return subnet;
  const pools = network.subnets.map(({ pool }) => pool).join(", ") || "none";
  throw new UnderlayError(
    "invalid_option",
    `address ${formatCidr(address)} is in no subnet of network ${ownerWords(network.owner)} (it has: ${pools})`,
    { inputs: { network: network.owner, address: formatCidr(address) } },
  );
}

function findSubnet(network: NetworkRecord, address: Cidr): Subnet | undefined {
  return subnetsOf(network).find(({ pool }) => pool.prefix === address.prefix && contains(pool, address.ip));
}

/** The gateway of each address's own subnet; none on an internal network. */
export function gatewaysOf(network: NetworkRecord, record: EndpointRecord): Ip[] {
  if (network.internal) return [];
  return record.addresses.flatMap((text) => {
    const address = parseCidr(text);
    const gateway = address && findSubnet(network, address)?.gateway;
    return gateway ? [gateway] : [];
  });
}
