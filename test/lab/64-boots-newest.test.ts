import { expect } from "bun:test";
import { IMAGE } from "../ground/dockerd.ts";
import { expectAllBack, makeNetworks, PLACES, prepareRouter, runWeb, startDockerdFirst } from "./boots.ts";
import { names } from "./parents.ts";
import { type Lab, scenariosIn } from "./scenario.ts";

/** Containers on every kind of parent, and nobody at hand: reboots and power cuts, in both orders of start. */

const scenario = scenariosIn("newest");
const ALL = Object.values(PLACES);

const underlayFirst = async ({ services }: Lab) => {
  await services.underlay();
  await services.dockerd();
};
const dockerdFirst = async (lab: Lab) => {
  const dockerd = await startDockerdFirst(lab);
  await dockerd.said(/API listen on/);
};
const reboot = ({ guest }: Lab) => guest.reboot();
const powerCut = async ({ guest }: Lab) => {
  // dockerd flushes nothing when it starts a container.
  await guest.must("sync");
  await guest.cut();
  await guest.boot();
};

async function expectParents(lab: Lab): Promise<void> {
  expect(await names(lab, "vlan")).toEqual(["lan0.10", "lan0.10.20", "lan0.50", "lan0.60"]);
  expect(await names(lab, "dummy")).toHaveLength(1);
}

scenario(
  "one container on plain macvlan, VLAN, stacked VLANs, ipvlan and a dummy is reached on all",
  async (lab) => {
    await prepareRouter(lab, ALL);
    await underlayFirst(lab);
    await lab.services.image();
    await makeNetworks(lab, ALL);
    await runWeb(lab, ALL);
    const peer = ["--restart=always", "--name", "peer", "--network", "alone", "--ip", "10.77.99.11"];
    await lab.services.docker("run", "-d", ...peer, IMAGE, "sleep", "100000");
    await expectAllBack(lab, ALL);
    await expectParents(lab);
  },
  { containers: 2 },
);

for (const [what, off, start] of [
  ["a reboot, our daemon before dockerd", reboot, underlayFirst],
  ["a power cut, dockerd before our daemon", powerCut, dockerdFirst],
  ["a power cut, our daemon before dockerd", powerCut, underlayFirst],
  ["a reboot, dockerd before our daemon", reboot, dockerdFirst],
] as const) {
  scenario(
    `${what}: all is back without a hand, parents too`,
    async (lab) => {
      await off(lab);
      expect(await names(lab, "vlan")).toEqual([]);
      await prepareRouter(lab, ALL);
      await start(lab);
      await expectAllBack(lab, ALL);
      await lab.services.docker("exec", "web", "ping", "-c1", "-W5", "10.77.99.11");
      await expectParents(lab);
    },
    { timeoutMs: 300_000 },
  );
}
