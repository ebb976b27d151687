import type { Assigned } from "./attach.ts";
import type { Mac } from "./mac.ts";

/** A pair of links, one end in a container, one on the host, as somebody asks for it. */

/** What an attachment is known by. */
export interface PairKey {
  readonly network: string;
  readonly container: string;
  readonly ifname: string;
}

/** The attachments of a network but those that live. */
export interface PairStrays {
  readonly network: string;
  readonly alive: readonly PairKey[];
  /** Tells it of an owner, as requests have it: a link's name has room for a small part of the network's hash only. */
  isStray(owner: string): boolean;
}

export interface PairRequest {
  readonly key: PairKey;
  /** The same for people: `cni:NETWORK/CONTAINER/IFNAME`. */
  readonly owner: string;
  /** Path of the container's netns. */
  readonly netns: string;
  /** Bytes, or that of what the pair is connected to; absent: the kernel's 1500. */
  readonly mtu?: number | "inherited";
  /** Of the container's end; absent: the kernel's choice. */
  readonly mac?: Mac;
  /** Of the host's end; absent: the kernel's choice. */
  readonly hostMac?: Mac;
  /** Ask whether somebody has the IPv6 addresses already. */
  readonly detectDuplicates?: boolean;
  /** The container's end stays down. */
  readonly keepDown?: boolean;
  /** What leaves the container's subnets seems to come from the host. */
  readonly masquerade: boolean;
  /** Whence its addresses come; absent: it has none. */
  readonly addresses?: () => Promise<Assigned>;
  /** Gives back what `addresses` gave. */
  readonly giveBack?: () => Promise<void>;
}

/** One end of a pair, or another link of the host that an attachment needs. */
export interface LinkEnd {
  readonly name: string;
  readonly ifindex: number;
  readonly mac?: Mac;
  readonly mtu: number;
}

export interface Pair {
  readonly key: PairKey;
  readonly host: LinkEnd;
  readonly inside: LinkEnd;
}

/** A setting of the host's netns: a path below /proc/sys/net. */
export interface HostSetting {
  readonly path: string;
  readonly value: string;
  /** The kernel may not have it, or may not let us. */
  readonly optional?: true;
}

export type SetOnHost = (settings: readonly HostSetting[]) => void;

/** The bridge of the host that a pair's other end is a port of, and how. */
export interface BridgeWish {
  readonly name: string;
  /** It is somebody else's, who has it up; else it is made when it is missing. */
  readonly mustExist?: true;
  /** Bytes, for a bridge that is made; absent: the kernel's 1500. */
  readonly mtu?: number;
  /** It passes on to the host what is for nobody. */
  readonly promisc: boolean;
  /** What comes from a port may leave by it. */
  readonly hairpin: boolean;
  /** Isolated ports do not reach each other. */
  readonly isolated: boolean;
  /** Absent: those that the bridge gives its ports. */
  readonly vlans?: PortVlans;
  /** The host is the router: it has the gateways' addresses, on the bridge or on a link of its own in the port's VLAN. */
  readonly isGateway: boolean;
  /** Addresses of the bridge that are in the way are removed. */
  readonly forceAddress: boolean;
  /** The container may send from no other MAC address than its own. */
  readonly checkMac: boolean;
}

export interface PortVlans {
  /** Of frames without a tag; absent: 1 when others have tags. */
  readonly untagged?: number;
  readonly tagged: readonly number[];
  /** That which the bridge gives every port is kept. */
  readonly keepDefault: boolean;
}
