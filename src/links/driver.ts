import { type Problem, UnderlayError } from "../lib/errors.ts";
import type { TrialFacts } from "../lib/facts.ts";
import type { Cidr, Family, Ip } from "../lib/ip.ts";
import type { Mac } from "../lib/mac.ts";
import type { Peer } from "../lib/peer.ts";
import { word } from "../lib/quote.ts";
import type { LinkKind } from "../lib/request.ts";
import type { ParentRef } from "./parent/ref.ts";

/** What every kind's spec has. The rest of it is the kind's own business: only its driver looks inside. */
export interface LinkSpec {
  readonly kind: LinkKind;
  readonly parent: ParentRef;
  /** The word for the kind's mode in messages: `bridge`. */
  readonly mode: string;
  /** A second word beside the mode, for kinds that have one: `private`. */
  readonly flag?: string;
  /** Bytes; absent = the parent's. */
  readonly mtu?: number;
  /** The host is to reach the containers, and they it. */
  readonly hostAccess?: HostAccessSpec;
  /** The host has the gateways' addresses on the parent, routes for the network and publishes ports. */
  readonly hostIsGateway?: boolean;
  /** The host's own addresses may be on the parent, which somebody else may make anew. */
  readonly carriesHost?: boolean;
  /** The link that has them, where it is not the parent. */
  readonly gatewayLink?: string;
  /** It spans hosts; absent: it is this host's alone, or its parent is what it spans. */
  readonly tunnel?: TunnelSpec;
  /** What its endpoints get addresses of, when whoever asks for the network brings no subnets. */
  readonly ownSubnets?: readonly OwnSubnet[];
}

/** VXLAN between hosts. */
export interface TunnelSpec {
  /** The network's number, on every host the same and no other network's. */
  readonly vni: number;
  /** Other hosts; more may be learnt later. */
  readonly peers: readonly Peer[];
}

/** What is to be known before a network gets tunnels to other hosts. */
export interface Reach {
  /** Those of them that are this host itself. */
  readonly own: readonly Peer[];
  /** Bytes, of every link of the network. */
  readonly mtu: number;
}

/** What a network's parent is to have for it, beside what its spec says. */
export interface Beside {
  /** Whoever has them. */
  readonly gateways: readonly Ip[];
  /** Hosts that were learnt, beside those of the spec. */
  readonly peers: readonly Peer[];
}

/** As text: a spec is kept as JSON. */
export interface OwnSubnet {
  readonly pool: string;
  readonly gateway?: string;
  /** Somebody has set it: he is told where it does not count. */
  readonly isChosen?: true;
}

export interface HostAccessSpec {
  /** Addresses that the host has for it, at most one a family, as text; of a family without one, its parent's. */
  readonly addresses: readonly string[];
}

/** Whether a link of the host's own may go without an address, and packets be from its parent's. */
export type Sharing =
  /** `subnet`: when the parent has one in a subnet of the network. `anywhere`: whichever it has. */
  { readonly of: "subnet" | "anywhere"; readonly why: string } | { readonly never: string };

export type Parsed<Spec extends LinkSpec> =
  | { readonly spec: Spec; readonly allow: readonly string[] }
  | { readonly code: "invalid_option" | "not_yet"; readonly problems: readonly Problem[] };

/** What an endpoint asks for beyond its network. The rest of it is the kind's own business. */
export interface EndpointSpec {
  readonly kind: LinkKind;
}

export type ParsedEndpoint =
  /** Undefined: it asks for nothing. */
  { readonly spec: EndpointSpec | undefined } | { readonly problems: readonly Problem[] };

/** What a link is to have, and no other on its parent may. */
export interface Wanted {
  readonly mac?: Mac;
  readonly addresses: readonly Cidr[];
}

/** A link about to be born in the netns of the drivers' conversation. */
export interface Birth<Spec extends LinkSpec> {
  readonly name: string;
  readonly parentIfindex: number;
  /** Absent for kinds without `ownMac`. */
  readonly mac?: Mac;
  /** Who owns it, in words for `ip link`; a person reads it, no code does. */
  readonly alias: string;
  /** Its birth mark; absent = that of an endpoint's link. */
  readonly group?: number;
  readonly spec: Spec;
  /** Whose it is; absent for a link of the host's own. */
  readonly endpoint?: BornFor;
}

/** The endpoint that a link is made for. */
export interface BornFor {
  readonly owner: string;
  readonly network: string;
  readonly addresses: readonly Cidr[];
  /** Absent when its link has the parent's. */
  readonly mac?: Mac;
  readonly spec?: EndpointSpec;
}

