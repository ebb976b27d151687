import { expect } from "bun:test";
import { PARENT_STEPS } from "../../src/engine/steps.ts";
import { createNetwork, deleteNetwork, idOf } from "../live/docker-calls.ts";
import type { GuestProcess } from "./guest.ts";
import { type Lab, scenariosIn } from "./scenario.ts";

/** The daemon dies, or the power goes, at every step of making and removing a parent. */

const scenario = scenariosIn("newest");

const NET = idOf(1);
const CREATE = createNetwork(NET, { parent: "lan0.50" });
const DELETE = deleteNetwork(NET);
const callOf = (step: string) => (step.startsWith("parent.drop.") ? DELETE : CREATE);

async function ended(daemon: GuestProcess): Promise<void> {
  daemon.signal("SIGTERM");
  await daemon.ended;
}

async function say({ services }: Lab, call: typeof CREATE): Promise<void> {
  expect(await services.call(...call)).toEqual({});
}

async function vlans({ guest }: Lab): Promise<string[]> {
  const links: readonly { ifname: string }[] = JSON.parse(await guest.must("ip -j link show type vlan"));
  return links.map(({ ifname }) => ifname).filter((name) => name !== undefined);
}

/** Makes what is to be removed, and lets the daemon die at the step. */
async function dieAt(lab: Lab, step: string): Promise<void> {
  if (callOf(step) === DELETE) {
    const daemon = await lab.services.underlay();
    await say(lab, CREATE);
    await ended(daemon);
  }
  const daemon = await lab.services.underlay(step);
  const answer = await lab.services.call(...callOf(step)).catch(() => "none");
  expect([step, answer, await daemon.ended]).toEqual([step, "none", 128 + 9]);
}

/** Whole, with its VLAN, or not there at all: in the records, in the kernel, and to the next call. */
async function expectWholeOrNothing(lab: Lab, step: string): Promise<void> {
  const { networks } = JSON.parse(await lab.services.cli("network", "ls", "-o", "json"));
  expect([step, await vlans(lab)]).toEqual([step, networks.map(() => "lan0.50")]);
  await say(lab, CREATE);
  expect([step, await vlans(lab)]).toEqual([step, ["lan0.50"]]);
  await say(lab, DELETE);
  expect([step, await vlans(lab)]).toEqual([step, []]);
  const { actions } = JSON.parse(await lab.services.cli("gc", "--dry-run", "-o", "json"));
  expect([step, actions]).toEqual([step, []]);
}

for (const step of PARENT_STEPS) {
  scenario(`killed at ${step}, the next daemon leaves the VLAN whole or not at all`, async (lab) => {
    await dieAt(lab, step);
    const daemon = await lab.services.underlay();
    await expectWholeOrNothing(lab, step);
    await ended(daemon);
  });
}

for (const step of PARENT_STEPS) {
  scenario(`a power cut at ${step}: after the boot the VLAN is whole or not there`, async (lab) => {
    await dieAt(lab, step);
    await lab.guest.cut();
    await lab.guest.boot();
    const daemon = await lab.services.underlay();
    await expectWholeOrNothing(lab, step);
    await ended(daemon);
  });
}
