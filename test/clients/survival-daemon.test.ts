import { beforeAll, describe, expect, test } from "bun:test";
import { STEPS } from "../../src/engine/steps.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { IMAGE, LASTING } from "../ground/dockerd.ts";
import { AGES } from "../ground/engines.ts";
import { DRIVER, ROUTER, type Scene, startScene } from "../ground/scene.ts";
import { until } from "../ground/until.ts";

const CREATE = ["network", "create", "-d", DRIVER, "-o", "parent=lan0", "--subnet", "10.77.0.0/24"];

/** Where Docker forgets a network that we have on record, because it could not be answered or told. */
const FORGOTTEN = new Set<string>(["network.ensure.after-record", "network.remove.before-intent"]);

// The daemon dies at every step that the engine has, and is started again at once, as systemd would. Docker's command
// that it died under may fail; then the same command has to succeed.
describe.each([...AGES])("a daemon that is killed, on the %s dockerd", (age) => {
  const things = disposedAfterAll();
  let scene: Scene;

  beforeAll(async () => {
    scene = things.use(await startScene(age));
  }, 600_000);

  test.each([...STEPS])("at %s", async (step) => {
    const { underlay, dockerd } = scene;
    await underlay.stop();
    await underlay.start({ fault: `${step}:kill` });
    let deaths = 0;
    const revived = underlay.ended().then(() => {
      deaths += 1;
      return underlay.start();
    });
    const retried = async (...command: string[]) => {
      const deathsBefore = deaths;
      const first = await dockerd.tryDocker(command);
      if (first.code === 0) return;
      if (deaths === deathsBefore) throw new Error(`failed while the daemon lived: ${first.stderr}`);
      await revived;
      await dockerd.docker(...command);
    };

    await retried(...CREATE, "--gateway", ROUTER.v4, "lan");
    await dockerd.docker("create", "--name", "c1", "--network", "lan", IMAGE, ...LASTING);
    await retried("start", "c1");
    expect(await scene.pings("c1", ROUTER.v4)).toBe(true);
    await retried("stop", "c1");
    await retried("start", "c1");
    expect(await scene.pings("c1", ROUTER.v4)).toBe(true);
    await dockerd.docker("rm", "-f", "c1");
    await retriedRemoval(retried);

    expect(deaths).toBe(1);
    await revived;
    expect(await dockerd.docker("network", "ls", "--quiet", "--filter", `driver=${DRIVER}`)).toBe("");
    await until("no endpoint and no link is left", async () => {
      const { endpoints } = await scene.records();
      return endpoints.length === 0 && (await scene.links()).join() === "lan0,lo";
    });
    expect((await scene.records()).networks).toHaveLength(FORGOTTEN.has(step) ? 1 : 0);
    await until("no network is on record once dockerd was asked", async () => {
      await underlay.cli("gc", "--docker");
      return (await scene.records()).networks.length === 0;
    });
  });
});

/** Docker forgets a network even when its driver could not be told; then there is nothing to remove again. */
async function retriedRemoval(retried: (...command: string[]) => Promise<void>): Promise<void> {
  await retried("network", "rm", "lan").catch((error: Error) => {
    if (!/not found|No such network/.test(error.message)) throw error;
  });
}
