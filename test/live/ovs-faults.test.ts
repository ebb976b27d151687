import { beforeAll, describe, expect, test } from "bun:test";
import { portRows } from "../../src/links/ovs/rows.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { AGES } from "../ground/engines.ts";
import { until } from "../ground/until.ts";
import { BRIDGE, endpoint, makeOvsScene, NEW_BRIDGE, type OvsScene, portOf } from "./ovs-scene.ts";

/** Either program of Open vSwitch is killed under our hands. */

const DEADLINE = 7_000;

describe.each([...AGES])("Open vSwitch dies, %s", (age) => {
  const things = disposedAfterAll();
  let scene: OvsScene;

  beforeAll(async () => {
    scene = things.use(await makeOvsScene({ age }));
    await scene.bridges.ensure(NEW_BRIDGE);
  }, 600_000);

  const names = async (table: string) =>
    (await scene.ovs.vsctl("--no-wait", "--no-headings", "--columns=name", "--format=csv", "list", table))
      .split("\n")
      .toSorted();

  async function pairOf(name: string): Promise<ReturnType<typeof portRows>> {
    await scene.pairs.make({ owner: endpoint(name), mtu: 1450, finishesChecksums: false });
    return portRows(portOf(name));
  }

  test("ovs-vswitchd: told in words, in time, and nothing is left; what is there is not taken away", async () => {
    const old = await pairOf("old");
    await scene.ports.put(old);
    const before = await names("interface");
    await scene.ovs.killVswitchd();
    const started = performance.now();
    const late = { code: "timeout", message: expect.stringContaining("ovs-vswitchd") };
    const rows = await pairOf("late");
    const outcomes = await Promise.allSettled([
      scene.ports.put(rows),
      scene.ports.put(old),
      scene.bridges.ensure({ ...NEW_BRIDGE, name: "late" }),
    ]);
    expect(performance.now() - started).toBeLessThan(DEADLINE);
    for (const outcome of outcomes) expect(outcome).toMatchObject({ status: "rejected", reason: late });
    expect(await names("interface")).toEqual(before);
    expect(await names("bridge")).toEqual([BRIDGE]);

    await scene.ovs.startVswitchd();
    expect((await scene.ports.put(rows)).ofport).toBeGreaterThan(0);
    expect((await scene.ports.put(old)).ofport).toBeGreaterThan(0);
  }, 60_000);

  test("ovs-vswitchd: removing does not wait for it", async () => {
    const rows = await pairOf("gone");
    await scene.ports.put(rows);
    await scene.ovs.killVswitchd();
    const started = performance.now();
    expect(await scene.ports.remove(rows.name)).toBe(true);
    expect(performance.now() - started).toBeLessThan(1_000);
    await scene.ovs.startVswitchd();
    expect(await names("port")).not.toContain(rows.name);
  }, 60_000);

  test("ovsdb-server, in the middle of many: each can be asked for again, and there is one of each", async () => {
    const all = await Promise.all(Array.from({ length: 12 }, (_, i) => pairOf(`many${i}`)));
    const putting = Promise.allSettled(all.map((rows) => scene.ports.put(rows)));
    await scene.ovs.killDatabase();
    await scene.ovs.startDatabase();
    await putting;
    const again = await until("all ports are there", () =>
      Promise.all(all.map((rows) => scene.ports.put(rows))),
    );
    expect(again.every(({ ofport }) => ofport > 0)).toBe(true);
    const found = await names("port");
    expect(found.filter((name) => all.some((rows) => rows.name === name))).toHaveLength(all.length);
    await Promise.all(all.map(({ name }) => scene.ports.remove(name)));
  }, 60_000);

  test("ovsdb-server: what is asked for meanwhile is told so, in time", async () => {
    const rows = await pairOf("meanwhile");
    await scene.ovs.killDatabase();
    const started = performance.now();
    await expect(scene.ports.put(rows)).rejects.toMatchObject({ code: "unreachable" });
    expect(performance.now() - started).toBeLessThan(DEADLINE);
    await scene.ovs.startDatabase();
    await until("the port is taken", () => scene.ports.put(rows));
  }, 60_000);
});
