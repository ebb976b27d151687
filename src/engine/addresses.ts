import { UnderlayError } from "../lib/errors.ts";
import { type Cidr, contains, type Family, formatCidr, type Ip, parseCidr } from "../lib/ip.ts";
import { ownerWords } from "../lib/owner.ts";
import type { Attachment, Subnet } from "../lib/request.ts";
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

/** `0.0.0.0/0` and `::/0`. */
const EVERYTHING: Readonly<Record<Family, Cidr>> = {
  4: { ip: { family: 4, bytes: new Uint8Array(4) }, prefix: 0 },
  6: { ip: { family: 6, bytes: new Uint8Array(16) }, prefix: 0 },
};

/**
 * Where packets to elsewhere go: to the gateway of each address's own subnet, or by the link itself, which then needs
 * none. On an internal network, and on a dummy, behind which there is nothing, nowhere but to the network's other subnets
 * where links route between them.
 */
export function waysOut(
  network: NetworkRecord,
  record: EndpointRecord,
  routesOnLink: boolean,
): Pick<Attachment, "gateways" | "onLink"> {
  const isInside = network.internal || network.spec.parent.how === "dummy";
  if (!routesOnLink) return { gateways: isInside ? [] : gatewaysOf(network, record), onLink: [] };
  const addresses = record.addresses.flatMap((text) => parseCidr(text) ?? []);
  const families = [...new Set(addresses.map(({ ip }) => ip.family))];
  const onLink = families.flatMap((family) =>
    isInside ? otherSubnets(network, addresses, family) : [EVERYTHING[family]],
  );
  return { gateways: [], onLink };
}

function otherSubnets(network: NetworkRecord, addresses: readonly Cidr[], family: Family): Cidr[] {
  return subnetsOf(network)
    .map(({ pool }) => pool)
    .filter((pool) => pool.ip.family === family && !addresses.some(({ ip }) => contains(pool, ip)));
}

function gatewaysOf(network: NetworkRecord, record: EndpointRecord): Ip[] {
  return record.addresses.flatMap((text) => {
    const address = parseCidr(text);
    const gateway = address && findSubnet(network, address)?.gateway;
    return gateway ? [gateway] : [];
  });
}
