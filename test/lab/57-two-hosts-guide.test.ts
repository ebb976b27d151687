import { expect } from "bun:test";
import { guideScenarios, makeHost, pullImage, typistIn } from "./guide.ts";
import { scenariosIn } from "./scenario.ts";
import { plugIn, type SecondMachine } from "./second-machine.ts";

/** `alpha` is the guest, `beta` a machine in it; between them, in the netns `router`, is a switch with VLANs. */

const scenario = scenariosIn("newest");

/** The router is in all of them; it forwards nothing. */
const SWITCH = `
  ip -n router link add sw type bridge vlan_filtering 1
  ip -n router link set lan1 master sw
  ip -n router link set sw up
  ip -n router address add 192.168.1.1/24 dev sw
  for vid in 50 60; do
    bridge -n router vlan add dev lan1 vid $vid
    bridge -n router vlan add dev sw vid $vid self
    ip -n router link add link sw name sw.$vid type vlan id $vid
    ip -n router link set sw.$vid up
    ip -n router address add 10.$vid.0.1/24 dev sw.$vid
  done`;

const SECOND_PORT = `
  ip -n router link set lan2 master sw
  for vid in 50 60; do bridge -n router vlan add dev lan2 vid $vid; done`;

let beta: SecondMachine | undefined;

scenario("alpha", (lab) => makeHost(lab, SWITCH));

scenario("beta", async ({ guest }) => {
  beta = await plugIn(guest, "beta", "192.168.1.3/24", "lan2");
  await guest.must(SECOND_PORT);
  await beta.services.underlay();
  await beta.services.dockerd();
  await pullImage(beta.services);
});

guideScenarios(scenario, "docs/guide/two-hosts.md", ({ guest }, machine) => {
  if (machine === "alpha") return typistIn(guest);
  if (machine === "beta") return typistIn(guest, beta);
  throw new Error(`no machine is called ${machine}`);
});

scenario("beta has nothing left, either", async () => {
  const { networks } = JSON.parse((await beta?.services.cli("network", "ls", "-o", "json")) ?? "{}");
  expect(networks).toEqual([]);
  expect(await beta?.services.docker("ps", "--all", "--quiet")).toBe("");
});
