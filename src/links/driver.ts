import type { Problem } from "../lib/errors.ts";
import type { TrialFacts } from "../lib/facts.ts";
import type { Cidr, Family } from "../lib/ip.ts";
import type { Mac } from "../lib/mac.ts";
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
}

/**
 * A link kind: how its options become a spec and how its links are made. All kinds have this shape and pass one
 * suite; deleting is the same for all and lives in `reaper.ts`.
 */
export interface LinkDriver<Spec extends LinkSpec = LinkSpec> {
  readonly kind: LinkKind;
  /** All problems at once. Pure. */
  parse(options: Readonly<Record<string, string>>, families: { readonly ipv6: boolean }): Parsed<Spec>;
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
}
