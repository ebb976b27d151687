import type { HostTrouble } from "../conditions/condition.ts";
import { asUnderlayError } from "../lib/errors.ts";
import { HOST_LINK_GROUP, hostLinkNameOf, isHostLinkName } from "../lib/ifname.ts";
import { formatIp, parseCidr } from "../lib/ip.ts";
import { deriveMac, type Mac } from "../lib/mac.ts";
import type { Peer, WantedHostLink } from "../links/host-link.ts";
import { aliasOf } from "../links/survey.ts";
import { type Context, livingOn } from "./context.ts";
import { type HostSource, hostSources, lackingFamilies, whyLacking } from "./host-sources.ts";
import type { EndpointRecord, NetworkRecord } from "./records.ts";

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

/** `changed`: what is to be told of that network is another than before. */
export function hostAccess(context: Context, changed: (network: string) => void): HostAccess {
  const { networks, hostLinks, queues, sightings, step, log } = context;
  const told = new Map<string, string>();
  /** What each link was last seen to have, as text: when that has changed since, somebody else did it. */
  const seen = new Map<string, string>();

  function sync(owner: string): Promise<void> {
    if (!networks.get(owner)?.spec.hostAccess) return Promise.resolve();
    return queues.run([hostKey(owner)], async () => {
      try {
        tellOfTrouble(owner, await syncNow(owner));
      } catch (thrown) {
        seen.delete(owner);
        tellOfTrouble(owner, { link: hostLinkNameOf(owner), error: asUnderlayError(thrown).message });
      }
    });
  }

  function tellOfTrouble(network: string, trouble: HostTrouble | undefined): void {
    if (Bun.deepEquals(sightings.hostTrouble(network), trouble)) return;
    sightings.troubleHost(network, trouble);
    changed(network);
  }

  /** What of it cannot be, as things are. */
  async function syncNow(owner: string): Promise<HostTrouble | undefined> {
    const network = networks.get(owner);
    if (!network) return undefined;
    const endpoints = served(network);
    if (endpoints.length === 0) {
      await removeNow(network);
      return undefined;
    }
    const parent = await context.parents.find(network.spec.parent, network.parent);
    // It is degraded, and that is told.
    if (!parent) return undefined;
    const sources = hostSources(context, network, await hostLinks.addressesOf(parent.ifindex));
    const name = hostLinkNameOf(owner);
    const made = await requireLink(network, name, parent.ifindex);
    const wanted = wantedOf(endpoints, sources, await neighbourMac(network, name));
    const mended = await hostLinks.configure(name, wanted);
    step("host.make.after-routes");
    tellOfMending(network, name, wanted, made || mended);
    const [lacking] = lackingFamilies(network, sources);
    if (lacking !== undefined) {
      const error = whyLacking(context, network, parent.name, lacking);
      return { link: name, error, remedy: ADDRESS_REMEDY };
    }
    tellOfSources(network, name, sources);
    return undefined;
  }

  /** Whether it had to be made. One that is there is not touched: every message about a link is an event, and every event a reason to look. */
  async function requireLink(network: NetworkRecord, name: string, parentIfindex: number): Promise<boolean> {
    const driver = context.drivers[network.kind];
    const mac = driver.ownMac ? deriveMac(context.store.seed, "host link", network.owner) : undefined;
    const found = await hostLinks.look(name);
    if (found?.parentIfindex === parentIfindex && (mac === undefined || found.mac === mac)) return false;
    step("host.make.before-link");
    await driver.create({
      name,
      parentIfindex,
      ...(mac !== undefined && { mac }),
      alias: `${aliasOf("host access")} ${network.owner}`,
      group: HOST_LINK_GROUP,
      spec: network.spec,
    });
    step("host.make.after-link");
    return true;
  }

  /** Where all links of a parent have its MAC, that of the host's own; of a link that asks for no neighbours, none. */
  async function neighbourMac({ kind, spec }: NetworkRecord, name: string): Promise<Mac | undefined> {
    const { ownMac, routesOnLink } = context.drivers[kind];
    return ownMac || routesOnLink(spec) ? undefined : (await hostLinks.look(name))?.mac;
  }

  /** Once for each choice. */
  function tellOfSources({ owner }: NetworkRecord, link: string, sources: readonly HostSource[]): void {
    const addresses = sources.map(({ ip }) => formatIp(ip)).join(" ");
    if (told.get(owner) === addresses) return;
    told.set(owner, addresses);
    const why = sources.map((source) => `${formatIp(source.ip)} ${source.why}`).join("; ");
    log("info", "the host reaches the containers of a network", { network: owner, link, addresses, why });
  }

  function tellOfMending({ owner }: NetworkRecord, link: string, wanted: WantedHostLink, mended: boolean) {
    const now = JSON.stringify(wanted);
    if (mended && seen.get(owner) === now) {
      log("warn", "somebody changed the host's own link to a network, and it was mended", {
        network: owner,
        link,
      });
    }
    seen.set(owner, now);
  }

  async function removeNow({ owner }: NetworkRecord): Promise<void> {
    const name = hostLinkNameOf(owner);
    told.delete(owner);
    seen.delete(owner);
    if (!(await hostLinks.look(name))) return;
    step("host.drop.before-link");
    await hostLinks.remove(name);
    step("host.drop.after-link");
  }

  /** Endpoints that have a link now. */
  function served(network: NetworkRecord): EndpointRecord[] {
    if (network.state !== "active" || !network.spec.hostAccess) return [];
    return livingOn(context, network.owner);
  }

  function wantedNames(): ReadonlySet<string> {
    const wanting = networks.list().filter((network) => served(network).length > 0);
    return new Set(wanting.map(({ owner }) => hostLinkNameOf(owner)));
  }

  return {
    sync,
    async syncAll() {
      const wanting = networks.list().filter(({ spec }) => spec.hostAccess);
      for (const { owner } of wanting) await sync(owner);
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

const ADDRESS_REMEDY = "give the parent its address again, or make the network anew with -o host_address=IP";

function hostKey(network: string): string {
  return `host ${network}`;
}

function wantedOf(
  endpoints: readonly EndpointRecord[],
  sources: readonly HostSource[],
  macOfAll: Mac | undefined,
): WantedHostLink {
  return {
    addresses: sources.filter(({ from }) => from === "host_address").map(({ ip }) => ip),
    ipv6: sources.some(({ ip }) => ip.family === 6),
    peers: endpoints.flatMap((endpoint) => peersOf(endpoint, sources, macOfAll)),
  };
}

function peersOf(
  { addresses, mac }: EndpointRecord,
  sources: readonly HostSource[],
  macOfAll: Mac | undefined,
): Peer[] {
  const known = mac ?? macOfAll;
  return addresses.flatMap((text) => {
    const ip = parseCidr(text)?.ip;
    const source = sources.find((one) => one.ip.family === ip?.family)?.ip;
    return ip && source ? [{ ip, source, ...(known !== undefined && { mac: known }) }] : [];
  });
}
