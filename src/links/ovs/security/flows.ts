import { UnderlayError } from "../../../lib/errors.ts";
import { type Family, type Ip, sameIp } from "../../../lib/ip.ts";
import { type Mac, ZERO_MAC } from "../../../lib/mac.ts";
import { linkLocalOf } from "../../../lib/ndp.ts";
import type { Flow } from "../../../openflow/flow-mod.ts";
import { DROP, type Instruction, NORMAL } from "../../../openflow/instruction.ts";
import type { Match } from "../../../openflow/match.ts";
import { OFPP } from "../../../openflow/numbers.ts";

/**
 * What a secured port may send, as flows of table 0 that match that port and no other: whatever else the bridge does, and
 * all other ports, stay as they were. What is allowed goes the switch's own way (NORMAL), so that VLAN tags, isolation and
 * learning work as without it; what is not allowed is not even learnt from. What the port receives is not looked at.
 *
 * Of a fragment Open vSwitch shows neither UDP ports nor ICMPv6 types (`ovs-ofctl get-frags`: normal), so that one passes
 * by its source alone. Hosts take no neighbour discovery or router advertisement from fragments: RFC 6980.
 */
export interface SecuredPort {
  /** Its OpenFlow number. */
  readonly ofport: number;
  /** The only one that it may send from. */
  readonly mac: Mac;
  /** Those it may send from. The IPv6 link-local address that its MAC gives comes with them. */
  readonly addresses: readonly Ip[];
  readonly cookie: bigint;
}

/**
 * Highest first. Above what others commonly use (ovs-ofctl's default is 32768), and with room between: a flow that is to
 * let more pass can be put in by hand.
 */
export const PRIORITY = {
  /** Whatever the source: nobody on this port answers for the network. */
  never: 40_040,
  /** Neighbour discovery that says what is true. */
  neighbour: 40_030,
  /** All other neighbour discovery. */
  forgedNeighbour: 40_020,
  own: 40_010,
  rest: 40_000,
} as const;

/** `<linux/if_ether.h>`: ETH_P_IP, ETH_P_ARP, ETH_P_IPV6; behind a VLAN tag, where there is one. */
const ipv4 = { ethType: 0x0800 } as const;
export const arp = { ethType: 0x0806 } as const;
const ipv6 = { ethType: 0x86dd } as const;
const udp = { ipProto: 17 } as const;
export const icmpv6 = { ...ipv6, ipProto: 58 } as const;
const ARP_REQUEST = 1;

/** RFC 2131 section 4.1, RFC 8415 section 7.2. */
const PORTS = {
  v4: { server: 67, client: 68 },
  v6: { server: 547, client: 546 },
} as const;

/** RFC 4861 section 4, RFC 2710, RFC 3810. */
export const TYPE = {
  mldReport: 131,
  mldDone: 132,
  routerSolicitation: 133,
  routerAdvertisement: 134,
  neighbourSolicitation: 135,
  neighbourAdvertisement: 136,
  redirect: 137,
  mld2Report: 143,
} as const;

const NO_V4: Ip = { family: 4, bytes: new Uint8Array(4) };
const NO_V6: Ip = { family: 6, bytes: new Uint8Array(16) };

/**
 * All flows of a port. The order is that in which they may be added one by one: first nothing passes. Throws `internal` for
 * a number that no port of a container has: those of the bridge itself and of "any" lie above.
 */
export function flowsFor(port: SecuredPort): Flow[] {
  const { ofport, mac, cookie } = port;
  requireOfport(ofport);
  const here = { inPort: ofport };
  const own = { ...here, ethSrc: mac };
  const rows =
    (priority: number, base: Match, instructions: readonly Instruction[]) =>
    (match: Match): Flow => ({ table: 0, priority, cookie, match: { ...base, ...match }, instructions });
  return [
    rows(PRIORITY.rest, here, DROP)({}),
    ...NEVER.map(rows(PRIORITY.never, here, DROP)),
    ...FORGED_NEIGHBOURS.map(rows(PRIORITY.forgedNeighbour, here, DROP)),
    ...neighbours(port).map(rows(PRIORITY.neighbour, own, NORMAL)),
    ...[...ofIpv4(port), ...ofIpv6(port)].map(rows(PRIORITY.own, own, NORMAL)),
  ];
}

