import { expect, test } from "bun:test";
import fc from "fast-check";
import { didYouMean, nearest } from "./nearest.ts";

const OPTIONS = ["parent", "macvlan_mode", "mode", "mtu", "allow", "host_iface"];

test.each([
  ["parnet", "parent"],
  ["Parent", "parent"],
  ["paren", "parent"],
  ["macvlan-mode", "macvlan_mode"],
  ["mdoe", "mode"],
  ["mut", "mtu"],
  ["alow", "allow"],
])("%s means %s", (typed, meant) => expect(nearest(typed, OPTIONS)).toBe(meant));

test.each(["subnet", "x", "", "hostinterface", "xyzzy"])("%p means none of them", (typed) => {
  expect(nearest(typed, OPTIONS)).toBeUndefined();
  expect(didYouMean(typed, OPTIONS)).toBe("");
});

test("a word that is known means itself", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.string({ minLength: 1, maxLength: 12 }), {
        minLength: 1,
        selector: (word) => word.toLowerCase(),
      }),
      fc.nat(),
      (known, pick) => {
        const word = known[pick % known.length] ?? "";
        expect(nearest(word, known)).toBe(word);
      },
    ),
  );
});

test("one letter lost, added, changed or swapped is found again", () => {
  const [word, swapped] = ["macvlan_mode", "amcvlan_mode"];
  for (const typed of [word.slice(1), `${word}s`, word.replace("v", "w"), swapped]) {
    expect(didYouMean(typed, OPTIONS)).toBe(", did you mean macvlan_mode?");
  }
});
