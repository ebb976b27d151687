import type { Problem } from "../lib/errors.ts";
import type { Mac } from "../lib/mac.ts";
import type { LinkKind } from "../lib/request.ts";
import type { MacvlanSpec } from "./macvlan/spec.ts";

/** What a link kind can be asked for: a closed union, one member a kind. */
export type LinkSpec = MacvlanSpec;

export type Parsed =
  | { readonly spec: LinkSpec; readonly allow: readonly string[] }
  | { readonly code: "invalid_option" | "not_yet"; readonly problems: readonly Problem[] };

/** A link about to be born in the netns of the drivers' conversation. */
export interface Birth {
  readonly name: string;
  readonly parentIfindex: number;
  readonly mac: Mac;
  /** Who owns it, in words for `ip link`; a person reads it, no code does. */
  readonly alias: string;
  readonly spec: LinkSpec;
}

/**
 * A link kind: how its options become a spec and how its links are made. All kinds have this shape and pass one
 * suite; deleting is the same for all and lives in `reaper.ts`.
 */
export interface LinkDriver {
  readonly kind: LinkKind;
  /** All problems at once. Pure. */
  parse(options: Readonly<Record<string, string>>, families: { readonly ipv6: boolean }): Parsed;
  /** The word for the spec's mode in messages: `bridge`. */
  mode(spec: LinkSpec): string;
  /**
   * Makes the link, down. A link of that name which already is what is wanted is success; one that is not is
   * replaced. Throws `kernel`, `unsupported`, `permission`.
   */
  create(birth: Birth): Promise<void>;
}
