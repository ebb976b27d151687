import type { NetnsFacts } from "../lib/facts.ts";

/** A link that bears our alias, wherever it is. */
export interface SurveyedLink {
  /** The owner that the alias names. */
  readonly owner: string;
  readonly name: string;
  readonly ifindex: number;
  readonly mac: string;
  readonly netns: NetnsFacts;
  /** In the netns that we make links in, thus in no container. */
  readonly home: boolean;
}

export interface Surveyed {
  readonly links: readonly SurveyedLink[];
  /** False when some netns could not be looked into: what was not found may be there. */
  readonly complete: boolean;
}

/** Finds the links of ours in every netns that can be reached. */
export type Survey = () => Promise<Surveyed>;

const ALIAS = "underlay ";

/** The alias that tells a person who owns a link. */
export function aliasOf(owner: string): string {
  return `${ALIAS}${owner}`;
}

export function ownerOfAlias(alias: string | undefined): string | undefined {
  return alias?.startsWith(ALIAS) ? alias.slice(ALIAS.length) : undefined;
}
