import type { AssignedAddress, AssignedRoute, ParentWish } from "../lib/attach.ts";
import type { Problem } from "../lib/errors.ts";
import {
  type Cidr,
  contains,
  formatCidr,
  formatIp,
  hasHostBits,
  type Ip,
  LINK_LOCAL,
  sameIp,
} from "../lib/ip.ts";
import { word } from "../lib/quote.ts";
import { type Kind, type LinkReading, readWays, type Ways } from "./kinds.ts";
import type { NetworkMessage } from "./messages.ts";

/** What a network of podman's means to its containers. Reading it never stops at the first problem. */
export interface NetworkSettings {
  readonly parent: ParentWish;
  readonly link: LinkReading;
  readonly ways: Ways;
  readonly ipv6: boolean;
  readonly subnets: readonly Subnet[];
  /** Routes that the network was given; none of them is a default by itself. */
  readonly routes: readonly AssignedRoute[];
  /** Options that were not given, as they are then. */
  readonly defaults: Readonly<Record<string, string>>;
  readonly problems: readonly Problem[];
}

export interface Subnet {
  readonly pool: Cidr;
  /** Absent: containers get no default route by it. */
  readonly gateway?: Ip;
}

const NO_BRIDGE: Problem = {
  subject: "bridge",
  message: "which bridge? -o bridge=NAME of one that is there",
};

/** What netavark gives its own routes, unless it is told. */
export const DEFAULT_METRIC = 100;

/** The link of the default route. It is found at `create`, and then has a name. */
const AUTO = "auto";

/** A network of one kind has but its own. */
const PARENT_OPTIONS = ["parent", "host_iface", "bridge", "com.docker.network.bridge.name"];

/** As with netavark's own drivers, without a name it is the link of the default route. */
export function parentOf({
  options,
  network_interface: recorded,
}: Pick<NetworkMessage, "options" | "network_interface">): ParentWish {
  const asked = PARENT_OPTIONS.map((name) => options.get(name)).find((name) => name !== undefined) ?? AUTO;
  const name = asked === AUTO || asked === "" ? recorded : asked;
  return { inside: false, makesVlans: true, ...(name !== "" && { name }) };
}

export function settingsOf(kind: Kind, network: NetworkMessage): NetworkSettings {
  const subnets = network.subnets.flatMap(({ subnet, gateway }): Subnet[] =>
    subnet ? [{ pool: subnet, ...(gateway && network.internal !== true && { gateway }) }] : [],
  );
  const ipv6 = subnets.some(({ pool }) => pool.ip.family === 6);
  const {
    parent = AUTO,
    link,
    defaults,
    problems,
    ...ways
  } = kind.read(Object.fromEntries(network.options), {
    ipv6,
  });
  return {
    parent: parentOf(network),
    link,
    defaults,
    ways,
    ipv6,
    subnets,
    routes: network.routes.flatMap(({ destination, gateway, metric }) =>
      destination
        ? [{ to: destination, priority: metric ?? DEFAULT_METRIC, ...(gateway && { via: gateway }) }]
        : [],
    ),
    problems: [
      ...problems,
      ...(link.on === "bridge" && parentOf(network).name === undefined ? [NO_BRIDGE] : []),
      ...parentProblems(parent, network.network_interface),
      ...ipamProblems(network),
      ...network.subnets.flatMap(subnetProblems),
      ...network.routes.flatMap((route, index) => routeProblems(route, index, subnets)),
    ],
  };
}

function parentProblems(parent: string, networkInterface: string): Problem[] {
  if (["", AUTO, networkInterface].includes(parent) || networkInterface === "") return [];
  const message = `parent=${word(parent)} and network_interface ${word(networkInterface)} name different links; give one of them`;
  return [{ subject: "parent", message }];
}

/** Podman chooses the addresses; a network without any is fine, one whose addresses nobody chooses is not. */
const IPAM_DRIVERS = ["", "host-local", "none"];

function ipamProblems({ ipam_options: options }: NetworkMessage): Problem[] {
  const driver = options.get("driver") ?? "";
  if (IPAM_DRIVERS.includes(driver)) return [];
  const message = `IPAM driver ${word(driver)}: on this driver podman chooses the addresses (host-local), or nobody (none)`;
  return [{ subject: "ipam_options", message }];
}

/** Podman takes it without a word, and its containers get no addresses. */
export function noSubnetProblems({ subnets, ipam_options: options }: NetworkMessage): Problem[] {
  if (subnets.length > 0 || options.get("driver") === "none") return [];
  const message =
    "the network has no subnet: give it one (--subnet, with --gateway and --ip-range), or --ipam-driver=none for links without addresses";
  return [{ subject: "subnets", message }];
}

function subnetProblems({ subnet, gateway }: NetworkMessage["subnets"][number], index: number): Problem[] {
  const subject = `subnets[${index}]`;
  if (!subnet) return [{ subject, message: `${subject} has no subnet` }];
  const words = formatCidr(subnet);
  if (hasHostBits(subnet))
    return [{ subject, message: `subnet ${words} has host bits; it must be the address of a network` }];
  if (gateway && !contains(subnet, gateway))
    return [{ subject, message: `gateway ${formatIp(gateway)} is not in subnet ${words}` }];
  return [];
}

function routeProblems(
  { destination, gateway, route_type: type }: NetworkMessage["routes"][number],
  index: number,
  subnets: readonly Subnet[],
): Problem[] {
  const subject = `routes[${index}]`;
  if (type !== "" && type !== "unicast")
    return [
      { subject, message: `${subject}: this driver makes routes of type unicast only, not ${word(type)}` },
    ];
  if (!destination) return [{ subject, message: `${subject} has no destination` }];
  if (!gateway) return [{ subject, message: `${subject} to ${formatCidr(destination)} has no gateway` }];
  if (gateway.family !== destination.ip.family) {
    const message = `route to ${formatCidr(destination)} via ${formatIp(gateway)} mixes IPv4 and IPv6`;
    return [{ subject, message }];
  }
  if ([...subnets.map(({ pool }) => pool), LINK_LOCAL].some((pool) => contains(pool, gateway))) return [];
  const message = `route to ${formatCidr(destination)}: its gateway ${formatIp(gateway)} is in no subnet of the network`;
  return [{ subject, message }];
}

/** The subnet's prefix with one of its addresses; a problem for what is in none, or is the gateway's. */
export function addressIn(subnets: readonly Subnet[], ip: Ip): AssignedAddress | Problem {
  const subnet = subnets.find(({ pool }) => contains(pool, ip));
  const subject = "static_ips";
  if (!subnet) {
    const pools = subnets.map(({ pool }) => formatCidr(pool)).join(", ") || "none";
    return { subject, message: `address ${formatIp(ip)} is in no subnet of the network (it has: ${pools})` };
  }
  const { pool, gateway } = subnet;
  if (gateway && sameIp(gateway, ip))
    return { subject, message: `address ${formatIp(ip)} is that of the gateway of ${formatCidr(pool)}` };
  return { address: { ip, prefix: pool.prefix }, ...(gateway && { gateway }) };
}

/** What a container says itself wins over its network. */
export function waysFor(
  { ways, ipv6 }: NetworkSettings,
  options: ReadonlyMap<string, string>,
): { readonly ways: Ways; readonly problems: readonly Problem[] } {
  const own = readWays(Object.fromEntries(options), { ipv6 });
  return { ways: { ...ways, ...own.ways }, problems: own.problems };
}
