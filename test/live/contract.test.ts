import { describe, expect, test } from "bun:test";
import { until } from "../ground/until.ts";
import type { Box } from "./contract/box.ts";
import { ROWS } from "./contract/rows.ts";
import { contractScene } from "./contract/scene.ts";
import type { Given, Net } from "./contract/subject.ts";

/**
 * What every driver promises, whoever speaks to it: in the same words for each, by each protocol. After each test all is
 * taken away, and nothing may be left: see the scene.
 */

const MAC = "02:11:22:33:44:55";

async function expectReaches(from: Box, to: Given): Promise<void> {
  for (const address of to.addresses) {
    const bare = address.replace(/\/.*/, "");
    await until(`${bare} answers`, () => from.pings(bare));
  }
}

describe.each([...ROWS])("$name", (row) => {
  const now = contractScene(row);

  async function neighbour() {
    const container = await now().box();
    return { container, given: await now().attached(container) };
  }

  /** A container that is attached, and what there is of it. */
  async function one(wish: { readonly net?: Net; readonly again?: boolean; readonly mac?: string } = {}) {
    const { box, attached, traces } = now();
    const container = await box();
    const before = await traces();
    const given = await attached(container, wish);
    const made = (await traces()).length - before.length;
    return { container, given, before, made };
  }

  test("a link is as it was asked for, and reaches its neighbour", async () => {
    const { box, attached } = now();
    const [a, b] = [await box(), await box()];
    const first = await attached(a, row.takesMac ? { mac: MAC } : {});
    if (row.takesMac) expect(first.mac).toBe(MAC);
    await expectReaches(a, await attached(b));
  });

  test("asked for twice it is one: the same link, the same addresses", async () => {
    await neighbour();
    const once = await one();
    const twice = await one({ again: true });
    expect(once.made).toBeGreaterThan(0);
    expect(twice.made).toBe(once.made);
  });

  test("taken away it is gone, also when it is said again or of one that never was; its neighbours stay", async () => {
    const { box, detach, traces, expectWhole } = now();
    const stays = await neighbour();
    const { container, before } = await one();
    const never = await box();
    for (const gone of [container, container, never]) {
      await detach(gone);
      expect(await traces()).toEqual(before);
    }
    await expectWhole(stays.container, stays.given);
  });

  test.each([
    ["its container ended", async ({ container }) => container.end()],
    ["its container's netns went", async ({ container }) => container.vanish()],
    ["somebody deleted the link", async ({ container }) => void container.ip("link del eth0")],
  ] satisfies [string, (of: { container: Box }) => Promise<void>][])(
    "taken away after %s it is gone",
    async (_, happens) => {
      const { detach, traces } = now();
      await neighbour();
      const { container, before } = await one();
      await happens({ container });
      await detach(container);
      await until("it is gone", async () => Bun.deepEquals(await traces(), before));
    },
  );

  const { make, take } = row.ground;
  if (take)
    test("taken away after what it hangs on it is gone; when that is back another is made", async () => {
      const { attached, expectNothing, subject } = now();
      const { container } = await neighbour();
      await take(subject.host);
      await now().detach(container);
      await subject.close();
      await make?.(subject.host);
      await expectNothing();
      await attached(container);
    });

  test("two networks share what they hang on, and a container; one goes, the other serves on", async () => {
    const { box, attached, expectWhole, detach, subject } = now();
    const [a, b] = [await box(), await box()];
    await attached(a);
    const second = await attached(a, { net: "two" });
    const neighbour = await attached(b, { net: "two" });
    await detach(a);
    await subject.close();
    expect(a.links()).toEqual(["eth1"]);
    await expectWhole(a, second, "two");
    await expectReaches(a, neighbour);
  });

  test("eight at once: no address and no MAC address is given twice; and all away at once", async () => {
    const { box, attached } = now();
    const boxes = await Promise.all(Array.from({ length: 8 }, box));
    const given = await Promise.all(boxes.map((each) => attached(each)));
    expect(new Set(given.flatMap(({ addresses }) => addresses)).size).toBe(16);
    expect(new Set(given.map(({ mac }) => mac)).size).toBe(8);
  });

  test.each([...row.refused])("%j is refused, and nothing is made", async (keys) => {
    const { box, expectNothing, subject } = now();
    const container = await box();
    await expect(subject.attach(container, { keys })).rejects.toThrow();
    await expectNothing();
  });

  if (row.protocol === "CNI")
    test("GC takes all of a network but what lives, and of no other; nothing when it is not told what lives", async () => {
      const { box, attached, expectWhole, expectNothing, traces, subject } = now();
      const [a, b, c] = [await box(), await box(), await box()];
      a.ip("link add one0 type veth peer name one1");
      const alive = await attached(a);
      const elsewhere = await attached(c, { net: "two" });
      const kept = await traces();
      await attached(b);
      const all = await traces();
      await subject.sweep?.(undefined);
      expect(await traces()).toEqual(all);
      await subject.sweep?.([a]);
      expect(await traces()).toEqual(kept);
      await expectWhole(a, alive);
      await expectWhole(c, elsewhere, "two");
      a.ip("link del one0");
      for (const net of ["one", "two"] as const) await subject.sweep?.([], net);
      await expectNothing();
    });

  if (row.protocol === "Docker")
    test("the daemon is killed: who is attached talks on, is known again, and is taken away", async () => {
      const { detach, expectWhole, subject, traces } = now();
      const [a, b] = [await neighbour(), await one()];
      const before = await traces();
      await subject.restart?.();
      await expectReaches(a.container, b.given);
      await expectWhole(a.container, a.given);
      expect(await traces()).toEqual(before);
      await detach(b.container);
      expect(await traces()).toEqual(b.before);
    });
});
