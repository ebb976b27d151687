import { expect, test } from "bun:test";
import fc from "fast-check";
import { quote, shellWord, word } from "./quote.ts";

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

test.each([
  ["lan", "lan"],
  ["parent=eth0.50", "parent=eth0.50"],
  ["fd00::/64", "fd00::/64"],
  ["", "''"],
  ["~", "'~'"],
  ["two words", "'two words'"],
  ["it's", "'it'\\''s'"],
  ["$HOME `id` \\", "'$HOME `id` \\'"],
  ["\u001b[31m'\\", "$'\\033[31m\\'\\\\'"],
  ["a\nb\u2028", "$'a\\012b\\342\\200\\250'"],
])("%j as a word of a shell is %s", (text, expected) => {
  expect(shellWord(text)).toBe(expected);
});

test("a shell reads back what was quoted, and nothing of it moves a terminal", () => {
  const texts = fc
    .string({ unit: "binary", minLength: 0, maxLength: 40 })
    .map((text) => text.replaceAll("\0", ""));
  const lists = fc.array(texts, { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(lists, (words) => {
      const line = words.map(shellWord).join(" ");
      expect(line).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
      const { stdout } = Bun.spawnSync(["bash", "-c", `printf '%s\\0' ${line}`]);
      expect(stdout.toString().split("\0").slice(0, -1)).toEqual(words.map((each) => each.toWellFormed()));
    }),
    { numRuns: 30 },
  );
});
