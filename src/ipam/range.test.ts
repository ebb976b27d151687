import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatCidr, formatIp, type Ip, parseIp } from "../lib/ip.ts";
import { ipAt, lastOf, next, numberOf, unmapped } from "./address.ts";
import {
  formatRange,
  formatRangeSet,
  parseRange,
  parseRangeSet,
  parseRangeSets,
  type RangeText,
  rangeFor,
  rangeHas,
  rangesOverlap,
} from "./range.ts";

const text = (subnet: string, more: Partial<RangeText> = {}): RangeText => ({
  subnet,
  rangeStart: "",
  rangeEnd: "",
  gateway: "",
  ...more,
});
const range = (...given: Parameters<typeof text>) => parseRange(text(...given));
const span = (rangeStart: string, rangeEnd: string) => ({ rangeStart, rangeEnd });
function ip(address: string): Ip {
  const parsed = parseIp(address);
  if (!parsed) throw new Error(`${address} is no address`);
  return parsed;
}

describe("a range", () => {
  test.each([
    ["192.0.2.0/24", "192.0.2.1", "192.0.2.254", "192.0.2.1"],
    ["192.0.2.0/25", "192.0.2.1", "192.0.2.126", "192.0.2.1"],
    ["192.0.2.12/30", "192.0.2.13", "192.0.2.14", "192.0.2.13"],
    ["2001:db8:1::/64", "2001:db8:1::1", "2001:db8:1:0:ffff:ffff:ffff:ffff", "2001:db8:1::1"],
  ])("of %s alone has its defaults", (subnet, start, end, gateway) => {
    const made = range(subnet);
    expect([made.start, made.end, made.gateway].map(formatIp)).toEqual([start, end, gateway]);
  });

  test("takes all that is given", () => {
    const made = range("192.0.2.0/24", { ...span("192.0.2.40", "192.0.2.50"), gateway: "192.0.2.254" });
    expect(formatCidr(made.subnet)).toBe("192.0.2.0/24");
    expect(formatRange(made)).toBe("192.0.2.40-192.0.2.50");
    expect(formatIp(made.gateway)).toBe("192.0.2.254");
  });

  test("may begin at the network's own address, and have its gateway elsewhere", () => {
    const made = range("10.0.0.0/30", { rangeStart: "10.0.0.0", gateway: "192.168.0.1" });
    expect(formatRange(made)).toBe("10.0.0.0-10.0.0.2");
    expect(formatIp(made.gateway)).toBe("192.168.0.1");
  });

  const hostBits = (length: number, network: string) =>
    `Network has host bits set. For a subnet mask of length ${length} the network address is ${network}`;
  test.each<[string, Partial<RangeText>, string]>([
    ["192.0.2.0/31", {}, "Network 192.0.2.0/31 too small to allocate from"],
    ["192.0.2.0/32", {}, "Network 192.0.2.0/32 too small to allocate from"],
    ["2001:db8::/127", {}, "Network 2001:db8::/127 too small to allocate from"],
    ["192.0.2.12/24", {}, hostBits(24, "192.0.2.0")],
    ["2001:db8:1::24:19/64", {}, hostBits(64, "2001:db8:1::")],
    ["192.0.2.0/24", { rangeStart: "192.0.3.0" }, "RangeStart 192.0.3.0 not in network 192.0.2.0/24"],
    ["192.0.2.0/24", { rangeStart: "2001:db8::1" }, "RangeStart 2001:db8::1 not in network 192.0.2.0/24"],
    ["192.0.2.0/24", { rangeEnd: "192.0.4.0" }, "RangeEnd 192.0.4.0 not in network 192.0.2.0/24"],
    ["192.0.2.0/24", { rangeEnd: "192.0.2.0" }, "RangeEnd 192.0.2.0 not in network 192.0.2.0/24"],
    ["192.0.2.0/24", span("192.0.2.50", "192.0.2.40"), "RangeStart 192.0.2.50 not in network 192.0.2.0/24"],
    ["192.0.2.0", {}, "invalid CIDR address: 192.0.2.0"],
    ["", {}, "invalid CIDR address: "],
    ["192.0.02.0/24", {}, "invalid CIDR address: 192.0.02.0/24"],
    ["192.0.2.0/24", { gateway: "nowhere" }, "invalid IP address: nowhere"],
    ["192.0.2.0/24", { rangeEnd: "192.0.2.256" }, "invalid IP address: 192.0.2.256"],
  ])("of %s %p is refused", (subnet, more, message) => {
    expect(() => range(subnet, more)).toThrow(new Error(message));
  });

  test.each([
    ["192.0.2.40", true],
    ["192.0.2.50", true],
    ["192.0.2.45", true],
    ["192.0.2.39", false],
    ["192.0.2.51", false],
    ["192.0.3.45", false],
    ["::c000:228", false],
  ])("has %s: %p", (address, expected) => {
    expect(rangeHas(range("192.0.2.0/24", span("192.0.2.40", "192.0.2.50")), ip(address))).toBe(expected);
  });

  test.each([
    ["2001:db8:1::40", true],
    ["2001:db8:1::1:0", true],
    ["2001:db8:1::3f", false],
    ["2001:db8:1::1:1", false],
    ["2001:db8:2::45", false],
  ])("of IPv6 has %s: %p", (address, expected) => {
    expect(rangeHas(range("2001:db8:1::/64", span("2001:db8:1::40", "2001:db8:1::1:0")), ip(address))).toBe(
      expected,
    );
  });

  const net = "192.168.0.0/24";
  test.each([
    ["10.2.2.0/24", "10.2.3.0/24", false],
    ["10.2.2.0/24", "2001:db8::/64", false],
    ["192.168.0.0/20", "192.168.0.0/20", true],
    ["192.168.0.0/20", "192.168.2.0/24", true],
    ["192.168.2.0/24", "192.168.0.0/20", true],
  ])("%s beside %s overlaps: %p", (a, b, expected) => {
    expect(rangesOverlap(range(a), range(b))).toBe(expected);
  });
  test.each([
    [span("192.168.0.2", "192.168.0.10"), span("192.168.0.11", "192.168.0.20"), false],
    [span("192.168.0.2", "192.168.0.10"), span("192.168.0.10", "192.168.0.20"), true],
    [span("192.168.0.2", "192.168.0.100"), span("192.168.0.10", "192.168.0.20"), true],
  ])("%p beside %p of one subnet overlaps: %p", (a, b, expected) => {
    expect(rangesOverlap(range(net, a), range(net, b))).toBe(expected);
    expect(rangesOverlap(range(net, b), range(net, a))).toBe(expected);
  });
});

