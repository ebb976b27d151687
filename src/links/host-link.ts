import { UnderlayError } from "../lib/errors.ts";
import { HOST_LINK_GROUP, isHostLinkName } from "../lib/ifname.ts";
import { type Cidr, formatCidr, formatIp, type Ip } from "../lib/ip.ts";
import type { Mac } from "../lib/mac.ts";
import { addAddressRequest, deleteAddressRequest, IFA_F, listAddresses } from "../netlink/address.ts";
import type { Conversation } from "../netlink/conversation.ts";
import { GONE, isErrno, type Request } from "../netlink/failure.ts";
import { deleteLinkRequest, getLink, isUp, listLinks, setLinkRequest } from "../netlink/link.ts";
import { deleteNeighbourRequest, listNeighbours, NUD, setNeighbourRequest } from "../netlink/neighbour.ts";
import {
  addRouteRequest,
  deleteRouteRequest,
  listRoutes,
  type NewRoute,
  type Route,
  RTPROT_STATIC,
} from "../netlink/route.ts";

/**
 * The host's own links beside those of its containers, by which they reach each other: the kernel passes no frame
 * between a macvlan or ipvlan and the addresses of its parent. Whom they serve is decided by records, not here.
 */
export interface HostLinks {
  /**
   * Makes a link that is there, by its name, have what is wanted and no more, and brings it up. Tells whether anything
   * had to be changed. Throws `kernel`, `permission`; a link that is not safe yet stays down.
   */
  configure(name: string, wanted: WantedHostLink): Promise<boolean>;
  /** The link of that name, as far as it matters whether it is the right one. */
  look(name: string): Promise<FoundHostLink | undefined>;
  /** False when there was none. Returns when the kernel has let it go. Throws `kernel`. */
  remove(name: string): Promise<boolean>;
  /** Names of all such links. */
  list(): Promise<string[]>;
  /** Addresses of a link. */
  addressesOf(ifindex: number): Promise<Cidr[]>;
}

export interface FoundHostLink {
  /** Absent when the parent is in another netns. */
  readonly parentIfindex?: number;
  readonly mac?: Mac;
}

export interface WantedHostLink {
  /** The link's own. Without one of a family, packets are from an address that the host has elsewhere. */
  readonly addresses: readonly Ip[];
  readonly ipv6: boolean;
  readonly peers: readonly Peer[];
}

/** A container as the host sends to it. */
export interface Peer {
  readonly ip: Ip;
  /** Absent on a link that asks for no neighbours. */
  readonly mac?: Mac;
  /** What the host sends from. */
  readonly source: Ip;
}

/** Writes `/proc/sys/net/…` of the netns that the links are in, or throws; what a kernel without IPv6 lacks is left out. */
export type WriteSysctl = (path: string, value: string) => void;

/**
 * `Documentation/networking/ip-sysctl.rst`. An address that the parent has, too, must be told to nobody but the
 * containers: `arp_filter` answers only who is reached through this link, and `rp_filter` hears only those.
 */
const IPV4 = { arp_filter: "1", arp_notify: "0", rp_filter: "1" } as const;

/** No addresses and no routes from routers: those are the parent's. */
const IPV6 = {
  true: { accept_ra: "0", autoconf: "0", addr_gen_mode: "1", accept_dad: "0", disable_ipv6: "0" },
  false: { disable_ipv6: "1" },
} as const;

