import { expect } from "bun:test";
import { DRIVER as MACVLAN } from "../ground/scene.ts";
import { createNetwork, type DockerCall, deleteNetwork, idOf } from "../live/docker-calls.ts";
import { say, shown } from "./parents.ts";
import { type Lab, scenariosIn } from "./scenario.ts";

/** A trunk with many VLANs, a network on each. What each costs among them is counted in test/live/many-links. */

const scenario = scenariosIn("newest");

const MANY = 160;
/** A call of the guest is half a second, and has a minute on a machine that is busy with other things. */
const AT_ONCE = 40;

const vids = Array.from({ length: MANY }, (_, i) => i + 1);
const wanted = vids.map((vid) => `lan0.${vid}`).sort();

async function sayAll(lab: Lab, callOf: (vid: number) => DockerCall): Promise<void> {
  for (let at = 0; at < MANY; at += AT_ONCE)
    await say(lab, MACVLAN, ...vids.slice(at, at + AT_ONCE).map(callOf));
}

function create(vid: number): DockerCall {
  return createNetwork(idOf(vid), { parent: `lan0.${vid}` }, `10.${100 + (vid >> 8)}.${vid & 255}.0/24`);
}

/** Name and index of each VLAN that is up on the trunk. */
async function vlans(lab: Lab): Promise<Map<string, number>> {
  const links = (await shown(lab, "vlan")).filter(
    ({ link, flags }) => link === "lan0" && flags.includes("UP"),
  );
  return new Map(links.map(({ ifname, ifindex }) => [ifname, ifindex]));
}

async function statesListed({ services }: Lab): Promise<Record<string, number>> {
  const lines = (await services.cli("network", "ls", "--noheading")).trimEnd().split("\n");
  const states = lines.filter((line) => line !== "").map((line) => line.split(/ {2,}/).at(-2) ?? "");
  return Object.fromEntries([...Map.groupBy(states, String)].map(([state, some]) => [state, some.length]));
}

scenario(
  "many VLANs of a trunk are all made, and stay as they are when the daemon is killed and starts again",
  async (lab) => {
    const daemon = await lab.services.underlay();
    await sayAll(lab, create);
    const made = await vlans(lab);
    expect([...made.keys()]).toEqual(wanted);
    expect(await statesListed(lab)).toEqual({ active: MANY });
    daemon.signal("SIGKILL");
    await daemon.ended;
    await lab.services.underlay();
    expect(await vlans(lab)).toEqual(made);
    expect(await statesListed(lab)).toEqual({ active: MANY });
  },
  { timeoutMs: 300_000 },
);

scenario(
  "after a reboot the daemon makes all of them again before it is ready",
  async (lab) => {
    await lab.guest.reboot();
    expect([...(await vlans(lab)).keys()]).toEqual([]);
    await lab.services.underlay();
    expect([...(await vlans(lab)).keys()]).toEqual(wanted);
    expect(await statesListed(lab)).toEqual({ active: MANY });
  },
  { timeoutMs: 300_000 },
);

scenario(
  "they go with their networks, and only they",
  async (lab) => {
    await say(lab, MACVLAN, deleteNetwork(idOf(7)));
    expect([...(await vlans(lab)).keys()]).toEqual(wanted.filter((name) => name !== "lan0.7"));
    await sayAll(lab, (vid) => deleteNetwork(idOf(vid)));
    expect(await shown(lab, "vlan")).toEqual([]);
    expect(await statesListed(lab)).toEqual({});
  },
  { timeoutMs: 300_000 },
);