describe("a range set", () => {
  test("knows what is in it", () => {
    const set = parseRangeSet([text("192.168.0.0/24"), text("172.16.1.0/24")]);
    expect(rangeFor(set, ip("192.168.0.1"))).toBe(set[0]);
    expect(rangeFor(set, ip("172.16.1.77"))).toBe(set[1]);
    expect(rangeFor(set, ip("192.168.99.99"))).toBeUndefined();
    expect(formatRangeSet(set)).toBe("192.168.0.1-192.168.0.254,172.16.1.1-172.16.1.254");
  });

  test.each<[RangeText[], string]>([
    [[], "empty range set"],
    [[text("192.168.0.0/24"), text("2001:db8::/64")], "mixed address families"],
    [
      [text("192.168.0.0/20"), text("192.168.2.0/24")],
      "subnets 192.168.0.1-192.168.15.254 and 192.168.2.1-192.168.2.254 overlap",
    ],
  ])("is refused", (texts, message) => {
    expect(() => parseRangeSet(texts)).toThrow(new Error(message));
  });

  test.each<[RangeText[][], string]>([
    [[], "no IP ranges specified"],
    [[[text("10.0.0.0/24")], []], "invalid range set 1: empty range set"],
    [[[text("10.0.0.0/31")]], "invalid range set 0: Network 10.0.0.0/31 too small to allocate from"],
    [[[text("10.0.0.0/16")], [text("10.1.0.0/16")], [text("10.0.3.0/24")]], "range set 0 overlaps with 2"],
    [[[text("10.1.0.0/16")], [text("10.0.0.0/16")], [text("10.0.3.0/24")]], "range set 1 overlaps with 2"],
  ])("among others is refused", (texts, message) => {
    expect(() => parseRangeSets(texts)).toThrow(new Error(message));
  });
});

describe("addresses as numbers", () => {
  const anyIp = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes): Ip => ({ family: 4, bytes })),
    fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes): Ip => ({ family: 6, bytes })),
  );

  test("come back as they were", () => {
    fc.assert(
      fc.property(anyIp, (address) => expect(ipAt(address.family, numberOf(address))).toEqual(address)),
    );
  });

  test("are counted across bytes, and past the last one to the first", () => {
    expect(formatIp(next(ip("10.0.255.255")))).toBe("10.1.0.0");
    expect(formatIp(next(ip("255.255.255.255")))).toBe("0.0.0.0");
    expect(formatIp(lastOf({ ip: ip("10.0.0.0"), prefix: 8 }))).toBe("10.255.255.254");
  });

  test("of IPv4 written as IPv6 are of IPv4", () => {
    expect(formatIp(unmapped(ip("::ffff:10.0.0.1")))).toBe("10.0.0.1");
    expect(formatIp(unmapped(ip("::fffe:10.0.0.1")))).toBe("::fffe:a00:1");
  });
});
