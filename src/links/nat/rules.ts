import { concatBytes } from "../../lib/bytes.ts";
import { type Cidr, type Family, formatCidr, type Ip, isUnspecified, parseCidr } from "../../lib/ip.ts";
import { ADDRESS_TYPE, joined, type NftElement, type NftMap } from "../../netlink/nft-map.ts";
import {
  accept,
  byLink,
  established,
  from,
  masquerade,
  to,
  toLocal,
  translateBy,
  translated,
} from "../../netlink/nft-nat.ts";
import { drop, type Expressions, jumpTo, ofFamily, returns } from "../../netlink/nft-rule.ts";
import type { Hook, NftTable } from "../../netlink/nftables.ts";

/**
 * What networks behind a gateway of the host's want of nftables, as one table of ours. It is a pure function of the
 * networks: who applies it compares and replaces, and keeps no account of single rules.
 */

/** A network whose gateway is an address of the host, on a link that it has for itself. */
export interface NatNetwork {
  /** Names it in comments. */
  readonly id: string;
  /** The link that has the gateway's addresses, and by which its endpoints are reached. */
  readonly bridge: string;
  /** Of both families, with or without host bits. */
  readonly subnets: readonly Cidr[];
  /** Nothing of it leaves, and nothing comes in: it is neither masqueraded nor published. Its bridge has no other network. */
  readonly internal?: boolean;
  readonly ports: readonly PublishedPort[];
}

/** `<linux/in.h>` */
export const IP_PROTOCOL = { tcp: 6, udp: 17, sctp: 132 } as const;
export type Protocol = keyof typeof IP_PROTOCOL;

/** One port of the host that leads to one of an endpoint. A range is as many of them. */
export interface PublishedPort {
  readonly protocol: Protocol;
  /** Absent or unspecified (`0.0.0.0`, `::`): every address of the host's, of the endpoint's family. */
  readonly hostAddress?: Ip;
  readonly hostPort: number;
  /** Of the same family as the host's address. */
  readonly containerAddress: Ip;
  readonly containerPort: number;
}

export interface WantedChain {
  readonly chain: string;
  readonly at?: Hook;
}

export interface WantedRule {
  readonly chain: string;
  readonly expressions: Expressions;
  /** What it is there for, in the words of whoever reads `nft list ruleset`. */
  readonly comment: string;
}

export interface WantedMap {
  readonly map: NftMap;
  readonly elements: readonly (NftElement & { readonly comment: string })[];
}

export interface WantedTable {
  readonly chains: readonly WantedChain[];
  readonly maps: readonly WantedMap[];
  readonly rules: readonly WantedRule[];
}

export const TABLE: NftTable = { family: "inet", table: "underlay_nat" };

/** Hooks of `<linux/netfilter.h>` with the priorities that nft calls raw, dstnat, filter and srcnat. */
const CHAINS: readonly WantedChain[] = [
  { chain: "published" },
  { chain: "guard", at: { type: "filter", hook: 0, priority: -300 } },
  { chain: "prerouting", at: { type: "nat", hook: 0, priority: -100 } },
  { chain: "output", at: { type: "nat", hook: 3, priority: -100 } },
  { chain: "forward", at: { type: "filter", hook: 2, priority: 0 } },
  { chain: "postrouting", at: { type: "nat", hook: 4, priority: 100 } },
];

/** Ports of one address of the host's are asked for before those of all. */
const MAPS = {
  hosted4: { id: 1, family: 4, withAddress: true },
  hosted6: { id: 2, family: 6, withAddress: true },
  any4: { id: 3, family: 4, withAddress: false },
  any6: { id: 4, family: 6, withAddress: false },
} as const;
type MapName = keyof typeof MAPS;
const MAP_NAMES: readonly MapName[] = ["hosted4", "hosted6", "any4", "any6"];

const net = (text: string): Cidr => {
  const parsed = parseCidr(text);
  if (!parsed) throw new TypeError(text);
  return parsed;
};
const MULTICAST = { 4: net("224.0.0.0/4"), 6: net("ff00::/8") } as const;
export const LOOPBACK = { 4: net("127.0.0.0/8"), 6: net("::1/128") } as const;

/** The table for these networks; none for none. */
export function wantedTable(networks: readonly NatNetwork[]): WantedTable | undefined {
  if (networks.length === 0) return undefined;
  const open = networks.filter(({ internal }) => !internal);
  return {
    chains: CHAINS,
    maps: MAP_NAMES.map((name) => ({
      map: mapOf(name),
      elements: open.flatMap((network) => elementsOf(name, network)),
    })),
    rules: [
      ...PUBLISHED,
      ...open.flatMap(guardRules),
      ...networks.flatMap((network) => (network.internal ? internalRules(network) : forwardRules(network))),
      ...open.flatMap(sourceRules),
    ],
  };
}

function mapOf(name: MapName): NftMap {
  const { id, family, withAddress } = MAPS[name];
  const address = ADDRESS_TYPE[family];
  return {
    ...TABLE,
    map: name,
    id,
    key: [...(withAddress ? [address] : []), "inet_proto", "inet_service"],
    data: [address, "inet_service"],
  };
}

function elementsOf(name: MapName, { id, ports }: NatNetwork): (NftElement & { readonly comment: string })[] {
  return ports
    .filter((port) => mapFor(port) === name)
    .map(({ protocol, hostAddress, hostPort, containerAddress, containerPort }) => ({
      key: joined([
        ...(hostAddress && MAPS[name].withAddress ? [hostAddress.bytes] : []),
        Uint8Array.of(IP_PROTOCOL[protocol]),
        portBytes(hostPort),
      ]),
      data: joined([containerAddress.bytes, portBytes(containerPort)]),
      comment: shortId(id),
    }));
}