/**
 * A link kind: how its options become a spec and how its links are made. All kinds have this shape and pass one
 * suite; deleting is the same for all and lives in `reaper.ts`.
 */
export interface LinkDriver<Spec extends LinkSpec = LinkSpec> {
  readonly kind: LinkKind;
  /** All problems at once. Pure. */
  parse(options: Readonly<Record<string, string>>, families: { readonly ipv6: boolean }): Parsed<Spec>;
  /**
   * The spec with what depends on the other networks: `isTaken` tells of a parent by its name whether one of them is on
   * it. `owner`: of this network. Pure.
   */
  settle(spec: Spec, owner: string, isTaken: (parent: string) => boolean): Spec;
  /**
   * Makes what a network has on its parent beside the links of its endpoints, and answers the spec with what was learnt
   * of it. Again: what is missing is made, and peers that are no longer named lose their tunnel. When it fails, what it
   * made is gone.
   */
  prepare(spec: Spec, owner: string, beside: Beside): Promise<Spec>;
  /**
   * What tunnels to these hosts beside those of the spec would mean; makes nothing. Throws `invalid_option` when packets of
   * the size that was asked for do not fit into them.
   */
  reach(spec: Spec, owner: string, peers: readonly Peer[]): Promise<Reach>;
  /** Takes that away; nothing is success. `isLast`: no other network is on the parent. */
  dismantle(spec: Spec, owner: string, isLast: boolean): Promise<void>;
  /** Names of the options that endpoints may have. */
  readonly endpointOptions: readonly string[];
  /** Options of an endpoint on such a network: all problems at once. Pure. */
  parseEndpoint(options: Readonly<Record<string, string>>, spec: Spec): ParsedEndpoint;
  /** Whether each link has a MAC of its own. The others have their parent's, can be given none, and nobody is told it. */
  readonly ownMac: boolean;
  /**
   * Makes one such link on the parent in a scratch netns and deletes it again: what the kernel says is certain.
   * Undefined when a trial would change links that are there, and so none was made.
   */
  trial(parentIfindex: number, spec: Spec): Promise<TrialFacts | undefined>;
  /**
   * Whether no other link on the parent, in whichever netns, holds the MAC, or the addresses where links have their
   * parent's.
   */
  isFree(parentIfindex: number, wanted: Wanted, spec: Spec): Promise<boolean>;
  /** Whether packets to anywhere are handed to the link without a next hop, so that a gateway has no use. */
  routesOnLink(spec: Spec): boolean;
  /** Whether the host may speak from the parent's address of that family to links of the kind; why, in words. */
  sharesAddress(spec: Spec, family: Family): Sharing;
  /** The MAC that such a link has whatever is asked for: a passthru link is its parent to the LAN. */
  inheritedMac(spec: Spec, parent: { readonly mac?: Mac }): Mac | undefined;
  /**
   * Makes the link, down. A link of that name which already is what is wanted is success; one that is not is
   * replaced. Throws `kernel`, `unsupported`, `permission`.
   */
  create(birth: Birth<Spec>): Promise<void>;
  /**
   * Takes up again what a former process watched over of links that are there, and mends what others did to it. All of
   * those of a network, at a start and whenever everything is looked at.
   */
  resume(spec: Spec, endpoints: readonly BornFor[]): Promise<void>;
  /**
   * Takes away what a link has beside itself, like its port in a switch, whether or not the link is there still; nothing
   * is success. Comes before the link is deleted.
   */
  detach(owner: string): Promise<void>;
  /** Takes back what was begun beside links and records, and not finished. At a start and whenever everything is looked at. */
  finish(): Promise<void>;
  /** Owners of links of ours that are gone, in whichever netns, while what they had beside themselves is there still. */
  leftovers(): Promise<readonly string[]>;
}

/** For kinds whose links are all there is to them. */
export const WHOLE_LINKS = {
  settle: <Spec>(spec: Spec): Spec => spec,
  prepare: async <Spec>(spec: Spec): Promise<Spec> => spec,
  reach: async (): Promise<Reach> => {
    throw new UnderlayError("internal", "links of this kind are no tunnels");
  },
  dismantle: async () => undefined,
  endpointOptions: [],
  parseEndpoint: (options: Readonly<Record<string, string>>): ParsedEndpoint => {
    const problems = Object.keys(options).map((name) => ({
      subject: name,
      message: `endpoints on this network have no option ${word(name)}`,
    }));
    return problems.length === 0 ? { spec: undefined } : { problems };
  },
  resume: async () => undefined,
  detach: async () => undefined,
  finish: async () => undefined,
  leftovers: async () => [],
} as const satisfies Partial<LinkDriver>;
