import type { Assigned, AssignedAddress, AssignedRoute, Attached, ParentWish } from "../lib/attach.ts";
import { type Problem, problemsError } from "../lib/errors.ts";
import { ifnameProblem } from "../lib/ifname.ts";
import { type Cidr, type Family, formatCidr, formatIp } from "../lib/ip.ts";
import { deriveMac, isMulticastMac, isZeroMac, type Mac, parseMac } from "../lib/mac.ts";
import type { PairKey } from "../lib/pair.ts";
import { word } from "../lib/quote.ts";
import type { Kind, LinkReading } from "./kinds.ts";
import type { ExecMessage, TeardownMessage } from "./messages.ts";
import { addressIn, DEFAULT_METRIC, parentOf, settingsOf, waysFor } from "./network.ts";

/** One container's attachment to one network, as podman asks for it, in the engine's words. */

/** An attachment, by whom it is and in which netns. */
export interface Leaving {
  readonly owner: string;
  readonly key: PairKey;
  readonly netns: string;
  readonly parent: ParentWish;
}

export interface Wanted extends Leaving {
  readonly link: LinkReading;
  readonly mac?: Mac | undefined;
  /** Bytes; absent: the parent's. */
  readonly mtu?: number;
  readonly assigned: Assigned;
}

/** Throws `invalid_option` with all that is wrong with the network and with what the container wants of it. */
export function wantedOf(kind: Kind, exec: ExecMessage, netns: string): Wanted {
  const { network, network_options: wanted } = exec;
  const settings = settingsOf(kind, network);
  const { ways, problems } = waysFor(settings, wanted.options);
  const { link, subnets } = settings;
  const owner = ownerOf(exec);
  const mac = macOf(wanted.static_mac, owner, link.mac);
  const given = wanted.static_ips.flatMap((ip) => (ip ? [addressIn(subnets, ip)] : []));
  const found = [
    ...settings.problems,
    ...problems,
    ...nameProblems(exec),
    ...("message" in mac ? [mac] : []),
    ...given.filter((each) => "message" in each),
    ...(given.length === 0 && subnets.length > 0 ? [NO_ADDRESS] : []),
  ];
  if (found.length > 0) throw problemsError("invalid_option", found, { network: network.name });

  const assigned = given.filter((each) => "address" in each);
  const routes = [
    ...(ways.no_default_route === "true" ? [] : defaultRoutes(assigned, link.routesOnLink, ways.metric)),
    ...settings.routes,
  ];
  // A route without a next hop would else get one.
  const addresses = link.routesOnLink ? assigned.map(({ address }) => ({ address })) : assigned;
  return {
    owner,
    key: keyOf(exec),
    netns,
    parent: settings.parent,
    link,
    ...("mac" in mac && { mac: mac.mac }),
    ...(ways.mtu !== undefined && { mtu: ways.mtu }),
    assigned: { addresses, routes },
  };
}

/** What there is to take away; undefined for a name that no link can have, so none has it. */
export function leavingOf(exec: TeardownMessage, netns: string): Leaving | undefined {
  if (ifnameProblem(exec.network_options.interface_name) !== undefined) return undefined;
  return { owner: ownerOf(exec), key: keyOf(exec), netns, parent: parentOf(exec.network) };
}

/** Names of CNI networks have no colon in them. */
function keyOf({ container_id: container, network, network_options: options }: TeardownMessage): PairKey {
  return { network: `netavark:${network.id || network.name}`, container, ifname: options.interface_name };
}

function ownerOf(exec: TeardownMessage): string {
  const { network, container, ifname } = keyOf(exec);
  return `${network}/${container}/${ifname}`;
}

const NO_ADDRESS: Problem = {
  subject: "static_ips",
  message: "podman gave the container no address, though the network has subnets",
};

function nameProblems({
  container_id: id,
  network_options: { interface_name: name },
}: ExecMessage): Problem[] {
  const problem = ifnameProblem(name);
  return [
    ...(problem === undefined ? [] : [{ subject: "interface_name", message: problem }]),
    ...(id === "" ? [{ subject: "container_id", message: "container_id is missing" }] : []),
  ];
}

/** Unless it is told, it stays the same for the life of the container: a LAN remembers whose an address was. */
function macOf(asked: string, owner: string, whose: LinkReading["mac"]): { readonly mac?: Mac } | Problem {
  if (asked === "") return whose === "its own" ? { mac: deriveMac(owner) } : {};
  const problem = (message: string) => ({ subject: "static_mac", message });
  if (whose === "always the parent's")
    return problem(`mac ${word(asked)}: an ipvlan has the MAC address of its parent; macvlan has its own`);
  const mac = parseMac(asked);
  if (mac === undefined) return problem(`${word(asked)} is no MAC address`);
  if (isMulticastMac(mac) || isZeroMac(mac)) return problem(`${mac} is no MAC address that a link may have`);
  return { mac };
}

const EVERYTHING: Readonly<Record<Family, Cidr>> = {
  4: { ip: { family: 4, bytes: new Uint8Array(4) }, prefix: 0 },
  6: { ip: { family: 6, bytes: new Uint8Array(16) }, prefix: 0 },
};

/** One a family: by the first address that has a gateway, or by the link itself where that needs none. */
function defaultRoutes(
  addresses: readonly AssignedAddress[],
  isOnLink: boolean,
  metric = DEFAULT_METRIC,
): AssignedRoute[] {
  return ([4, 6] as const).flatMap((family) => {
    const via = addresses.find(({ gateway }) => gateway?.family === family)?.gateway;
    if (!via) return [];
    return [{ to: EVERYTHING[family], priority: metric, ...(!isOnLink && { via }) }];
  });
}

/** What podman shows and keeps. Source: netavark 1.17, `StatusBlock` of src/network/types.rs. */
export function statusOf(exec: ExecMessage, { mac, assigned }: Omit<Attached, "mtu">): object {
  const { network, network_options: options } = exec;
  const subnets = assigned.addresses.map(({ address, gateway }) => ({
    ...(gateway && { gateway: formatIp(gateway) }),
    ipnet: formatCidr(address),
  }));
  return {
    dns_search_domains: [],
    dns_server_ips: network.network_dns_servers.flatMap((ip) => (ip ? [formatIp(ip)] : [])),
    interfaces: { [options.interface_name]: { ...(mac !== undefined && { mac_address: mac }), subnets } },
  };
}

/** Ports that podman was asked to publish; nobody does for a container that is on the LAN itself. */
export function unpublished({ network, port_mappings: ports }: ExecMessage): string | undefined {
  if (ports.length === 0) return undefined;
  const words = ports
    .slice(0, MOST_PORTS)
    .map(({ host_port: host, container_port: inside, protocol }) => `${host}:${inside}/${protocol || "tcp"}`);
  const more = ports.length > MOST_PORTS ? `, … (${ports.length})` : "";
  return `network ${word(network.name)} publishes no ports (${words.join(", ")}${more}): its containers have addresses on the LAN`;
}

/** As many as one line holds. */
const MOST_PORTS = 5;
