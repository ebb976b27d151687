import { UnderlayError } from "../lib/errors.ts";
import {
  type Cidr,
  contains,
  formatCidr,
  formatIp,
  hasHostBits,
  type Ip,
  networkOf,
  parseCidr,
  parseIp,
} from "../lib/ip.ts";
import { lastOf, next, numberOf, unmapped } from "./address.ts";

/**
 * A pool of addresses as host-local's configuration has it, with its defaults and in its words: people look for these
 * texts. Source: containernetworking/plugins v1.9.1, host-local, `range.go` and `range_set.go`.
 */

/** As it is written in a configuration; empty = absent. */
export interface RangeText {
  readonly subnet: string;
  readonly rangeStart: string;
  readonly rangeEnd: string;
  readonly gateway: string;
}

export interface Range {
  readonly subnet: Cidr;
  /** Inclusive, and so is the end. */
  readonly start: Ip;
  readonly end: Ip;
  /** Never given away. */
  readonly gateway: Ip;
  readonly first: bigint;
  readonly last: bigint;
}

/** Ranges of one family that share no address; each container gets one address of all of them together. */
export type RangeSet = readonly Range[];

/** Throws `invalid_option`. */
export function parseRange(text: RangeText): Range {
  const subnet = parseSubnet(text.subnet);
  const [start, end] = [optionalIp(text.rangeStart), optionalIp(text.rangeEnd)];
  const bits = subnet.ip.bytes.length * 8;
  if (subnet.prefix > bits - 2) throw wrong(`Network ${formatCidr(subnet)} too small to allocate from`);
  if (hasHostBits(subnet)) {
    const network = formatIp(networkOf(subnet));
    throw wrong(
      `Network has host bits set. For a subnet mask of length ${subnet.prefix} the network address is ${network}`,
    );
  }
  const turned = start && end && start.family === end.family && numberOf(start) > numberOf(end);
  if (start && (turned || !contains(subnet, start))) throw outside("RangeStart", start, subnet);
  if (end && !contains(subnet, end)) throw outside("RangeEnd", end, subnet);
  const range = {
    subnet,
    start: start ?? next(subnet.ip),
    end: end ?? lastOf(subnet),
    gateway: optionalIp(text.gateway) ?? next(subnet.ip),
  };
  const [first, last] = [numberOf(range.start), numberOf(range.end)];
  if (first > last) throw outside("RangeEnd", range.end, subnet);
  return { ...range, first, last };
}

/** Throws `invalid_option`. */
export function parseRangeSet(texts: readonly RangeText[]): RangeSet {
  const ranges = texts.map(parseRange);
  const [head, ...others] = ranges;
  if (!head) throw wrong("empty range set");
  if (others.some((range) => range.start.family !== head.start.family)) throw wrong("mixed address families");
  for (const [i, a] of ranges.entries()) {
    const other = ranges.slice(i + 1).find((b) => rangesOverlap(a, b));
    if (other) throw wrong(`subnets ${formatRange(a)} and ${formatRange(other)} overlap`);
  }
  return ranges;
}

/** All sets of a configuration; no address is in two of them. Throws `invalid_option`. */
export function parseRangeSets(sets: readonly (readonly RangeText[])[]): readonly RangeSet[] {
  if (sets.length === 0) throw wrong("no IP ranges specified");
  const parsed = sets.map((texts, i) => {
    try {
      return parseRangeSet(texts);
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      throw wrong(`invalid range set ${i}: ${message}`, cause);
    }
  });
  for (const [i, a] of parsed.entries()) {
    const j = parsed.findIndex(
      (b, at) => at > i && a.some((one) => b.some((two) => rangesOverlap(one, two))),
    );
    if (j !== -1) throw wrong(`range set ${i} overlaps with ${j}`);
  }
  return parsed;
}

export function rangeHas(range: Range, ip: Ip): boolean {
  if (range.start.family !== ip.family) return false;
  const number = numberOf(ip);
  return range.first <= number && number <= range.last;
}

/** The range of a set that an address is in. */
export function rangeFor(set: RangeSet, ip: Ip): Range | undefined {
  return set.find((range) => rangeHas(range, ip));
}

export function rangesOverlap(a: Range, b: Range): boolean {
  return a.start.family === b.start.family && a.first <= b.last && b.first <= a.last;
}

/** `10.0.0.1-10.0.0.254` */
export function formatRange(range: Range): string {
  return `${formatIp(range.start)}-${formatIp(range.end)}`;
}

export function formatRangeSet(set: RangeSet): string {
  return set.map(formatRange).join(",");
}

function parseSubnet(text: string): Cidr {
  const subnet = parseCidr(text);
  if (!subnet) throw wrong(`invalid CIDR address: ${text}`);
  return subnet;
}

function optionalIp(text: string): Ip | undefined {
  if (text === "") return undefined;
  const ip = parseIp(text);
  if (!ip) throw wrong(`invalid IP address: ${text}`);
  return unmapped(ip);
}

function outside(what: string, ip: Ip, subnet: Cidr): UnderlayError {
  return wrong(`${what} ${formatIp(ip)} not in network ${formatCidr(subnet)}`);
}

function wrong(message: string, cause?: unknown): UnderlayError {
  return new UnderlayError("invalid_option", message, { cause });
}
