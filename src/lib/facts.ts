import type { Cidr, Ip } from "./ip.ts";
import type { Mac } from "./mac.ts";

/**
 * What was read from the kernel about a parent and its host. Facts are gathered by `links/parent`,
 * judged by `conditions`, and carried between them by the engine: neither knows the other.
 */

export interface LinkFacts {
  readonly ifindex: number;
  readonly name: string;
  /** IFLA_PROP_LIST / IFLA_ALT_IFNAME. */
  readonly altNames: readonly string[];
  /** IFLA_INFO_KIND; absent for physical devices and lo. */
  readonly kind?: string;
  /** ARPHRD_* of `<linux/if_arp.h>`: 1 = Ethernet, 772 = loopback. */
  readonly hardwareType: number;
  readonly up: boolean;
  readonly loopback: boolean;
  /** IFLA_CARRIER; absent when the kernel did not tell. */
  readonly carrier?: boolean;
  readonly mtu: number;
  readonly mac?: Mac;
  /** IFLA_PERM_ADDRESS: absent on virtual links. */
  readonly permanentMac?: Mac;
  /** The bridge, bond, team or Open vSwitch that owns it. */
  readonly master?: { readonly ifindex: number; readonly name: string; readonly kind?: string };
  /** nl80211 answer for a Wi-Fi link; absent for all others. */
  readonly wireless?: { readonly type: "station" | "other"; readonly fourAddress: boolean };
  /** The bond that frames leave by: the link itself, or what a VLAN on it hangs on. */
  readonly bond?: BondFacts;
  /** Of a bridge: the netfilter hooks of br_netfilter that its frames pass, as sysctl names; none, or not loaded. */
  readonly filteredBy?: readonly string[];
  readonly addresses: readonly Cidr[];
}

export interface BondFacts {
  readonly name: string;
  /** `active-backup`, `balance-alb`, … */
  readonly mode: string;
}

/** A macvlan or ipvlan on the parent, in whichever netns it lives. */
export interface ChildFacts {
  readonly kind: "macvlan" | "macvtap" | "ipvlan" | "ipvtap";
  readonly name: string;
  readonly ifindex: number;
  /** `bridge`, `private`, `vepa`, `passthru`, `source`; for ipvlan `l2`, `l3`, `l3s`. */
  readonly mode: string;
  /** Of an ipvlan: `bridge`, `private`, `vepa`. */
  readonly flag?: string;
  readonly mac?: Mac;
  readonly mtu: number;
  readonly netns: NetnsFacts;
  /** Made by us, as its name tells. */
  readonly ours: boolean;
}

export interface NetnsFacts {
  readonly inode: number;
  /** Where it was found, the daemon's own being "host": `/run/netns/blue`, `/proc/4711/ns/net`. */
  readonly path: string;
}

/** What came of making one link of the wanted kind and mode on the parent in a scratch netns. */
export type TrialFacts =
  | { readonly outcome: "made" }
  | {
      readonly outcome: "failed";
      readonly errno: string;
      readonly text: string;
      /** When the link was not of the network's own kind: the `vlan` or `dummy` that is its parent. */
      readonly kind?: string;
    };

/** What came of asking one neighbour by two MAC addresses. */
export interface ProbeFacts {
  readonly target: Ip;
  readonly own: ProbeSide;
  readonly foreign: ProbeSide;
  /** By the own MAC address again, with an address: only when neither was answered without. */
  readonly addressed?: ProbeSide;
}

export interface ProbeSide {
  /** Who asked. */
  readonly mac: Mac;
  /** Absent: nobody, in the time given. */
  readonly answeredBy?: Mac;
}

export interface ParentFacts {
  /** The name that the user gave; `auto` is resolved before. */
  readonly asked: string;
  /** Absent when no link has that name. */
  readonly link?: LinkFacts;
  /** Names of links that could have been meant: the same MAC as the remembered parent, or the nearest spelling. */
  readonly candidates: readonly string[];
  readonly children: readonly ChildFacts[];
  /** Only when a create is judged. */
  readonly trial?: TrialFacts;
  /** Only when somebody had frames sent. */
  readonly probe?: ProbeFacts;
  /** Next hops of the host's default routes through this link. */
  readonly routers: readonly Ip[];
  /** The host's other routes, through other links: not default ones, nor those through links of ours. */
  readonly routesElsewhere: readonly RouteFacts[];
}

export interface RouteFacts {
  readonly destination: Cidr;
  /** Name of the link that it goes through. */
  readonly link: string;
}

/** Another network of ours on the same parent. */
export interface NeighbourNetwork {
  readonly owner: string;
  readonly kind: string;
  readonly mode: string;
  readonly flag?: string;
}
