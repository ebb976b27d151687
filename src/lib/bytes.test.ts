import { expect, test } from "bun:test";
import fc from "fast-check";
import { concatBytes, equalBytes, fromHex, sha256, toBase32, toHex } from "./bytes.ts";

const bytes = fc.uint8Array({ maxLength: 40 });

test("hex there and back, white space ignored, views of a larger buffer too", () => {
  fc.assert(
    fc.property(bytes, (some) => {
      const view = concatBytes([new Uint8Array(3), some, new Uint8Array(3)]).subarray(3, 3 + some.length);
      expect(fromHex(toHex(view))).toEqual(some);
    }),
  );
  expect(fromHex(" 00 ff\n10 ")).toEqual(Uint8Array.of(0, 255, 16));
});

// RFC 4648 section 10, in lower case and without padding.
test.each([
  ["", ""],
  ["f", "my"],
  ["fo", "mzxq"],
  ["foo", "mzxw6"],
  ["foob", "mzxw6yq"],
  ["fooba", "mzxw6ytb"],
  ["foobar", "mzxw6ytboi"],
])("base32 of %p", (text, expected) => {
  const whole = toBase32(new Uint8Array(Buffer.from(text)), 100);
  // The standard fills the last character with zero bits; we give whole characters only.
  expect(expected.startsWith(whole)).toBe(true);
  expect(expected.length - whole.length).toBeLessThanOrEqual(1);
});

test("base32 has the length asked for when there are bits enough", () => {
  expect(toBase32(sha256("x"), 12)).toMatch(/^[a-z2-7]{12}$/);
  expect(toBase32(fromHex("ffffffff"), 6)).toBe("777777");
});

test("a hash tells its parts apart", () => {
  expect(toHex(sha256("ab", "c"))).not.toBe(toHex(sha256("a", "bc")));
  expect(toHex(sha256("1:a"))).not.toBe(toHex(sha256("", "a")));
  expect(sha256("é")).toHaveLength(32);
});

test("equal is equal", () => {
  fc.assert(fc.property(bytes, bytes, (a, b) => expect(equalBytes(a, b)).toBe(toHex(a) === toHex(b))));
});