/** `deletes`: a conversation that may wait for the kernel's grace periods. */
export function hostLinks(
  requests: Conversation,
  deletes: Conversation,
  writeSysctl: WriteSysctl,
): HostLinks {
  async function configure(name: string, wanted: WantedHostLink): Promise<boolean> {
    const link = await getLink(requests, { name });
    if (!link) return false;
    for (const [key, value] of Object.entries(IPV4)) writeSysctl(`ipv4/conf/${name}/${key}`, value);
    for (const [key, value] of Object.entries(IPV6[`${wanted.ipv6}`])) {
      writeSysctl(`ipv6/conf/${name}/${key}`, value);
    }
    const ifindex = link.header.index;
    const wasUp = isUp(link);
    if (!wasUp) await requests.request(setLinkRequest({ ifindex }, { up: true }));
    // In this order: a route needs its source, and the first packet needs its neighbour.
    const changed = [
      await carryOut(await addressChanges(ifindex, wanted)),
      await carryOut(await neighbourChanges(ifindex, wanted)),
      await carryOut(await routeChanges(ifindex, wanted)),
    ];
    return !wasUp || changed.some(Boolean);
  }

  async function carryOut(changes: readonly Request[]): Promise<boolean> {
    if (changes.length === 0) return false;
    const outcomes = await requests.settle(changes);
    const at = outcomes.findIndex((outcome) => !outcome.ok && !isErrno(outcome.error, ...GONE));
    const failed = outcomes[at];
    if (failed && !failed.ok) throw inWords(changes[at], failed.error);
    return true;
  }

  async function addressChanges(ifindex: number, { addresses }: WantedHostLink): Promise<Request[]> {
    const found = await addressesOf(ifindex);
    const wanted = addresses.map(hostRoute);
    const flags = (ip: Ip) => (ip.family === 6 ? IFA_F.IFA_F_NODAD | IFA_F.IFA_F_NOPREFIXROUTE : 0);
    return [
      ...lacking(found, wanted, formatCidr).map((cidr) => deleteAddressRequest(ifindex, cidr)),
      ...lacking(wanted, found, formatCidr).map((cidr) => ({
        ...addAddressRequest(ifindex, cidr, flags(cidr.ip)),
        what: `address ${formatIp(cidr.ip)}`,
      })),
    ];
  }

  async function neighbourChanges(ifindex: number, { peers }: WantedHostLink): Promise<Request[]> {
    const all = [...(await listNeighbours(requests, 4)), ...(await listNeighbours(requests, 6))];
    const found = all.flatMap(({ header, attrs: { destination: ip, linkAddress } }) => {
      const isOurs = header.ifindex === ifindex && (header.state & NUD.NUD_PERMANENT) !== 0;
      return isOurs && ip && typeof linkAddress === "string" ? [{ ip, mac: linkAddress }] : [];
    });
    const key = ({ ip, mac }: { readonly ip: Ip; readonly mac: string }) => `${formatIp(ip)} ${mac}`;
    const known = peers.flatMap(({ ip, mac }) => (mac === undefined ? [] : [{ ip, mac }]));
    const wanted = new Set(known.map(({ ip }) => formatIp(ip)));
    return [
      ...found
        .filter(({ ip }) => !wanted.has(formatIp(ip)))
        .map(({ ip }) => deleteNeighbourRequest(ifindex, ip)),
      ...lacking(known, found, key).map(({ ip, mac }) => setNeighbourRequest(ifindex, ip, mac)),
    ];
  }

  async function routeChanges(ifindex: number, { peers }: WantedHostLink): Promise<Request[]> {
    const all = [...(await listRoutes(requests, 4)), ...(await listRoutes(requests, 6))];
    const found = all.flatMap((route) => routeOf(route, ifindex));
    const wanted = peers.map(({ ip, source }) => ({ destination: hostRoute(ip), ifindex, source }));
    const key = ({ destination, source }: NewRoute) =>
      `${formatCidr(destination)} ${source ? formatIp(source) : ""}`;
    return [
      ...lacking(found, wanted, key).map(deleteRouteRequest),
      ...lacking(wanted, found, key).map((route) => ({
        ...addRouteRequest(route),
        what: `a route to ${formatIp(route.destination.ip)}`,
      })),
    ];
  }

  async function addressesOf(ifindex: number): Promise<Cidr[]> {
    const all = await listAddresses(requests, ifindex);
    return all.filter((address) => address.ifindex === ifindex).map(({ cidr }) => cidr);
  }

  return {
    configure,
    addressesOf,
    async look(name) {
      const { link, linkNetnsid, address } = (await getLink(requests, { name }))?.attrs ?? {};
      if (address === undefined) return undefined;
      return {
        ...(link !== undefined && linkNetnsid === undefined && { parentIfindex: link }),
        ...(typeof address === "string" && { mac: address }),
      };
    },
    async remove(name) {
      const [outcome] = await deletes.settle([deleteLinkRequest({ name })]);
      if (!outcome || outcome.ok) return true;
      if (isErrno(outcome.error, ...GONE)) return false;
      throw outcome.error;
    },
    async list() {
      const links = await listLinks(requests, { only: ["name"], inGroup: HOST_LINK_GROUP });
      return links.map(({ attrs }) => attrs.name ?? "").filter(isHostLinkName);
    },
  };
}

/** EEXIST: somebody else's, which is not ours to replace. */
function inWords(request: Request | undefined, error: UnderlayError): UnderlayError {
  if (!request || !isErrno(error, "EEXIST")) return error;
  return new UnderlayError("conflict", `${request.what} is there already, by another link`, { cause: error });
}

function hostRoute(ip: Ip): Cidr {
  return { ip, prefix: ip.bytes.length * 8 };
}

/** A route that we, or a person, put on the link; not what the kernel makes by itself. */
function routeOf({ header, attrs }: Route, ifindex: number): NewRoute[] {
  const { destination: ip, oif, prefsrc, gateway, priority } = attrs;
  if (oif !== ifindex || header.protocol !== RTPROT_STATIC || !ip) return [];
  return [
    {
      destination: { ip, prefix: header.dst_len },
      ifindex,
      ...(prefsrc && { source: prefsrc }),
      ...(gateway && { gateway }),
      ...(priority !== undefined && { priority }),
    },
  ];
}

/** What of the one is not in the other. */
function lacking<One extends Other, Other>(
  one: readonly One[],
  other: readonly Other[],
  key: (item: Other) => string,
): One[] {
  const there = new Set(other.map(key));
  return one.filter((item) => !there.has(key(item)));
}
