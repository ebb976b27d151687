import { expect } from "bun:test";
import { until } from "../ground/until.ts";
import { expectAllBack, makeNetworks, PLACES, prepareRouter, runWeb, startDockerdFirst } from "./boots.ts";
import { findings } from "./parents.ts";
import { scenariosIn } from "./scenario.ts";

/** The same with the oldest dockerd, and what it does that the newest does not. */

const scenario = scenariosIn("oldest");
const SOME = [PLACES.vlan, PLACES.ipvlan, PLACES.alone];

scenario(
  "a container on a VLAN, ipvlan and a dummy is reached",
  async (lab) => {
    await prepareRouter(lab, SOME);
    await lab.services.underlay();
    await lab.services.dockerd();
    await lab.services.image();
    await makeNetworks(lab, SOME);
    await runWeb(lab, SOME);
    await expectAllBack(lab, SOME);
  },
  { containers: 1, timeoutMs: 300_000 },
);

scenario(
  "a power cut, our daemon before dockerd: all is back without a hand",
  async (lab) => {
    await lab.guest.must("sync");
    await lab.guest.cut();
    await lab.guest.boot();
    await prepareRouter(lab, SOME);
    await lab.services.underlay();
    await lab.services.dockerd();
    await expectAllBack(lab, SOME);
  },
  { timeoutMs: 300_000 },
);

scenario(
  "a reboot, our daemon some seconds after dockerd: the same",
  async (lab) => {
    await lab.guest.reboot();
    await prepareRouter(lab, SOME);
    const dockerd = await startDockerdFirst(lab);
    await dockerd.said(/API listen on/);
    await expectAllBack(lab, SOME);
  },
  { timeoutMs: 300_000 },
);

// Its look for a plugin (pkg/plugins) is repeated for some 15 s; then the container has failed to start, and a restart
// policy is for those that have run. Our unit is ordered before Docker's, so that this takes a hand that starts them so.
scenario(
  "a reboot, our daemon long after dockerd: it gave up, says why, and needs one `docker start`",
  async (lab) => {
    await lab.guest.reboot();
    await prepareRouter(lab, SOME);
    const dockerd = await startDockerdFirst(lab, /[Ff]ailed to start container/);
    await dockerd.said(/API listen on/);
    expect(await lab.services.docker("ps", "--all", "--format", "{{.Names}} {{.Status}}")).toMatch(
      /^web Exited/,
    );
    await until("the networks are whole all the same", async () =>
      (await findings(lab)).every(({ id }) => id === "UL-R05"),
    );
    await lab.services.docker("start", "web");
    await expectAllBack(lab, SOME);
  },
  { containers: 1, timeoutMs: 300_000 },
);
