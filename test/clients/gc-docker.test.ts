import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ROUTER, type Scene, startScene } from "../ground/scene.ts";
import { until } from "../ground/until.ts";

describe.each(["oldest", "newest"] as const)("underlay gc --docker, on the %s dockerd", (age) => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await startScene(age);
  });
  afterAll(() => scene[Symbol.asyncDispose]());

  const subnet = ["--subnet", "10.77.0.0/24", "--gateway", "10.77.0.1"];
  const ids = async () => (await scene.records()).networks.map(({ id }) => id);

  test("drops the network that dockerd forgot and keeps those that it knows", async () => {
    const kept = await scene.network(...subnet, "kept");
    await scene.underlay.stop();
    await scene.underlay.start({ fault: "network.ensure.after-record:kill" });
    const create = ["network", "create", "-d", "underlay-macvlan", "-o", "parent=lan0", "lost"];
    const asked = scene.dockerd.tryDocker(create, { timeoutMs: 60_000 });
    await scene.underlay.ended();
    await scene.underlay.start();
    // dockerd repeats the call with an empty body, is told so, and forgets the network.
    expect((await asked).code).not.toBe(0);
    expect(await ids()).toHaveLength(2);
    await until("the lost network is old enough", async () => {
      await scene.underlay.cli("gc", "--docker");
      return (await ids()).length === 1;
    });
    expect(await ids()).toEqual([kept]);
  }, 90_000);

  test("drops the endpoint that dockerd gave up while the daemon was down, and keeps those that run", async () => {
    await scene.container("runs", "--network", "kept");
    await scene.container("dies", "--network", "kept");
    await scene.underlay.kill9();
    await scene.dockerd.docker("rm", "-f", "dies");
    await scene.underlay.start();
    await until("the endpoint is settled", async () => {
      await scene.underlay.cli("gc", "--docker");
      return (await scene.records()).endpoints.length === 1;
    });
    expect(await scene.links()).toEqual(["lan0", "lo"]);
    expect(await scene.pings("runs", ROUTER.v4)).toBe(true);
    await scene.dockerd.docker("rm", "-f", "runs");
  }, 120_000);

  test("drops nothing when dockerd does not answer", async () => {
    const before = await ids();
    await scene.dockerd.stop();
    const { code, stderr } = await scene.underlay.tryCli("gc", "--docker");
    expect(code).toBe(3);
    expect(stderr).toContain("dockerd does not tell its networks");
    expect(await ids()).toEqual(before);
    await scene.dockerd.start();
  }, 60_000);
});
