import { beforeAll, describe, expect, test } from "bun:test";
import { IMAGE } from "../ground/dockerd.ts";
import { AGES } from "../ground/engines.ts";
import type { Scene } from "../ground/scene.ts";
import { until } from "../ground/until.ts";
import { dockerOnSwitch } from "./ovs-scene.ts";

// Many at once, and processes that die meanwhile.
describe.each([...AGES])("Open vSwitch behind the %s dockerd, under load", (age) => {
  const MANY = 32;
  const now = dockerOnSwitch(age);
  let scene: Scene;
  beforeAll(() => {
    ({ scene } = now());
  });

  const names = Array.from({ length: MANY }, (_, i) => `many-${i}`);
  const create = () => now().create("--subnet", "172.30.4.0/24", "many");
  const ports = () => now().ports();
  const start = (name: string) =>
    scene.dockerd.tryDocker(["run", "-d", "--name", name, "--network", "many", IMAGE, "sleep", "1000"]);

  test("as many start and end together, each with its own port, and none stays", async () => {
    await create();
    const started = await Promise.all(names.map(start));
    expect(started.filter(({ code }) => code !== 0).map(({ stderr }) => stderr)).toEqual([]);
    expect(await ports()).toHaveLength(MANY);
    expect(await scene.pings("many-0", "172.30.4.1")).toBe(true);
    await scene.dockerd.docker("rm", "-f", ...names);
    expect(await ports()).toEqual([]);
  }, 120_000);

  test("the daemon is killed while they start: what did not start starts when asked again", async () => {
    await create();
    const starting = Promise.all(names.slice(0, 16).map(start));
    await until("some have started", async () => (await ports()).length >= 4);
    await scene.underlay.kill9();
    await scene.underlay.start();
    await starting;
    for (const name of names.slice(0, 16)) {
      const run = await scene.dockerd.tryDocker(["start", name]);
      if (run.code !== 0) {
        await scene.dockerd.tryDocker(["rm", "-f", name]);
        expect((await start(name)).code).toBe(0);
      }
    }
    for (const name of ["many-0", "many-15"]) expect(await scene.pings(name, "172.30.4.1")).toBe(true);
  }, 120_000);
});
