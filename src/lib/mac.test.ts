import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  deriveMac,
  derivePortMac,
  isMulticastMac,
  isZeroMac,
  type Mac,
  macBytes,
  macFromBytes,
  parseMac,
} from "./mac.ts";

function mac(text: string): Mac {
  const parsed = parseMac(text);
  if (parsed === undefined) throw new Error(`${text} is no MAC address`);
  return parsed;
}

test("a MAC is read with colons or dashes, in any case, and written one way", () => {
  expect(mac("02-AA-bb-0C-1d-FF")).toBe(mac("02:aa:bb:0c:1d:ff"));
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (bytes) => {
      const written = macFromBytes(bytes);
      expect(written).toMatch(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/);
      expect(macBytes(mac(written ?? ""))).toEqual(bytes);
    }),
  );
});

test.each([
  "",
  "02:aa:bb:0c:1d",
  "02:aa:bb:0c:1d:ff:00",
  "02:aa:bb:0c:1d:fg",
  "2:aa:bb:0c:1d:ff",
  "02aabb0c1dff",
  " 02:aa:bb:0c:1d:ff",
])("%p is none", (text) => expect(parseMac(text)).toBeUndefined());

test("a link-layer address of another length has no MAC", () => {
  for (const length of [0, 1, 5, 7, 8, 20]) expect(macFromBytes(new Uint8Array(length))).toBeUndefined();
});

test("the group bit is the lowest of the first byte", () => {
  expect(
    [mac("01:00:5e:00:00:01"), mac("ff:ff:ff:ff:ff:ff"), mac("33:33:00:00:00:01")].every(isMulticastMac),
  ).toBe(true);
  expect([mac("02:00:00:00:00:01"), mac("fe:00:00:00:00:01")].some(isMulticastMac)).toBe(false);
  expect(isZeroMac(mac("00:00:00:00:00:00"))).toBe(true);
  expect(isZeroMac(mac("00:00:00:00:00:01"))).toBe(false);
});

describe("a derived MAC", () => {
  const parts = fc.array(fc.string(), { minLength: 1, maxLength: 4 });

  test("is locally administered, of one host, and the same for the same parts", () => {
    fc.assert(
      fc.property(parts, (some) => {
        const derived = deriveMac(...some);
        expect((macBytes(derived)[0] ?? 0) & 0x03).toBe(0x02);
        expect(deriveMac(...some)).toBe(derived);
      }),
    );
  });

  test("differs when the parts differ, also where only the border between them does", () => {
    expect(deriveMac("ab", "c")).not.toBe(deriveMac("a", "bc"));
    expect(deriveMac("a", "")).not.toBe(deriveMac("a"));
    fc.assert(
      fc.property(parts, parts, (one, other) => {
        fc.pre(JSON.stringify(one) !== JSON.stringify(other));
        expect(deriveMac(...one)).not.toBe(deriveMac(...other));
      }),
    );
  });

  test("stays what it is: caches of a LAN remember it from one version to the next", () => {
    expect(deriveMac("seed", "docker:net", "10.0.0.2")).toBe(mac("0a:ba:b0:b4:0d:c9"));
  });
});

test("a port's address is above those of NICs, and a unicast one", () => {
  fc.assert(
    fc.property(fc.string(), (part) => {
      expect(derivePortMac(part)).toStartWith("fe:");
      expect(isMulticastMac(derivePortMac(part))).toBe(false);
    }),
  );
});

test("a port's address is never that of the container behind it, which may begin alike", () => {
  const owners = Array.from({ length: 1000 }, (_, i) => String(i));
  const alike = owners.filter((owner) => deriveMac(owner).startsWith("fe:"));
  expect(alike).not.toEqual([]);
  for (const owner of alike) expect(derivePortMac(owner).slice(3)).not.toBe(deriveMac(owner).slice(3));
});
