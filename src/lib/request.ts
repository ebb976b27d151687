import type { Cidr, Ip } from "./ip.ts";
import type { Mac } from "./mac.ts";

/**
 * What somebody asks to attach, in no protocol's words. Adapters make these, the engine carries them out,
 * conditions judge them.
 */

/** Names of the link kinds that carry endpoints. */
export type LinkKind = "macvlan" | "ipvlan" | "ovs";

export interface Subnet {
  readonly pool: Cidr;
  /** Absent: containers get no default route in this family. */
  readonly gateway?: Ip;
  /** Addresses that the user keeps for other hosts, by the name given to them. */
  readonly aux: Readonly<Record<string, Ip>>;
}

export interface NetworkRequest {
  /** Opaque key of who owns the network: `docker:NETWORKID`. */
  readonly owner: string;
  readonly kind: LinkKind;
  /** Options as the user typed them; the kind's parser turns them into a spec. */
  readonly options: Readonly<Record<string, string>>;
  readonly subnets: readonly Subnet[];
  /** No way out: no default route is given. */
  readonly internal: boolean;
  readonly ipv6: boolean;
}

export interface EndpointRequest {
  /** Opaque key: `docker:NETWORKID/ENDPOINTID`. */
  readonly owner: string;
  /** Owner key of its network. */
  readonly network: string;
  /** At most one address a family, with the prefix of its subnet. */
  readonly addresses: readonly Cidr[];
  /** When it was given; otherwise it is derived and stays the same for the same address. */
  readonly mac?: Mac;
  /** Whether the user chose the given one. What an allocator made up may be left unused. */
  readonly macByUser?: boolean;
  /** Name wanted inside the container. */
  readonly ifname?: string;
  /** Options of its own, as the user typed them; the kind's parser turns them into a spec. */
  readonly options?: Readonly<Record<string, string>>;
  /** Ports the user asked to publish, as `8080:80/tcp`; a link on the LAN publishes nothing, so they are only reported. */
  readonly publishes: readonly string[];
}

/** What the engine answers to `provision`: where the link is and what the container needs to use it. */
export interface Attachment {
  /** Name of the link in the netns where it was made. */
  readonly linkName: string;
  readonly ifname?: string;
  readonly gateways: readonly Ip[];
  /** What is to be routed to the link itself, without a next hop. */
  readonly onLink: readonly Cidr[];
}
