import { afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { AGES } from "../ground/engines.ts";
import { ROUTER, type Scene, startScene } from "../ground/scene.ts";
import { until } from "../ground/until.ts";

// The NIC goes while Docker has containers on it, and comes back. Docker knows nothing of it.
describe.each([...AGES])("a parent, beside the %s dockerd, that", (age) => {
  const things = disposedAfterAll();
  let scene: Scene;

  beforeAll(async () => {
    scene = things.use(await startScene(age));
  }, 600_000);
  beforeEach(async () => {
    await scene.network("--subnet", "10.77.0.0/24", "--gateway", ROUTER.v4, "lan");
    await scene.container("web", "--network", "lan", "--ip", "10.77.0.11");
  });
  afterEach(async () => {
    await scene.clear();
    expect(await scene.records()).toMatchObject({ networks: [], endpoints: [] });
    expect(await scene.links()).toEqual(["lan0", "lo"]);
  });

  const healthIs = (healthy: boolean) =>
    until(`healthy is ${healthy}`, async () => (await scene.records()).networks[0]?.healthy === healthy);

  test("is unplugged: the network is degraded, says so, and heals with a new NIC of that name", async () => {
    await scene.host.unplug();
    await healthIs(false);
    expect(await scene.underlay.cli("status")).toContain("UL-P01");
    await scene.dockerd.docker("stop", "web");
    const refused = await scene.dockerd.tryDocker(["start", "web"]);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain("lan0");
    await scene.host.plugIn();
    await healthIs(true);
    await scene.dockerd.docker("start", "web");
    expect(await scene.pings("web", ROUTER.v4)).toBe(true);
  });

  test("is unplugged when the daemon starts: the network is there, degraded, and heals", async () => {
    await scene.underlay.stop();
    await scene.host.unplug();
    await scene.underlay.start();
    await healthIs(false);
    await scene.host.plugIn();
    await healthIs(true);
    await scene.dockerd.docker("restart", "web");
    expect(await scene.pings("web", ROUTER.v4)).toBe(true);
  });

  test("is renamed: what runs goes on, restarts under the new name, and status tells of it", async () => {
    await scene.host.must(["ip", "link", "set", "lan0", "name", "wan7"]);
    await until("status tells", async () =>
      (await scene.underlay.cli("status")).includes("lan0 is called wan7 now"),
    );
    expect(await scene.pings("web", ROUTER.v4)).toBe(true);
    await scene.dockerd.docker("restart", "web");
    expect(await scene.pings("web", ROUTER.v4)).toBe(true);
    await scene.host.must(["ip", "link", "set", "wan7", "name", "lan0"]);
    await until("status is content", async () => !(await scene.underlay.cli("status")).includes("UL-P01"));
    await scene.dockerd.docker("restart", "web");
    expect(await scene.pings("web", ROUTER.v4)).toBe(true);
  });

  test("is down: it is brought up when a container starts", async () => {
    await scene.dockerd.docker("stop", "web");
    await scene.host.must(["ip", "link", "set", "lan0", "down"]);
    await scene.dockerd.docker("start", "web");
    expect(await scene.pings("web", ROUTER.v4)).toBe(true);
    expect(scene.underlay.lines().join("\n")).toMatch(/lan0.*\bup\b|\bup\b.*lan0/);
  });
});
