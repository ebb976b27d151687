import { expect, test } from "bun:test";
import fc from "fast-check";
import { isStrayOf, ownerOf } from "./owner.ts";

const word = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,300}$/);
const attachment = fc.record({ containerId: word, ifname: fc.stringMatching(/^[a-z0-9]{1,15}$/) });
const id = (containerId: string, ifname = "eth0") => ({ containerId, ifname });

test("an owner names its network, container and interface", () => {
  expect(ownerOf("lan", id("abc"))).toBe("cni:lan/abc/eth0");
});

test("an owner fits into the alias of a link, and two of them are never the same", () => {
  fc.assert(
    fc.property(word, attachment, word, attachment, (net, one, otherNet, other) => {
      const owners = [ownerOf(net, one), ownerOf(otherNet, other)] as const;
      for (const owner of owners) expect(`underlay ${owner}`.length).toBeLessThan(256);
      expect(owners[0] === owners[1]).toBe(net === otherNet && Bun.deepEquals(one, other));
    }),
  );
  const long = "x".repeat(300);
  expect(ownerOf("lan", id(long))).not.toBe(ownerOf("lan", id(`${long}y`)));
});

test("strays are of the same network, and not among those that live", () => {
  const long = "n".repeat(200);
  const isStray = isStrayOf(long, [id("a"), id("c".repeat(200))]);
  for (const living of ["a", "c".repeat(200)]) expect(isStray(ownerOf(long, id(living)))).toBe(false);
  expect(isStray(ownerOf(long, id("b")))).toBe(true);
  expect(isStray(ownerOf(long, id("a", "eth1")))).toBe(true);
  expect(isStray(ownerOf(`${long}n`, id("b")))).toBe(false);
  expect(isStrayOf("lan", [])(ownerOf("lan2", id("b")))).toBe(false);
});
