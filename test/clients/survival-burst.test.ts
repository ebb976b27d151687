import { beforeAll, describe, expect, test } from "bun:test";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { IMAGE, LASTING } from "../ground/dockerd.ts";
import { AGES } from "../ground/engines.ts";
import { ROUTER, type Scene, startScene } from "../ground/scene.ts";

const COUNT = 64;

describe.each([...AGES])("64 containers at once on the %s dockerd", (age) => {
  const things = disposedAfterAll();
  let scene: Scene;

  beforeAll(async () => {
    // With 20.10 a link waits in the host's netns until its container starts, here for longer than the short timer.
    scene = things.use(await startScene(age, { staleAfter: "60s" }));
  }, 600_000);

  test("all start, each with a MAC and an address of its own, and all go without a trace", async () => {
    const names = Array.from({ length: COUNT }, (_, index) => `burst${index}`);
    await scene.network("--subnet", "10.77.0.0/24", "--gateway", ROUTER.v4, "lan");
    for (const name of names)
      await scene.dockerd.docker("create", "--name", name, "--network", "lan", IMAGE, ...LASTING);

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
});
