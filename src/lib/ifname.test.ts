import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  gatewayLinkNameOf,
  ifnameProblem,
  isHostLinkName,
  isOurLinkName,
  isSwitchPortName,
  linkNameOf,
  overlayNamesOf,
  ovsBridgeNameOf,
  switchPortNameOf,
  tunnelNameOf,
} from "./ifname.ts";

test.each([
  ["", "a link name cannot be empty"],
  ["a-name-of-17-char", 'link name "a-name-of-17-char" is longer than 15 bytes'],
  ["éééééééé", 'link name "éééééééé" is longer than 15 bytes'],
  ["..", '".." is not a link name'],
  ["all", '"all" is not a link name'],
  ["eth0:1", 'link name "eth0:1" has a slash, colon, NUL or white space in it'],
  ["eth%d", 'link name "eth%d" has a % in it, which the kernel takes for a pattern'],
  ["voilà", 'link name "voilà" has a letter in it whose UTF-8 bytes the kernel takes for white space'],
])("%p: %s", (name, problem) => expect(ifnameProblem(name)).toBe(problem));

test.each(["eth0", "eth0.10", "Wi-Fi", "ü", "..."])("%p is fine", (name) => {
  expect(ifnameProblem(name)).toBeUndefined();
});

test("a birth mark is a link name, ours, and the owner's alone", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (one, other) => {
      const name = linkNameOf(one);
      expect(ifnameProblem(name)).toBeUndefined();
      expect(isOurLinkName(name)).toBe(true);
      expect(linkNameOf(other) === name).toBe(one === other);
    }),
  );
  expect(
    ["ul-", "ul-trial", "ul-abcdefghijk1", "xul-abcdefghijkl", "ul-abcdefghijklm"].some(isOurLinkName),
  ).toBe(false);
});

test("names of a switch's ports and bridges are link names, and nobody takes one for another's", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (owner, peer) => {
      const others = [tunnelNameOf(owner, peer), ovsBridgeNameOf(owner), gatewayLinkNameOf(owner)];
      const names = [switchPortNameOf(owner), ...others, ...Object.values(overlayNamesOf(owner))];
      for (const name of names) expect(ifnameProblem(name)).toBeUndefined();
      expect(names.map(isSwitchPortName)).toEqual(names.map((_, i) => i === 0));
      expect(names.some((name) => isOurLinkName(name) || isHostLinkName(name))).toBe(false);
    }),
  );
});
