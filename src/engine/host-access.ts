import { asUnderlayError, type Problem, problemsError, UnderlayError } from "../lib/errors.ts";
import { HOST_LINK_GROUP, hostLinkNameOf, isHostLinkName } from "../lib/ifname.ts";
import { type Cidr, contains, type Family, formatIp, type Ip, parseCidr, parseIp } from "../lib/ip.ts";
import { deriveMac } from "../lib/mac.ts";
import type { Peer } from "../links/host-link.ts";
import { aliasOf } from "../links/survey.ts";
import { type Context, endpointsOf } from "./context.ts";
import { type EndpointRecord, type NetworkRecord, subnetsOf } from "./records.ts";

/**
 * The host's own link on the parent of a network: made with its first container, removed with its last. Each network
 * has one of its own, so that several on a parent have nothing to count. Nothing is recorded of it: which containers
 * it is for follows from the records of network and endpoints, which are written before, and a restart makes it so.
 */
export interface HostAccess {
  /** Makes the kernel have what the records ask for. What fails is logged and tried again with the next look. */
  sync(network: string): Promise<void>;
  /** The same for all networks. */
  syncAll(): Promise<void>;
  /** Links of that kind which no record asks for. */
  orphans(): Promise<string[]>;
  /** False when somebody wants it now, or it is gone. */
  removeOrphan(name: string): Promise<boolean>;
  /** Whether a link of that name has to be there. */
  keeps(name: string): boolean;
}

export function hostAccess(context: Context): HostAccess {
  const { networks, hostLinks, queues, step, log } = context;
  const failing = new Map<string, string>();
  const told = new Map<string, string>();

  function sync(owner: string): Promise<void> {
    if (!networks.get(owner)?.spec.hostAccess) return Promise.resolve();
    return queues.run([hostKey(owner)], async () => {
      try {
        await syncNow(owner);
        failing.delete(owner);
      } catch (thrown) {
        tellOfFailure(owner, asUnderlayError(thrown).message);
      }
    });
  }

  function tellOfFailure(network: string, error: string): void {
    if (failing.get(network) !== error) {
      log("warn", "the host does not reach the containers of a network", { network, error });
    }
    failing.set(network, error);
  }

  async function syncNow(owner: string): Promise<void> {
    const network = networks.get(owner);
    if (!network) return;
    const endpoints = served(network);
    if (endpoints.length === 0) return removeNow(network);
    const parent = await context.parents.find(network.spec.parent, network.parent);
    // It is degraded, and that is told.
    if (!parent) return;
    const sources = hostSources(network, await hostLinks.addressesOf(parent.ifindex));
    const peers = endpoints.flatMap((endpoint) => peersOf(endpoint, sources));
    const name = hostLinkNameOf(owner);
    await requireLink(network, name, parent.ifindex);
    const own = sources.filter(({ from }) => from === "host_address").map(({ ip }) => ip);
    const ipv6 = sources.some(({ ip }) => ip.family === 6);
    await hostLinks.configure(name, { addresses: own, ipv6, peers });
    step("host.make.after-routes");
    const [lacking] = lackingFamilies(network, sources);
    if (lacking !== undefined) {
      throw new UnderlayError("conflict", lackingWords(lacking, parent.name), { inputs: { network: owner } });
    }
    tellOfSources(network, name, sources);
  }

  /** One that is there is not touched: every message about a link is an event, and every event a reason to look. */
  async function requireLink(network: NetworkRecord, name: string, parentIfindex: number): Promise<void> {
    const mac = deriveMac(context.store.seed, "host link", network.owner);
    const found = await hostLinks.look(name);
    if (found?.parentIfindex === parentIfindex && found.mac === mac) return;
    step("host.make.before-link");
    await context.drivers[network.kind].create({
      name,
      parentIfindex,
      mac,
      alias: `${aliasOf("host access")} ${network.owner}`,
      group: HOST_LINK_GROUP,
      spec: network.spec,
    });
    step("host.make.after-link");
  }

  /** Once for each choice. */
  function tellOfSources({ owner }: NetworkRecord, link: string, sources: readonly HostSource[]): void {
    const addresses = sources.map(({ ip }) => formatIp(ip)).join(" ");
    if (told.get(owner) === addresses) return;
    told.set(owner, addresses);
    const why = sources.map(({ ip, from }) => `${formatIp(ip)} ${WHY[from]}`).join("; ");
    log("info", "the host reaches the containers of a network", { network: owner, link, addresses, why });
  }

  async function removeNow({ owner }: NetworkRecord): Promise<void> {
    const name = hostLinkNameOf(owner);
    told.delete(owner);
    if (!(await hostLinks.look(name))) return;
    step("host.drop.before-link");
    await hostLinks.remove(name);
    step("host.drop.after-link");
  }

  /** Endpoints that have a link now. */
  function served(network: NetworkRecord): EndpointRecord[] {
    if (network.state !== "active" || !network.spec.hostAccess) return [];
    return endpointsOf(context, network.owner).filter(
      ({ state, bootId }) => state === "provisioned" && bootId === context.bootId,
    );
  }

  function wantedNames(): ReadonlySet<string> {
    const wanting = networks.list().filter((network) => served(network).length > 0);
    return new Set(wanting.map(({ owner }) => hostLinkNameOf(owner)));
  }

  return {
    sync,
    async syncAll() {
      for (const { owner } of networks.list()) await sync(owner);
    },
    async orphans() {
      const wanted = wantedNames();
      return (await hostLinks.list()).filter((name) => !wanted.has(name));
    },
    async removeOrphan(name) {
      return !wantedNames().has(name) && (await hostLinks.remove(name));
    },
    keeps: (name) => isHostLinkName(name) && wantedNames().has(name),
  };
}

