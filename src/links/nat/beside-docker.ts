import type { FoundMeaning, Verdict } from "../../netlink/nft-meaning.ts";
import { type NatNetwork, shortId } from "./rules.ts";

/**
 * Chain FORWARD of iptables, which is another table's: an accept in ours does not undo a drop there, and dockerd sets its
 * policy to DROP. There our networks need rules of their own, and it is others' ground: as few as will do, each with a
 * comment, behind what a person has put there, and never so that an endpoint of ours gets where Docker would not let it.
 */

/** A rule of table `filter` as it is found. */
export interface SeenRule extends FoundMeaning {
  readonly at: string;
  readonly handle: Uint8Array;
}

export interface SeenFilter {
  /** Names of all chains of the table. */
  readonly chains: readonly string[];
  /** Of FORWARD; absent when there is no such chain. */
  readonly policy?: "accept" | "drop";
  /** Of those chains that are looked at. */
  readonly rules: readonly SeenRule[];
}

/** A rule of ours. `in` or `out` is a bridge of ours. */
export interface OurRule {
  readonly in?: string;
  readonly out?: string;
  readonly verdict: Extract<Verdict, "accept" | "return">;
  readonly comment: string;
}

export interface Plan {
  /** Those of ours that are not wanted any more, or stand in the wrong place. */
  readonly remove: readonly SeenRule[];
  readonly add: readonly OurRule[];
  readonly chain: string;
  /** Before which rule; absent = where `first` says. */
  readonly before?: Uint8Array;
  readonly first: boolean;
  /** Passing is needed and left to the person: this program keeps the chain. */
  readonly left?: "ufw";
}

const FORWARD = "FORWARD";
/** Made by dockerd for rules of others, and never emptied by it. */
const DOCKER_USER = "DOCKER-USER";
const OF_DOCKER = /^DOCKER(?!-USER$)/;
const OF_UFW = /^ufw6?-/;

/** Whether the rules of a chain matter here. */
export function isLookedAt(chain: string): boolean {
  return chain === FORWARD || chain === DOCKER_USER || OF_DOCKER.test(chain);
}

/** What comments of ours begin with. */
export const MARK = "underlay: ";

/** What is to be changed so that packets of these networks pass; nothing when they do. */
export function planBeside(filter: SeenFilter, networks: readonly NatNetwork[]): Plan {
  const { rules } = filter;
  const ours = rules.filter(isOurs);
  const hasDockers = rules.some((rule) => rule.at === FORWARD && rule.chain === DOCKER_USER);
  const isNeeded = networks.length > 0 && mayDrop(filter);
  const left = isNeeded && !hasDockers && filter.chains.some((name) => OF_UFW.test(name));
  const wanted = isNeeded && !left ? rulesFor(networks, hasDockers ? dockerLinks(rules) : []) : [];
  const place = hasDockers ? lastOf(DOCKER_USER, rules) : { chain: FORWARD, first: true };
  const isInPlace = ours.every(({ at }) => at === place.chain) && (place.first || isLast(rules, place));
  const isSame = isInPlace && sayAll(ours) === sayAll(wanted);
  return {
    ...place,
    remove: isSame ? [] : ours,
    add: isSame ? [] : wanted,
    ...(left && { left: "ufw" as const }),
  };
}

function isOurs({ comment }: SeenRule): boolean {
  return comment?.startsWith(MARK) ?? false;
}

/** A policy that drops, or a rule of others in FORWARD itself that does anything but accept or lead to Docker's chains. */
function mayDrop({ policy, rules }: SeenFilter): boolean {
  if (policy === undefined) return false;
  const others = rules.filter((rule) => rule.at === FORWARD && !isOurs(rule));
  return policy === "drop" || !others.every(isHarmless);
}

function isHarmless({ verdict, chain = "" }: SeenRule): boolean {
  return verdict === "accept" || chain === DOCKER_USER || OF_DOCKER.test(chain);
}

/**
 * The bridges of Docker's networks, as its own rules name them. What goes from our networks to those is left to Docker:
 * before 28 nothing but the policy kept it out.
 */
function dockerLinks(rules: readonly SeenRule[]): string[] {
  const named = rules
    .filter(({ at, chain = "" }) => OF_DOCKER.test(at) || OF_DOCKER.test(chain))
    .flatMap(({ out }) => (out === undefined ? [] : [out]));
  return [...new Set(named)].sort();
}

/** All that goes to a bridge passes here: whether it may is decided by our own table, which drops what may not. */
function rulesFor(networks: readonly NatNetwork[], docker: readonly string[]): OurRule[] {
  const bridges = new Map(networks.map(({ bridge, id }) => [bridge, id]));
  const sorted = [...bridges].sort(([one], [other]) => (one < other ? -1 : 1));
  return sorted.flatMap(([bridge, id]): OurRule[] => {
    const comment = `${MARK}${shortId(id)}`;
    return [
      { out: bridge, verdict: "accept", comment },
      ...docker
        .filter((link) => !bridges.has(link))
        .map((link): OurRule => ({ in: bridge, out: link, verdict: "return", comment })),
      { in: bridge, verdict: "accept", comment },
    ];
  });
}

type Place = Pick<Plan, "chain" | "before" | "first">;

/** Behind all rules of a person's, which are heeded so; before the RETURN that ends the chain in older versions. */
function lastOf(chain: string, rules: readonly SeenRule[]): Place {
  const last = rules.filter((rule) => rule.at === chain && !isOurs(rule)).at(-1);
  const returns = last?.always && last.verdict === "return";
  return { chain, first: false, ...(returns && { before: last.handle }) };
}

function isLast(rules: readonly SeenRule[], { chain, before }: Place): boolean {
  const inChain = rules.filter((rule) => rule.at === chain && rule.handle !== before);
  const firstOfOurs = inChain.findIndex(isOurs);
  return firstOfOurs === -1 || inChain.slice(firstOfOurs).every(isOurs);
}

type Said = Pick<SeenRule, "in" | "out" | "verdict" | "comment">;

function sayAll(rules: readonly Said[]): string {
  return rules
    .map(({ in: from = "", out = "", verdict = "", comment = "" }) => `${from} ${out} ${verdict} ${comment}`)
    .join("\n");
}