function mapFor({ hostAddress, containerAddress: { family } }: PublishedPort): MapName | undefined {
  if (hostAddress === undefined || isUnspecified(hostAddress)) return `any${family}`;
  return hostAddress.family === family ? `hosted${family}` : undefined;
}

function portBytes(port: number): Uint8Array {
  return Uint8Array.of(port >> 8, port & 0xff);
}

/**
 * Asked for what comes to the host and for what the host itself sends. What comes from another machine for a loopback
 * address is not ours to lead on: a port published there is for this host alone.
 */
const PUBLISHED: readonly WantedRule[] = [
  ...MAP_NAMES.map((name) => {
    const { family, withAddress } = MAPS[name];
    const [what, test] = withAddress ? ["one address", ofFamily({ family })] : ["all addresses", toLocal()];
    return rule("published", `ports of ${what}, IPv${family}`, [
      test,
      translateBy(mapOf(name), family, withAddress),
    ]);
  }),
  rule("prerouting", "loopback is this host's own", [
    byLink("in", "lo", "isNot"),
    ofFamily({ family: 4 }),
    to(LOOPBACK[4]),
    returns(),
  ]),
  rule("prerouting", "from others", [jumpTo("published")]),
  // No kernel takes an answer to ::1 from a link: refused at once is better than asked in vain.
  rule("output", "no way back to ::1", [ofFamily({ family: 6 }), to(LOOPBACK[6]), returns()]),
  rule("output", "from this host", [jumpTo("published")]),
];

/**
 * `route_localnet` lets replies to 127.0.0.1 come in by the bridge. It would let an endpoint reach what listens on the
 * host's loopback only, too (CVE-2020-8558): before connections are tracked no packet of theirs has such an address.
 */
function guardRules({ id, bridge, subnets }: NatNetwork): WantedRule[] {
  if (!familiesOf(subnets).includes(4)) return [];
  const isHere = [byLink("in", bridge), ofFamily({ family: 4 })];
  return [
    rule("guard", `${shortId(id)}: no way to the host's loopback`, [...isHere, to(LOOPBACK[4]), drop()]),
    rule("guard", `${shortId(id)}: nobody is the host's loopback`, [...isHere, from(LOOPBACK[4]), drop()]),
  ];
}

/**
 * An endpoint is reached from elsewhere by its published ports alone, as with Docker's own bridges from 28 on: not by a
 * route to its subnet, and not from another network. What it sends itself goes anywhere.
 */
function forwardRules({ id, bridge }: NatNetwork): WantedRule[] {
  const toBridge = byLink("out", bridge);
  return [
    rule("forward", `${shortId(id)}: answers`, [toBridge, established(), accept()]),
    rule("forward", `${shortId(id)}: published ports`, [toBridge, translated(), accept()]),
    rule("forward", `${shortId(id)}: among its own`, [byLink("in", bridge), toBridge, accept()]),
    rule("forward", `${shortId(id)}: nothing else`, [toBridge, drop()]),
  ];
}

function internalRules({ id, bridge }: NatNetwork): WantedRule[] {
  return [
    rule("forward", `${shortId(id)}: among its own`, [byLink("in", bridge), byLink("out", bridge), accept()]),
    rule("forward", `${shortId(id)}: nothing leaves`, [byLink("in", bridge), drop()]),
    rule("forward", `${shortId(id)}: nothing comes in`, [byLink("out", bridge), drop()]),
  ];
}

function sourceRules(network: NatNetwork): WantedRule[] {
  return [
    ...network.subnets.flatMap((subnet) => subnetRules(network, subnet)),
    ...(familiesOf(network.subnets).includes(4) ? [loopbackRule(network)] : []),
  ];
}

/**
 * What leaves comes from the host. So does what goes back into the subnet by a published port: its answer would
 * otherwise go straight to the neighbour, or to the endpoint itself, who did not ask that address.
 */
function subnetRules({ id, bridge }: NatNetwork, subnet: Cidr): WantedRule[] {
  const ours = [ofFamily(subnet.ip), from(subnet)];
  const text = formatCidr(subnet);
  return [
    rule("postrouting", `${shortId(id)}: ${text} leaves`, [
      byLink("out", bridge, "isNot"),
      ...ours,
      to(MULTICAST[subnet.ip.family], "isNot"),
      masquerade(),
    ]),
    rule("postrouting", `${shortId(id)}: ${text} to its own published ports`, [
      byLink("out", bridge),
      ...ours,
      to(subnet),
      translated(),
      masquerade(),
    ]),
  ];
}

/** The host called a published port by its loopback address, to which nobody can answer. */
function loopbackRule({ id, bridge }: NatNetwork): WantedRule {
  return rule("postrouting", `${shortId(id)}: the host by loopback`, [
    byLink("out", bridge),
    ofFamily({ family: 4 }),
    from(LOOPBACK[4]),
    masquerade(),
  ]);
}

function familiesOf(subnets: readonly Cidr[]): Family[] {
  return ([4, 6] as const).filter((family) => subnets.some(({ ip }) => ip.family === family));
}

function rule(chain: string, comment: string, steps: readonly Expressions[]): WantedRule {
  return { chain, expressions: concatBytes([...steps]), comment };
}

/** nft(8) allows a comment 128 bytes, and there is more to say in most. */
const LONGEST_ID = 40;

export function shortId(id: string): string {
  return id.slice(0, LONGEST_ID);
}