function hostKey(network: string): string {
  return `host ${network}`;
}

function peersOf({ addresses, mac }: EndpointRecord, sources: readonly HostSource[]): Peer[] {
  if (mac === undefined) return [];
  return addresses.flatMap((text) => {
    const ip = parseCidr(text)?.ip;
    const source = sources.find((one) => one.ip.family === ip?.family)?.ip;
    return ip && source ? [{ ip, mac, source }] : [];
  });
}

interface HostSource {
  readonly ip: Ip;
  readonly from: "host_address" | "parent";
}

const WHY: Readonly<Record<HostSource["from"], string>> = {
  host_address: "was given as host_address",
  parent: "is the parent's own: it is in the subnet, and only the containers are told the link's MAC for it",
};

/**
 * What the host sends from, in each family that the network has: the address given, else the parent's own where that
 * is in a subnet of the network. IPv6 knows no `arp_filter`: the link would answer the whole LAN for the parent's
 * address, with another MAC, so there it is never the parent's.
 */
function hostSources(
  { spec, subnets }: Pick<NetworkRecord, "spec" | "subnets">,
  ofParent: readonly Cidr[],
): HostSource[] {
  const given = (spec.hostAccess?.addresses ?? []).flatMap((text) => parseIp(text) ?? []);
  const pools = subnetsOf({ subnets }).map(({ pool }) => pool);
  const families = new Set(pools.map(({ ip }) => ip.family));
  return [...families].flatMap((family): HostSource[] => {
    const own = given.find((ip) => ip.family === family);
    if (own) return [{ ip: own, from: "host_address" }];
    const shared = ofParent.find(({ ip }) => pools.some((pool) => contains(pool, ip)) && ip.family === 4);
    return family === 4 && shared ? [{ ip: shared.ip, from: "parent" }] : [];
  });
}

/**
 * Throws `invalid_option` when there is no address by which host and containers could speak, in one of the network's
 * families; or when the one given cannot be it.
 */
export function requireHostAddress(
  context: Pick<Context, "networks">,
  network: NetworkRecord,
  ofParent: readonly Cidr[],
): void {
  const { hostAccess: access, parent } = network.spec;
  if (!access) return;
  const given = access.addresses.flatMap((text) => parseIp(text) ?? []);
  const sources = hostSources(network, ofParent);
  const name = network.parent.name || parent.how;
  const problems = [
    ...lackingFamilies(network, sources).map((family) => ({
      subject: "host_address",
      message: lackingWords(family, name),
    })),
    ...given.flatMap((ip) => givenProblem(context, network, ofParent, ip)),
  ];
  if (problems.length > 0) throw problemsError("invalid_option", problems, { network: network.owner });
}

/** Of the network's families, those in which the host has nothing to speak from. */
function lackingFamilies(network: Pick<NetworkRecord, "subnets">, sources: readonly HostSource[]): Family[] {
  const families = new Set(subnetsOf(network).map(({ pool }) => pool.ip.family));
  return [...families].filter((family) => !sources.some(({ ip }) => ip.family === family));
}

function lackingWords(family: Family, parent: string): string {
  const why =
    family === 4
      ? `parent ${parent} has no address in the network's IPv4 subnet`
      : "the parent's own IPv6 address cannot be shared: the LAN would see two MACs for it";
  return `host_access: ${why}; give the host one of the subnet's that nobody has: -o host_address=IP`;
}

function givenProblem(
  { networks }: Pick<Context, "networks">,
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
    return said(`${text} is the parent's own; leave host_address out to share it, or give another`);
  return [];
}

/** Whether an address that a container asks for is the host's own on that network. */
export function isHostAddress({ spec }: NetworkRecord, { ip }: Cidr): boolean {
  return spec.hostAccess?.addresses.includes(formatIp(ip)) === true;
}
