import { afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { AGES } from "../ground/engines.ts";
import { ROUTER, type Scene, startScene } from "../ground/scene.ts";
import { until } from "../ground/until.ts";

// dockerd dies, comes back, comes before us or stays while we go. It repeats no CreateNetwork, and of the endpoints
// that died with it it may say nothing at all.
describe.each([...AGES])("a dockerd (%s) that", (age) => {
  const things = disposedAfterAll();
  let scene: Scene;

  beforeAll(async () => {
    scene = things.use(await startScene(age));
  }, 600_000);
  beforeEach(async () => {
    await scene.network("--subnet", "10.77.0.0/24", "--gateway", ROUTER.v4, "lan");
    await scene.container("kept", "--network", "lan", "--ip", "10.77.0.11", "--restart", "always");
    await scene.container("plain", "--network", "lan", "--ip", "10.77.0.12");
  });
  afterEach(async () => {
    await scene.clear();
    await until(
      "nothing is on record",
      async () => {
        const { networks, endpoints } = await scene.records();
        return networks.length === 0 && endpoints.length === 0;
      },
      { withinMs: 20_000 },
    );
    expect(await scene.links()).toEqual(["lan0", "lo"]);
  });

  const returned = (name: string, withinMs = 20_000) =>
    until(`${name} reaches the router`, () => scene.pings(name, ROUTER.v4), { withinMs });
  const endpointsAre = (count: number) =>
    until(`${count} endpoints`, async () => (await scene.records()).endpoints.length === count, {
      withinMs: 20_000,
    });

  test("is killed and started again: containers come back, the dead endpoints are dropped", async () => {
    await scene.dockerd.kill9();
    await scene.dockerd.start({ withinMs: 60_000 });
    await returned("kept");
    await scene.dockerd.docker("start", "plain");
    await returned("plain");
    await endpointsAre(2);
  }, 120_000);

  test("is killed together with the daemon", async () => {
    await Promise.all([scene.dockerd.kill9(), scene.underlay.kill9()]);
    await scene.underlay.start();
    await scene.dockerd.start({ withinMs: 60_000 });
    await returned("kept");
    await scene.dockerd.docker("start", "plain");
    await returned("plain");
    await endpointsAre(2);
  }, 120_000);

  test("is killed with live-restore: containers go on, and can be stopped and started afterwards", async () => {
    await scene.dockerd.kill9();
    await scene.dockerd.start({ liveRestore: true, withinMs: 60_000 });
    expect(await scene.pings("plain", ROUTER.v4)).toBe(true);
    await Bun.sleep(5000); // longer than --stale-after: the endpoints of living containers must not be dropped
    expect((await scene.records()).endpoints).toHaveLength(2);
    await scene.dockerd.docker("stop", "plain");
    await endpointsAre(1);
    await scene.dockerd.docker("start", "plain");
    await returned("plain");
    await scene.dockerd.docker("rm", "-f", "plain", "kept");
    await endpointsAre(0);
  }, 120_000);

  test("starts while the daemon is down for a few seconds: what has a restart policy returns", async () => {
    await scene.dockerd.stop();
    await scene.underlay.stop();
    const starting = scene.dockerd.start({ withinMs: 90_000 });
    await Bun.sleep(9000); // the time for which the daemon is away
    await scene.underlay.start();
    await starting;
    await returned("kept", 60_000);
    await scene.dockerd.docker("start", "plain");
    await returned("plain");
  }, 180_000);

  test("DriverUngracefulRestart: crashes, and starts long before the daemon: status tells of the containers, which can be started", async () => {
    await scene.dockerd.kill9();
    await scene.underlay.stop();
    await scene.dockerd.start({ withinMs: 120_000 });
    await until(
      "dockerd gave up",
      () =>
        scene.dockerd
          .lines()
          .some((line) => /failed to start container|Failed to start container/.test(line)),
      { withinMs: 60_000 },
    );
    await scene.underlay.start();
    const told = (address: string) => async () => (await scene.underlay.cli("status")).includes(address);
    await until("status tells of both", async () => (await told("10.77.0.11")()) && told("10.77.0.12")(), {
      withinMs: 20_000,
    });
    await scene.dockerd.docker("start", "kept", "plain");
    await returned("kept");
    await returned("plain");
    await endpointsAre(2);
    await until("status is content", async () => !(await scene.underlay.cli("status")).includes("UL-R05"));
  }, 240_000);

  test("stays while the daemon goes and comes: no new handshake is needed", async () => {
    await scene.underlay.stop();
    await scene.underlay.start();
    expect(await scene.pings("plain", ROUTER.v4)).toBe(true);
    await scene.dockerd.docker("restart", "plain");
    await returned("plain");
    await scene.underlay.kill9();
    await scene.underlay.start();
    await scene.container("late", "--network", "lan");
    await returned("late");
    await endpointsAre(3);
  }, 60_000);
});
