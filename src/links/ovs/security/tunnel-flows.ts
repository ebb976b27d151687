import type { Ip } from "../../../lib/ip.ts";
import type { Mac } from "../../../lib/mac.ts";
import { linkLocalOf } from "../../../lib/ndp.ts";
import type { Flow } from "../../../openflow/flow-mod.ts";
import { DROP } from "../../../openflow/instruction.ts";
import type { Match } from "../../../openflow/match.ts";
import { arp, icmpv6, PRIORITY, requireOfport, TYPE } from "./flows.ts";

/**
 * A tunnel to another host of a network whose gateway is on every host, with the same MAC and addresses. What concerns the
 * gateway is dropped where it leaves the tunnel: each host's containers are answered by their own gateway alone, and no
 * bridge learns that its gateway is somewhere else. It is dropped there and not where it would enter, for the switch floods
 * by itself (NORMAL), into all ports or none.
 */
export interface TunnelPort {
  /** Its OpenFlow number. */
  readonly ofport: number;
  readonly gateway: SharedGateway;
  readonly cookie: bigint;
}

export interface SharedGateway {
  readonly mac: Mac;
  /** Its IPv6 link-local address comes with them. */
  readonly addresses: readonly Ip[];
}

/** All flows of a tunnel; whatever else it brings goes its way as before. */
export function tunnelFlows({ ofport, gateway, cookie }: TunnelPort): Flow[] {
  requireOfport(ofport);
  const { mac, addresses } = gateway;
  const concerning: Match[] = [
    { ethSrc: mac },
    { ethDst: mac },
    ...[linkLocalOf(mac), ...addresses].flatMap(askedFor),
  ];
  return concerning.map((match) => ({
    ...{ table: 0, priority: PRIORITY.never, cookie, instructions: DROP },
    match: { inPort: ofport, ...match },
  }));
}

/** A container that asks for it, and one that says that it has it. */
function askedFor(ip: Ip): Match[] {
  if (ip.family === 4)
    return [
      { ...arp, arpTpa: ip },
      { ...arp, arpSpa: ip },
    ];
  return [TYPE.neighbourSolicitation, TYPE.neighbourAdvertisement].map((icmpv6Type) => ({
    ...{ ...icmpv6, icmpv6Type },
    ndTarget: ip,
  }));
}
