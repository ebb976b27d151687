import { expect, test } from "bun:test";
import fc from "fast-check";
import { formatAge, parseDuration } from "./duration.ts";

test.each([
  ["60s", 60_000],
  ["2m", 120_000],
  ["500ms", 500],
  ["1m30s", 90_000],
  ["1.5h", 5_400_000],
  ["0s", 0],
])("%s is %i ms", (text, milliseconds) => {
  expect(parseDuration(text)).toBe(milliseconds);
});

test.each(["", "60", "60 s", "s", "-1s", "1d", "1s2", "1e3s", ".5s", "1m 30s", "9999999999s"])(
  "%p is no duration",
  (text) => {
    expect(parseDuration(text)).toBeUndefined();
  },
);

test("any text is a finite number or none", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(..."0123456789.mshd- ") }), (text) => {
      const found = parseDuration(text);
      expect(found === undefined || Number.isFinite(found)).toBe(true);
    }),
  );
});

test.each([
  [-5, "0s"],
  [12_400, "12s"],
  [60_000, "1m"],
  [95_000, "1m35s"],
  [45 * 60_000 + 9000, "45m"],
  [3 * 3_600_000 + 20 * 60_000, "3h20m"],
  [52 * 3_600_000, "2d4h"],
])("%i ms ago is %s", (milliseconds, text) => {
  expect(formatAge(milliseconds)).toBe(text);
});
