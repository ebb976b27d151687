import { describe, expect, test } from "bun:test";
import { apply, resume } from "./apply.ts";
import { type Call, type Fault, fakeDockerd, memoryJournal } from "./dockerd.fixture.ts";
import { chosen, planOf } from "./plan.ts";

const LAN = {
  ...{ Name: "lan", Id: "id-of-lan", Scope: "local", Driver: "macvlan", EnableIPv6: false },
  IPAM: { Driver: "default", Options: {}, Config: [{ Subnet: "10.1.0.0/24", Gateway: "10.1.0.1" }] },
  ...{ Options: { parent: "eth0" }, Labels: { a: "b" } },
};
const OTHER = { ...LAN, Name: "other", Id: "id-of-other", Driver: "bridge" };

async function scene(faults: readonly Fault[], used = false) {
  const dockerd = fakeDockerd([LAN, OTHER], faults, used);
  const [choice] = chosen(await dockerd.networks(), ["lan"]);
  if (choice === undefined) throw new Error("the fixture has no lan");
  const [was = {}, other = {}] = dockerd.has();
  const ours = { ...was, Driver: "underlay-macvlan" };
  return { dockerd, journal: memoryJournal(), plan: planOf(choice, [], []), was, ours, other };
}

const error = (call: Call, when: Fault["when"] = "before"): Fault => ({ call, when, how: "error" });

describe("apply", () => {
  test("removes, then creates, and leaves no entry", async () => {
    const { dockerd, journal, plan, ours, other } = await scene([]);
    expect(await apply(dockerd, journal, plan)).toEqual({ result: "moved", reasons: [] });
    expect(dockerd.calls).toEqual(["remove", "create ours"]);
    expect(dockerd.has()).toEqual([other, ours]);
    expect(journal.entry()).toBeUndefined();
  });

  test("does nothing when a container came meanwhile", async () => {
    const { dockerd, journal, plan } = await scene([], true);
    expect(await apply(dockerd, journal, plan)).toEqual({ result: "in_use", reasons: ["used by web"] });
    expect([dockerd.calls, journal.entry()]).toEqual([[], undefined]);
  });

  test("leaves a network that dockerd does not remove", async () => {
    const { dockerd, journal, plan, was, other } = await scene([error("remove")]);
    expect(await apply(dockerd, journal, plan)).toEqual({ result: "failed", reasons: ["no remove"] });
    expect(dockerd.has()).toEqual([was, other]);
    expect(journal.entry()).toBeUndefined();
  });

  test("puts back what our driver refuses", async () => {
    const { dockerd, journal, plan, was, other } = await scene([error("create ours")]);
    expect(await apply(dockerd, journal, plan)).toEqual({ result: "put_back", reasons: ["no create ours"] });
    expect(dockerd.has()).toEqual([other, was]);
    expect(journal.entry()).toBeUndefined();
  });

  test("keeps the entry of what neither driver takes, and a later run makes it", async () => {
    const { dockerd, journal, plan, ours, other } = await scene([error("create ours"), error("create old")]);
    expect(await apply(dockerd, journal, plan)).toEqual({
      result: "lost",
      reasons: ["no create ours", "putting it back: no create old"],
    });
    expect(journal.entry()?.network.Name).toBe("lan");
    const later = fakeDockerd([OTHER]);
    expect((await resume(later, journal))?.outcome.result).toBe("moved");
    expect(later.has()).toEqual([other, ours]);
    expect(journal.entry()).toBeUndefined();
  });

  test.each([
    ["remove", "moved"],
    ["create ours", "moved"],
  ] as const)("an answer to `%s` that was lost after it was done: %s", async (call, result) => {
    const { dockerd, journal, plan, ours, other } = await scene([error(call, "after")]);
    expect((await apply(dockerd, journal, plan)).result).toBe(result);
    expect(dockerd.has()).toEqual([other, ours]);
    expect(journal.entry()).toBeUndefined();
  });
});

describe("a process that ends at any point loses no network", () => {
  const points = (["remove", "create ours", "create old"] as const).flatMap((call) =>
    (["before", "after"] as const).map((when) => [call, when] as const),
  );

  test.each(points)("at `%s`, %s dockerd did it", async (call, when) => {
    const refused: Fault[] = call === "create old" ? [error("create ours")] : [];
    const { dockerd, journal, plan, was, ours, other } = await scene([
      ...refused,
      { call, when, how: "silence" },
    ]);
    void apply(dockerd, journal, plan);
    await dockerd.silent;
    expect(dockerd.calls.at(-1)).toBe(call);
    expect(journal.entry()?.network.Id).toBe("id-of-lan");

    // The next run, with a dockerd that answers again.
    const next = fakeDockerd(dockerd.has().map((network, i) => ({ ...network, Id: `then-${i}` })));
    const resumed = await resume(next, journal);
    expect(journal.entry()).toBeUndefined();
    const isOld = (call === "remove" && when === "before") || (call === "create old" && when === "after");
    const there = next.has();
    expect(there).toContainEqual(isOld ? was : ours);
    expect([there.length, there.filter((network) => Bun.deepEquals(network, other)).length]).toEqual([2, 1]);
    expect(await resume(next, journal)).toBeUndefined();
    expect(resumed?.outcome.result).toBe(
      isOld || (call === "create ours" && when === "after") ? undefined : "moved",
    );
  });
});