export function requireOfport(ofport: number): void {
  if (!(Number.isInteger(ofport) && ofport > 0 && ofport < OFPP.OFPP_MAX))
    throw new UnderlayError("internal", `flows for port ${ofport}`);
}

/** A DHCP server is known by either of its ports: a client looks only at that of its own, some at that of the server. */
const NEVER: readonly Match[] = [
  { ...ipv4, ...udp, udpSrc: PORTS.v4.server },
  { ...ipv4, ...udp, udpDst: PORTS.v4.client },
  { ...ipv6, ...udp, udpSrc: PORTS.v6.server },
  { ...ipv6, ...udp, udpDst: PORTS.v6.client },
  { ...icmpv6, icmpv6Type: TYPE.routerAdvertisement },
  { ...icmpv6, icmpv6Type: TYPE.redirect },
  // Open vSwitch reads a message with an option given twice as one without target and options, a host may believe it.
  { ...icmpv6, icmpv6Type: TYPE.neighbourSolicitation, ndTarget: NO_V6 },
  { ...icmpv6, icmpv6Type: TYPE.neighbourAdvertisement, ndTarget: NO_V6 },
];

const FORGED_NEIGHBOURS: readonly Match[] = [
  { ...icmpv6, icmpv6Type: TYPE.neighbourSolicitation },
  { ...icmpv6, icmpv6Type: TYPE.neighbourAdvertisement },
];

/** A message may leave out the sender's MAC (RFC 4861 sections 4.3 and 4.4), and then says no wrong one. */
function neighbours({ mac, addresses }: SecuredPort): Match[] {
  const own = addressesOf(6, mac, addresses);
  const solicitation = { ...icmpv6, icmpv6Type: TYPE.neighbourSolicitation };
  const advertisement = { ...icmpv6, icmpv6Type: TYPE.neighbourAdvertisement };
  return [
    // Duplicate address detection: RFC 4862 section 5.4.2.
    ...own.map((ndTarget) => ({ ...solicitation, ipv6Src: NO_V6, ndTarget, ndSll: ZERO_MAC })),
    ...own.flatMap((ipv6Src) => [
      ...[mac, ZERO_MAC].map((ndSll) => ({ ...solicitation, ipv6Src, ndSll })),
      ...own.flatMap((ndTarget) =>
        [mac, ZERO_MAC].map((ndTll) => ({ ...advertisement, ipv6Src, ndTarget, ndTll })),
      ),
    ]),
  ];
}

function ofIpv4({ mac, addresses }: SecuredPort): Match[] {
  const arpSha = mac;
  return [
    // A client that has no address yet; RFC 2131 section 4.1.
    { ...ipv4, ...udp, ipv4Src: NO_V4, udpSrc: PORTS.v4.client, udpDst: PORTS.v4.server },
    ...addressesOf(4, mac, addresses).flatMap((ip) => [
      { ...ipv4, ipv4Src: ip },
      { ...arp, arpSha, arpSpa: ip },
      // A probe, RFC 5227 section 2.1.1. For another's address it would keep that one from being used.
      { ...arp, arpSha, arpOp: ARP_REQUEST, arpSpa: NO_V4, arpTpa: ip },
    ]),
  ];
}

/** What a node sends before its link-local address is its own: RFC 4861 section 6.3.7, RFC 3590 section 4. */
const WITHOUT_ADDRESS = [TYPE.mldReport, TYPE.mldDone, TYPE.mld2Report, TYPE.routerSolicitation];

function ofIpv6({ mac, addresses }: SecuredPort): Match[] {
  return [
    ...WITHOUT_ADDRESS.map((icmpv6Type) => ({ ...icmpv6, ipv6Src: NO_V6, icmpv6Type })),
    ...addressesOf(6, mac, addresses).map((ipv6Src) => ({ ...ipv6, ipv6Src })),
  ];
}

/** Each once. */
function addressesOf(family: Family, mac: Mac, addresses: readonly Ip[]): Ip[] {
  const all = [...(family === 6 ? [linkLocalOf(mac)] : []), ...addresses];
  const mine = all.filter((ip) => ip.family === family);
  return mine.filter((ip, i) => mine.findIndex((other) => sameIp(other, ip)) === i);
}
