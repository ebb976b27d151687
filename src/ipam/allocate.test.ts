import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatIp, type Ip, parseIp } from "../lib/ip.ts";
import { findCandidate, matchWishes } from "./allocate.ts";
import { parseRangeSet, parseRangeSets, type RangeText } from "./range.ts";

const text = (subnet: string, more: Partial<RangeText> = {}): RangeText => ({
  subnet,
  rangeStart: "",
  rangeEnd: "",
  gateway: "",
  ...more,
});
function ip(address: string): Ip {
  const parsed = parseIp(address);
  if (!parsed) throw new Error(`${address} is no address`);
  return parsed;
}
const lastOf = (text: string | undefined) => (text === undefined ? undefined : ip(text));
function order(subnets: readonly RangeText[], last?: string): string[] {
  const seen: string[] = [];
  findCandidate(parseRangeSet(subnets), lastOf(last), (one) => {
    seen.push(formatIp(one.ip));
    return false;
  });
  return seen;
}
function firstFree(subnets: readonly string[], taken: readonly string[], last?: string): string | undefined {
  const set = parseRangeSet(subnets.map((subnet) => text(subnet)));
  const found = findCandidate(set, lastOf(last), (one) => !taken.includes(formatIp(one.ip)));
  return found && formatIp(found.ip);
}

describe("the order in which addresses are tried", () => {
  const pool = [text("192.168.1.0/29")];
  test.each([
    ["from the start", undefined, [2, 3, 4, 5, 6]],
    ["after the last, which is the end", "192.168.1.6", [2, 3, 4, 5, 6]],
    ["after one in the middle, itself last", "192.168.1.3", [4, 5, 6, 2, 3]],
    ["after the gateway", "192.168.1.1", [2, 3, 4, 5, 6]],
  ])("%s", (_, last, hosts) => {
    expect(order(pool, last)).toEqual(hosts.map((host) => `192.168.1.${host}`));
  });

  test("goes on in the next range at the end of one, and begins at a network address that is asked for", () => {
    const ranges = [
      text("192.168.1.0/30", { rangeStart: "192.168.1.0", rangeEnd: "192.168.1.3" }),
      text("192.168.2.0/30", { rangeStart: "192.168.2.0", rangeEnd: "192.168.2.3" }),
    ];
    expect(order(ranges, "192.168.1.3")[0]).toBe("192.168.2.0");
    expect(order(ranges)[0]).toBe("192.168.1.0");
  });

  test.each<[string[], string[], string | undefined, string | undefined]>([
    [["10.0.0.0/29"], [], undefined, "10.0.0.2"],
    [["2001:db8:1::/64"], [], undefined, "2001:db8:1::2"],
    [["10.0.0.0/30"], [], undefined, "10.0.0.2"],
    [["10.0.0.0/29"], ["10.0.0.2"], undefined, "10.0.0.3"],
    [["10.0.0.0/29"], [], "10.0.0.5", "10.0.0.6"],
    [["10.0.0.0/29"], ["10.0.0.4", "10.0.0.5"], "10.0.0.3", "10.0.0.6"],
    [["10.0.0.0/29"], ["10.0.0.6"], "10.0.0.5", "10.0.0.2"],
    [["10.0.0.0/29"], ["10.0.0.2"], "10.0.0.128", "10.0.0.3"],
    [["10.0.0.0/29"], ["10.0.0.2", "10.0.0.4", "10.0.0.5", "10.0.0.6"], "10.0.0.3", "10.0.0.3"],
    [["10.0.0.0/30", "10.0.1.0/30"], [], undefined, "10.0.0.2"],
    [["10.0.0.0/30", "10.0.1.0/30"], [], "10.0.0.2", "10.0.1.2"],
    [["10.0.0.0/30", "10.0.1.0/30", "10.0.2.0/30"], [], "10.0.2.2", "10.0.0.2"],
    [["10.0.0.0/30"], ["10.0.0.2"], undefined, undefined],
    [["10.0.0.0/30", "10.0.1.0/30"], ["10.0.0.2", "10.0.1.2"], "10.0.0.2", undefined],
  ])("%p with %p taken, last %p: %p", (subnets, taken, last, expected) => {
    expect(firstFree(subnets, taken, last)).toBe(expected);
  });

  test("has every address of the set once, gateways never, the last reserved at the end", () => {
    const range = fc.record({ third: fc.nat(3), prefix: fc.integer({ min: 26, max: 30 }) });
    const ranges = fc.uniqueArray(range, { selector: ({ third }) => third, minLength: 1 });
    fc.assert(
      fc.property(ranges, fc.nat(), fc.boolean(), (some, pick, hasLast) => {
        const texts = some.map(({ third, prefix }) => text(`10.0.${third}.0/${prefix}`));
        const all = order(texts);
        const last = hasLast ? all[pick % all.length] : undefined;
        const turned = order(texts, last);
        expect(turned.toSorted()).toEqual(all.toSorted());
        expect(new Set(turned).size).toBe(turned.length);
        expect(turned.some((address) => address.endsWith(".1"))).toBe(false);
        if (last !== undefined) expect(turned.at(-1)).toBe(last);
      }),
    );
  });

  test("does not count through an IPv6 subnet before it answers", () => {
    const set = parseRangeSet([text("2001:db8::/32")]);
    const first = findCandidate(set, ip("2001:db8:ffff::"), () => true);
    expect(first && formatIp(first.ip)).toBe("2001:db8:ffff::1");
  });
});

describe("addresses asked for", () => {
  const sets = parseRangeSets([
    [text("10.1.2.0/24"), text("10.2.2.0/24")],
    [text("2001:db8:1::/64")],
    [text("10.3.0.0/24")],
  ]);

  test("are served by the set that has them, one by each", () => {
    const wishes = matchWishes(sets, ["2001:db8:1::999", "10.2.2.88", "10.1.2.9", "10.2.2.88"].map(ip));
    expect(wishes.bySet.map((one) => one && formatIp(one))).toEqual([
      "10.2.2.88",
      "2001:db8:1::999",
      undefined,
    ]);
    expect(wishes.left.map(formatIp)).toEqual(["10.1.2.9"]);
  });

  test("of no set are left", () => {
    expect(matchWishes(sets, [ip("192.0.2.1")]).left.map(formatIp)).toEqual(["192.0.2.1"]);
  });

  test.each(["192.168.1.2", "192.168.1.6"])(
    "outside of the range of their subnet are left: %s",
    (address) => {
      const bounds = { rangeStart: "192.168.1.3", rangeEnd: "192.168.1.5" };
      const narrow = parseRangeSets([[text("192.168.1.0/29", bounds)]]);
      expect(matchWishes(narrow, [ip(address)])).toEqual({ bySet: [undefined], left: [ip(address)] });
    },
  );
});
