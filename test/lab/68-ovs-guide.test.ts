import { expect } from "bun:test";
import { guideScenarios, makeHost, type Typists, typistIn } from "./guide.ts";
import { scenariosIn } from "./scenario.ts";
import { startSwitch } from "./switch.ts";

/**
 * What the guide of networks on Open vSwitch says of mode flat, with the kernel's datapath; this kernel has no nf_tables for
 * mode nat.
 */

const GUIDE = "docs/guide/ovs.md";
const SECTIONS = ["flat: hosts of the LAN", "VLANs"];
const scenario = scenariosIn("newest", { ovs: "oldest" });

/** A second NIC, on another LAN. */
const ROUTER = `
  ip -n router address add 192.168.1.1/24 dev lan1
  ip link add eth1 type veth peer name lan2 netns router
  ip -n router link set lan2 up
  ip -n router address add 192.168.7.1/24 dev lan2`;
/** Whoever else is on both LANs. */
const LAPTOP = { name: "laptop", enter: "ip netns exec router" };

scenario("the host of the guide", async (lab) => {
  await startSwitch(lab);
  await makeHost(lab, ROUTER);
});
const typist: Typists = ({ guest }, machine) => {
  const type = typistIn(guest, machine === undefined ? undefined : LAPTOP);
  // As the guide says of a host that has the module.
  return (command) => type(command.replaceAll("-o datapath=netdev ", ""));
};
guideScenarios(scenario, GUIDE, typist, SECTIONS);

scenario(`${GUIDE} leaves no bridge, and no datapath`, async ({ guest }) => {
  expect(await guest.must("ovs-vsctl list-br; ovs-dpctl dump-dps")).toBe("");
});
