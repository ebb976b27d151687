import { expect, test } from "bun:test";
import fc from "fast-check";
import { quote, word } from "./quote.ts";

test("a quoted text is one line without control characters, however odd it was", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 100 }), (text) => {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
      expect(quote(text)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
      expect(quote(text).length).toBeLessThanOrEqual(65 * 6 + 2);
    }),
  );
});

test("long texts are cut", () => {
  expect(quote("x".repeat(1000))).toBe(`"${"x".repeat(64)}…"`);
});

test("plain words need no quotes, others do", () => {
  expect(word("com.docker.network.driver.mtu")).toBe("com.docker.network.driver.mtu");
  expect(word("a b")).toBe('"a b"');
  expect(word("")).toBe('""');
  expect(word("a\nb")).toBe('"a\\nb"');
});
