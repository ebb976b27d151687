import { afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { IMAGE, LASTING } from "../ground/dockerd.ts";
import { AGES } from "../ground/engines.ts";
import { ROUTER, type Scene, startScene } from "../ground/scene.ts";
import { until } from "../ground/until.ts";

const COUNT = 64;

describe.each([...AGES])("many containers at once on the %s dockerd", (age) => {
  const things = disposedAfterAll();
  let scene: Scene;

  beforeAll(async () => {
    scene = things.use(await startScene(age));
  }, 600_000);

  beforeEach(() => scene.network("--subnet", "10.77.0.0/24", "--gateway", ROUTER.v4, "lan"));
  afterEach(() => scene.clear());

  const created = async (count: number) => {
    const names = Array.from({ length: count }, (_, index) => `burst${index}`);
    for (const name of names)
      await scene.dockerd.docker("create", "--name", name, "--network", "lan", IMAGE, ...LASTING);
    return names;
  };

  test(`${COUNT} start, each with a MAC and an address of its own, and all go without a trace`, async () => {
    const names = await created(COUNT);
    await Promise.all(names.map((name) => scene.dockerd.docker("start", name)));
    const seen = await scene.dockerd.docker(
      ...["inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.MacAddress}}{{end}}"],
      ...names,
    );
    const pairs = seen.split("\n").map((line) => line.split(" "));
    expect(new Set(pairs.map(([address]) => address)).size).toBe(COUNT);
    expect(new Set(pairs.map(([, mac]) => mac)).size).toBe(COUNT);
    expect((await scene.records()).endpoints.filter((each) => each.state === "provisioned")).toHaveLength(
      COUNT,
    );
    for (const name of ["burst0", "burst31", "burst63"])
      expect(await scene.pings(name, ROUTER.v4)).toBe(true);

    await Promise.all(names.map((name) => scene.dockerd.docker("rm", "-f", name)));
    expect((await scene.records()).endpoints).toEqual([]);
    expect(await scene.links()).toEqual(["lan0", "lo"]);
  }, 180_000);

  test("the daemon is killed while 16 start: those that failed start when asked again, and nothing is left of the rest", async () => {
    const names = await created(16);
    const starting = names.map((name) => scene.dockerd.tryDocker(["start", name]));
    await until("some have their link", async () => (await scene.records()).endpoints.length >= 4, {
      everyMs: 5,
    });
    await scene.underlay.kill9();
    await scene.underlay.start();
    const outcomes = await Promise.all(starting);
    for (const [index, name] of names.entries())
      if (outcomes[index]?.code !== 0) await scene.dockerd.docker("start", name);
    for (const name of names) expect(await scene.pings(name, ROUTER.v4)).toBe(true);
    await until(
      "no endpoint more than containers",
      async () => (await scene.records()).endpoints.length === 16,
      {
        withinMs: 20_000,
      },
    );
    await Promise.all(names.map((name) => scene.dockerd.docker("rm", "-f", name)));
    expect((await scene.records()).endpoints).toEqual([]);
    expect(await scene.links()).toEqual(["lan0", "lo"]);
  }, 120_000);
});
