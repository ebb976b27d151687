import type { Cidr, Ip } from "./ip.ts";
import type { Mac } from "./mac.ts";

/**
 * What somebody asks to be made inside a container, at once and whole, in no protocol's words. Adapters make these, the
 * engine carries them out.
 */

/** A link, and what it is born with. All but a dummy hang on a parent. */
export type ChildWish =
  | {
      readonly kind: "macvlan";
      readonly mode: "bridge" | "private" | "vepa" | "passthru";
      readonly mac?: Mac;
      /** Broadcasts that may wait on the parent; absent = the kernel's 1000. */
      readonly queue?: number;
      /** Receivers of a multicast from which on it waits on the parent; -1 = never; absent = the kernel's 1. */
      readonly cutoff?: number;
    }
  | {
      readonly kind: "ipvlan";
      readonly mode: "l2" | "l3" | "l3s";
      readonly flag: "bridge" | "private" | "vepa";
    }
  | { readonly kind: "vlan"; readonly vid: number }
  | { readonly kind: "dummy" };

export interface ParentWish {
  /** Name or altname, or `LINK.VID`; absent: the link of the default route. */
  readonly name?: string;
  /** It is looked for in the container, not on the host. */
  readonly inside: boolean;
  /** VLANs that its name says are made on the host when they are missing, and go with their last user. */
  readonly makesVlans?: true;
  /** Of the outermost VLAN, when it is asked for; one that is there already must have it. */
  readonly vlanProtocol?: "802.1q" | "802.1ad";
}

export interface AttachRequest {
  /** Opaque key of who owns the link: `cni:NETWORK/CONTAINER/IFNAME`. */
  readonly owner: string;
  /** Path of the container's netns. */
  readonly netns: string;
  readonly ifname: string;
  /** Absent for kinds that hang on none. */
  readonly parent?: ParentWish;
  readonly link: ChildWish;
  /** Bytes; absent: the parent's. */
  readonly mtu?: number;
  /** False: it makes itself no IPv6 address from what routers say. Absent: as the namespace has it. */
  readonly autoconf?: false;
  /** Whence its addresses come; absent: it has none. */
  readonly addresses?: () => Promise<Assigned>;
  /** Gives back what `addresses` gave. */
  readonly giveBack?: () => Promise<void>;
}

/** Addresses and routes of one attachment, whoever chose them. */
export interface Assigned {
  readonly addresses: readonly AssignedAddress[];
  readonly routes: readonly AssignedRoute[];
}

export interface AssignedAddress {
  /** Host bits are the address, the prefix the subnet's. */
  readonly address: Cidr;
  readonly gateway?: Ip;
}

/** `scope` and `table`: numbers of `<linux/rtnetlink.h>`; `mtu` and `advmss`: bytes. */
export interface AssignedRoute {
  readonly to: Cidr;
  /** Absent: the first gateway of its family. */
  readonly via?: Ip;
  readonly mtu?: number | undefined;
  readonly advmss?: number | undefined;
  readonly priority?: number | undefined;
  readonly table?: number | undefined;
  readonly scope?: number | undefined;
}

/** What was made. */
export interface Attached {
  readonly mac?: Mac;
  readonly mtu: number;
  readonly assigned: Assigned;
}
