import { describe, expect, test } from "bun:test";
import { isIP } from "node:net";
import fc from "fast-check";
import {
  type Cidr,
  contains,
  formatCidr,
  formatIp,
  hasHostBits,
  type Ip,
  isUnspecified,
  networkOf,
  overlaps,
  parseCidr,
  parseIp,
  sameIp,
} from "./ip.ts";

function known<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("a value of the test itself does not parse");
  return value;
}
const ip = (text: string): Ip => known(parseIp(text));
const cidr = (text: string): Cidr => known(parseCidr(text));

/** Many zero words, so that runs of them meet and compete. */
const word = fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(0xffff) });
const v6 = fc
  .array(word, { minLength: 8, maxLength: 8 })
  .map((words): Ip => ({ family: 6, bytes: Uint8Array.from(words.flatMap((w) => [w >> 8, w & 255])) }));
const v4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes): Ip => ({ family: 4, bytes }));
const cidrs = fc.oneof(fc.record({ ip: v4, prefix: fc.nat(32) }), fc.record({ ip: v6, prefix: fc.nat(128) }));

const numberOf = (of: Ip) => of.bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
const rangeOf = ({ ip: base, prefix }: Cidr): [first: bigint, last: bigint] => {
  const host = BigInt(base.bytes.length * 8 - prefix);
  const first = (numberOf(base) >> host) << host;
  return [first, first + (1n << host) - 1n];
};

describe("an address", () => {
  test("formatted and parsed again is the same", () => {
    fc.assert(fc.property(fc.oneof(v4, v6), (one) => expect(parseIp(formatIp(one))).toEqual(one)));
  });

  test("of IPv6 is formatted as RFC 5952 says, which the URL parser does too", () => {
    fc.assert(
      fc.property(v6, (one) => {
        expect(`[${formatIp(one)}]`).toBe(new URL(`http://[${formatIp(one)}]/`).hostname);
      }),
      { numRuns: 500 },
    );
  });

  test("is what node:net takes for one, zones apart", () => {
    const near = fc
      .array(
        fc.constantFrom(
          "0",
          "1",
          "12",
          "255",
          "256",
          "01",
          ".",
          ":",
          "::",
          "f",
          "abcd",
          "g",
          "00000",
          "-",
          " ",
        ),
        { maxLength: 12 },
      )
      .map((parts) => parts.join(""));
    const bent = fc
      .tuple(fc.oneof(v4, v6), fc.nat(), fc.constantFrom("", ".", ":", "0", "x"))
      .map(([one, at, put]) => {
        const text = formatIp(one);
        const cut = at % text.length;
        return text.slice(0, cut) + put + text.slice(cut + 1);
      });
    fc.assert(
      fc.property(fc.oneof(near, bent), (text) => {
        expect([text, parseIp(text)?.family ?? 0]).toEqual([text, isIP(text) as 0 | 4 | 6]);
      }),
      { numRuns: 3000 },
    );
    expect(parseIp("fe80::1%eth0")).toBeUndefined();
  });

  test.each([
    ["::", "::"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["2001:DB8::0001", "2001:db8::1"],
    ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
    ["1:0:2:0:3:0:4:0", "1:0:2:0:3:0:4:0"],
    ["::ffff:10.0.0.1", "::ffff:a00:1"],
    ["10.0.0.1", "10.0.0.1"],
  ])("%s is written %s", (text, written) => expect(formatIp(ip(text))).toBe(written));

  test.each([
    "",
    "1",
    "1.2.3",
    "1.2.3.4.5",
    "01.2.3.4",
    "1.2.3.256",
    "1::2::3",
    ":::",
    "1:2:3:4:5:6:7",
    "::1.2.3",
    "12345::",
    "1:2:3:4:5:6:7::8:9",
  ])("%p is none", (text) => expect(parseIp(text)).toBeUndefined());

  test("is unspecified when all of it is zero", () => {
    expect([ip("::"), ip("0.0.0.0"), ip("::1"), ip("0.0.0.1")].map(isUnspecified)).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});

describe("a prefix", () => {
  test("formatted and parsed again is the same, host bits and all", () => {
    fc.assert(fc.property(cidrs, (one) => expect(parseCidr(formatCidr(one))).toEqual(one)));
  });

  test.each([
    "10.0.0.0",
    "10.0.0.0/",
    "10.0.0.0/33",
    "10.0.0.0/01",
    "10.0.0.0/-1",
    "::/129",
    "/24",
    "10.0.0.0/24/24",
    "10.0.0.0/ 24",
  ])("%p is none", (text) => expect(parseCidr(text)).toBeUndefined());

  test("has the network that counting says", () => {
    fc.assert(
      fc.property(cidrs, (one) => {
        const [first] = rangeOf(one);
        expect(numberOf(networkOf(one))).toBe(first);
        expect(hasHostBits(one)).toBe(numberOf(one.ip) !== first);
      }),
    );
  });

  test("contains and overlaps what counting says", () => {
    const nearby = fc.tuple(cidrs, fc.nat(128), fc.nat(127)).map(([one, prefix, bit]): [Cidr, Cidr] => {
      const bits = one.ip.bytes.length * 8;
      const bytes = one.ip.bytes.slice();
      const at = bit % bits;
      bytes[at >> 3] = (bytes[at >> 3] ?? 0) ^ (0x80 >> (at & 7));
      return [one, { ip: { ...one.ip, bytes }, prefix: prefix % (bits + 1) }];
    });
    fc.assert(
      fc.property(fc.oneof(nearby, fc.tuple(cidrs, cidrs)), ([a, b]) => {
        const [[aFirst, aLast], [bFirst, bLast], there] = [rangeOf(a), rangeOf(b), numberOf(b.ip)];
        const sameFamily = a.ip.family === b.ip.family;
        expect(overlaps(a, b)).toBe(sameFamily && aFirst <= bLast && bFirst <= aLast);
        expect(overlaps(b, a)).toBe(overlaps(a, b));
        expect(contains(a, b.ip)).toBe(sameFamily && aFirst <= there && there <= aLast);
      }),
      { numRuns: 1000 },
    );
  });

  test("of one family never contains an address of the other", () => {
    expect(contains(cidr("0.0.0.0/0"), ip("::"))).toBe(false);
    expect(overlaps(cidr("::/0"), cidr("0.0.0.0/0"))).toBe(false);
    expect(sameIp(ip("0.0.0.0"), ip("::"))).toBe(false);
  });
});
