import { type Problem, problemsError } from "../lib/errors.ts";
import {
  type Cidr,
  contains,
  type Family,
  formatCidr,
  formatIp,
  hasHostBits,
  type Ip,
  networkOf,
  parseCidr,
  parseIp,
} from "../lib/ip.ts";
import { quote, word } from "../lib/quote.ts";
import type { LinkKind, NetworkRequest, Subnet } from "../lib/request.ts";
import type { CreateNetwork, IpamData } from "./messages.ts";
import { networkOwner } from "./owners.ts";

/** What an address out of the allocator's range becomes on its way through Go. */
const NO_ADDRESS = "<nil>";

/** Throws `invalid_option` with everything that is wrong with the subnets; options are the engine's to judge. */
export function networkRequest(message: CreateNetwork, kind: LinkKind): NetworkRequest {
  const options = message.Options;
  const problems: Problem[] = [];
  const ipv6 = options["com.docker.network.enable_ipv6"] === true;
  const subnets = [
    ...subnetsOf(4, message.IPv4Data, options["com.docker.network.enable_ipv4"] !== false, problems),
    ...subnetsOf(6, message.IPv6Data, ipv6, problems),
  ];
  const inputs = { network: message.NetworkID };
  if (problems.length > 0) throw problemsError("invalid_option", problems, inputs);
  return {
    owner: networkOwner(message.NetworkID),
    kind,
    options: userOptions(options),
    subnets,
    internal: options["com.docker.network.internal"] === true,
    ipv6,
  };
}

/** What `-o` and `--default-network-opt` gave. */
export function userOptions(options: CreateNetwork["Options"]): Readonly<Record<string, string>> {
  return Object.fromEntries(options["com.docker.network.generic"]);
}

function subnetsOf(family: Family, data: readonly IpamData[], on: boolean, problems: Problem[]): Subnet[] {
  if (on && data.length === 0) problems.push(emptyPool(family));
  return data.flatMap((one) => subnetOf(family, one, problems) ?? []);
}

function subnetOf(family: Family, data: IpamData, problems: Problem[]): Subnet | undefined {
  const pool = parseCidr(data.Pool);
  const everything = pool?.ip.family === family && pool.prefix === 0;
  // The null IPAM says 0.0.0.0/0 or ::/0 for "no addresses at all".
  if (everything && data.AddressSpace === "null") return undefined;
  if (data.Pool === "" || everything) {
    problems.push(emptyPool(family));
    return undefined;
  }
  const problem = poolProblem(family, data.Pool, pool);
  if (problem !== undefined) problems.push({ subject: "subnet", message: problem });
  if (pool === undefined || problem !== undefined) return undefined;
  const gateway =
    data.Gateway === "" ? undefined : addressIn(pool, "gateway", "gateway", data.Gateway, problems);
  const aux = [...data.AuxAddresses].flatMap(([name, given]) => {
    if (given === NO_ADDRESS) return [];
    const ip = addressIn(pool, "aux-address", `aux-address ${word(name)}`, given, problems);
    return ip === undefined ? [] : [[name, ip] as const];
  });
  return { pool, ...(gateway && { gateway }), aux: Object.fromEntries(aux) };
}

function poolProblem(family: Family, given: string, pool: Cidr | undefined): string | undefined {
  if (pool === undefined) return `subnet ${quote(given)} is not an address with a prefix length`;
  if (pool.ip.family !== family)
    return `subnet ${formatCidr(pool)} is IPv${pool.ip.family}, but was given as IPv${family}`;
  if (hasHostBits(pool))
    return `subnet ${formatCidr(pool)} has host bits set, it should be ${formatIp(networkOf(pool))}/${pool.prefix}`;
  return undefined;
}

/** Docker writes gateways and aux addresses as CIDR; the prefix repeats the pool's. Its manual says plain addresses. */
function addressIn(
  pool: Cidr,
  subject: string,
  what: string,
  given: string,
  problems: Problem[],
): Ip | undefined {
  const ip = parseCidr(given)?.ip ?? parseIp(given);
  if (ip && contains(pool, ip)) return ip;
  const message = ip
    ? `${what} ${formatIp(ip)} is not in subnet ${formatCidr(pool)}`
    : `${what} ${quote(given)} is not an address`;
  problems.push({ subject, message });
  return undefined;
}

function emptyPool(family: Family): Problem {
  const otherwise = family === 4 ? ", --ipv4=false or --ipam-driver null" : " or --ipv6=false";
  return { subject: "subnet", message: `ipv${family} pool is empty: give --subnet${otherwise}` };
}
