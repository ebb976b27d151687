import { formatIp, type Ip } from "../lib/ip.ts";
import { ipAt, numberOf } from "./address.ts";
import { type Range, type RangeSet, rangeFor } from "./range.ts";

/**
 * Which address is next. Round robin: what was given back is not given away again before all others were, because
 * neighbours still know it by the old container's MAC.
 */

export interface Candidate {
  readonly ip: Ip;
  readonly range: Range;
}

/**
 * The first that is the one, of all addresses of a set, each once, gateways left out: those after the last one reserved
 * first, itself last. From the start when none was, or one of elsewhere. Undefined when none is.
 */
export function findCandidate(
  set: RangeSet,
  lastReserved: Ip | undefined,
  is: (candidate: Candidate) => boolean,
): Candidate | undefined {
  const known = lastReserved && rangeFor(set, lastReserved);
  const at = known ? set.indexOf(known) : 0;
  const head = set[at];
  if (!head) return undefined;
  const from = known && lastReserved ? numberOf(lastReserved) + 1n : head.first;
  const rest = [...set.slice(at + 1), ...set.slice(0, at)];
  let found = search(head, from, head.last, is);
  for (const range of rest) found ??= search(range, range.first, range.last, is);
  return found ?? search(head, head.first, from - 1n, is);
}

function search(
  range: Range,
  first: bigint,
  last: bigint,
  is: (candidate: Candidate) => boolean,
): Candidate | undefined {
  const { family } = range.start;
  const gateway = range.gateway.family === family ? numberOf(range.gateway) : undefined;
  for (let number = first; number <= last; number++) {
    const candidate = { ip: ipAt(family, number), range };
    if (number !== gateway && is(candidate)) return candidate;
  }
  return undefined;
}

export interface Wishes {
  /** By set; undefined = any address will do. */
  readonly bySet: readonly (Ip | undefined)[];
  /** Those that no set has, or has one already. */
  readonly left: readonly Ip[];
}

/** Each set serves the first address asked for that it has; one that is asked for twice counts once. */
export function matchWishes(sets: readonly RangeSet[], wanted: readonly Ip[]): Wishes {
  const left = new Map(wanted.map((ip) => [formatIp(ip), ip]));
  const bySet = sets.map((set) => {
    const found = [...left].find(([, ip]) => rangeFor(set, ip));
    if (found) left.delete(found[0]);
    return found?.[1];
  });
  return { bySet, left: [...left.values()] };
}
