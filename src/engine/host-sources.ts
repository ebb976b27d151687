import { type Problem, problemsError } from "../lib/errors.ts";
import { type Cidr, contains, type Family, formatIp, type Ip, LINK_LOCAL, parseIp } from "../lib/ip.ts";
import type { Context } from "./context.ts";
import { type NetworkRecord, subnetsOf } from "./records.ts";

/** Which addresses the host speaks from to the containers of a network, by its own link beside theirs. */

type SourceContext = Pick<Context, "networks" | "drivers">;
type Addressed = Pick<NetworkRecord, "kind" | "spec" | "subnets">;

export interface HostSource {
  readonly ip: Ip;
  readonly from: "host_address" | "parent";
  /** Why it was chosen, after the address. */
  readonly why: string;
}

/** What is the host's in each family that the network has: the address given, else the parent's own where that is safe. */
export function hostSources(
  context: SourceContext,
  network: Addressed,
  ofParent: readonly Cidr[],
): HostSource[] {
  const given = givenOf(network);
  return familiesOf(network).flatMap((family): HostSource[] => {
    const own = given.find((ip) => ip.family === family);
    if (own) return [{ ip: own, from: "host_address", why: "was given as host_address" }];
    return sharedSource(context, network, ofParent, family);
  });
}

function sharedSource(
  { drivers }: SourceContext,
  { kind, spec, subnets }: Addressed,
  ofParent: readonly Cidr[],
  family: Family,
): HostSource[] {
  const sharing = drivers[kind].sharesAddress(spec, family);
  if ("never" in sharing) return [];
  const pools = subnetsOf({ subnets }).map(({ pool }) => pool);
  const isUsable = (ip: Ip) =>
    ip.family === family &&
    !contains(LINK_LOCAL, ip) &&
    (sharing.of === "anywhere" || pools.some((pool) => contains(pool, ip)));
  const shared = ofParent.find(({ ip }) => isUsable(ip));
  return shared ? [{ ip: shared.ip, from: "parent", why: sharing.why }] : [];
}

/** Of the network's families, those in which the host has nothing to speak from. */
export function lackingFamilies(network: Addressed, sources: readonly HostSource[]): Family[] {
  return familiesOf(network).filter((family) => !sources.some(({ ip }) => ip.family === family));
}

export function whyLacking(
  { drivers }: SourceContext,
  { kind, spec }: Addressed,
  parent: string,
  family: Family,
): string {
  const sharing = drivers[kind].sharesAddress(spec, family);
  const where = "of" in sharing && sharing.of === "subnet" ? ` in the network's IPv${family} subnet` : "";
  const what = where === "" ? `IPv${family} address` : "address";
  return "never" in sharing ? sharing.never : `parent ${parent} has no ${what}${where}`;
}

/**
 * Throws `invalid_option` when there is no address by which host and containers could speak, in one of the network's
 * families; or when the one given cannot be it.
 */
export function requireHostAddress(
  context: SourceContext,
  network: NetworkRecord,
  ofParent: readonly Cidr[],
): void {
  const { hostAccess: access, parent } = network.spec;
  if (!access) return;
  const sources = hostSources(context, network, ofParent);
  const name = network.parent.name || parent.how;
  const problems = [
    ...lackingFamilies(network, sources).map((family) => ({
      subject: "host_address",
      message: `host_access: ${whyLacking(context, network, name, family)}; ${GIVE_ONE}`,
    })),
    ...givenOf(network).flatMap((ip) => givenProblem(context, network, ofParent, ip)),
  ];
  if (problems.length > 0) throw problemsError("invalid_option", problems, { network: network.owner });
}

const GIVE_ONE = "give the host one of the subnet's that nobody has: -o host_address=IP";

function givenOf({ spec }: Addressed): Ip[] {
  return (spec.hostAccess?.addresses ?? []).flatMap((text) => parseIp(text) ?? []);
}

function familiesOf(network: Addressed): Family[] {
  return [...new Set(subnetsOf(network).map(({ pool }) => pool.ip.family))];
}

function givenProblem(
  { networks, drivers }: SourceContext,
  network: NetworkRecord,
  ofParent: readonly Cidr[],
  ip: Ip,
): Problem[] {
  const text = formatIp(ip);
  const subnet = subnetsOf(network).find(({ pool }) => contains(pool, ip));
  const holder = networks
    .list()
    .find(({ owner, spec }) => owner !== network.owner && spec.hostAccess?.addresses.includes(text));
  const said = (message: string) => [{ subject: "host_address", message: `host_address: ${message}` }];
  if (!subnet) return said(`${text} is in no subnet of the network`);
  if (subnet.gateway && formatIp(subnet.gateway) === text) return said(`${text} is the gateway's`);
  if (holder) return said(`${text} is that of another network already`);
  if (ofParent.some((cidr) => formatIp(cidr.ip) === text))
    return said(
      "never" in drivers[network.kind].sharesAddress(network.spec, ip.family)
        ? `${text} is the parent's own; give one that nobody has`
        : `${text} is the parent's own; leave host_address out to share it, or give another`,
    );
  return [];
}

/** Whether an address that a container asks for is the host's own on that network. */
export function isHostAddress({ spec }: NetworkRecord, { ip }: Cidr): boolean {
  return spec.hostAccess?.addresses.includes(formatIp(ip)) === true;
}
