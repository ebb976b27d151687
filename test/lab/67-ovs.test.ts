import { expect } from "bun:test";
import {
  expectConnected,
  expectNothingLeft,
  expectSecured,
  makeNetworks,
  makeSurroundings,
  nameNamespaces,
  RATES,
  refusal,
  removeAll,
  runContainers,
  snapshot,
  throughput,
} from "./ovs.ts";
import { type Lab, scenariosIn } from "./scenario.ts";
import { type GuestSwitch, startSwitch } from "./switch.ts";

/** Open vSwitch with the kernel's datapath: flat, VLAN, VXLAN, port security and rates, over reboots and power cuts. */

const scenario = scenariosIn("newest", { ovs: "oldest" });
const MODULE = `/lib/modules/$(uname -r)/kernel/net/openvswitch`;
let ovs: GuestSwitch;
let before: Readonly<Record<string, string>>;

const start = async (lab: Lab) => {
  await makeSurroundings(lab);
  ovs = await startSwitch(lab);
  await lab.services.underlay();
  await lab.services.dockerd();
};

scenario("a network is refused where the module is missing, and nothing of it is left", async (lab) => {
  await lab.guest.must(`mount -t tmpfs none ${MODULE}`);
  await start(lab);
  const missing =
    "no kernel datapath here: the module openvswitch is missing, or was when ovs-vswitchd started";
  expect(await refusal(lab, "-o", "mode=flat")).toContain(missing);
  await expectNothingLeft(lab);
  await lab.guest.must(`umount ${MODULE}; modprobe openvswitch`);
  expect(await refusal(lab, "-o", "mode=flat")).toContain(missing);
  await ovs.restartVswitchd();
});

scenario("so is one of mode nat by this kernel, after its bridge was there", async (lab) => {
  expect(await refusal(lab)).toContain("this kernel cannot be a gateway: it needs the modules nf_tables, ");
  await expectNothingLeft(lab);
});

scenario(
  "containers are on the uplink, in a VLAN, and in a tunnel, by the kernel's datapath",
  async (lab) => {
    const { guest, services } = lab;
    await services.image();
    await makeNetworks(lab);
    await runContainers(lab);
    await nameNamespaces(lab);
    await expectConnected(lab);
    await expectSecured(lab);
    const datapath = await guest.must("ovs-appctl dpif/show");
    expect(datapath).toMatch(/^system@ovs-system:.*\n {2}br1:\n(?: {4}.*\n)* {2}br2:\n/);
    expect(await guest.must("ovs-appctl dpctl/dump-flows")).toContain("eth_type(0x0800)");
    before = await snapshot(lab);
    expect(before["interfaces"]).toContain("remote_ip");
  },
  { containers: 2 },
);

scenario("rates are kept, as the container sees them", async (lab) => {
  const [outside, red] = ["10.78.0.1", "10.78.0.10"];
  const free = { from: "router", to: "web", at: "10.77.0.10", bytes: 4_000_000 };
  expect(await throughput(lab, free)).toBeGreaterThan(1.5 * RATES.tx);
  // A policer lets a million bits through at once before it begins.
  const received = await throughput(lab, { from: "router", to: "web", at: red, bytes: 375_000 });
  const sent = await throughput(lab, { from: "web", to: "router", at: outside, bytes: 1_000_000 });
  const shares = { rx: received / RATES.rx, tx: sent / RATES.tx };
  for (const [rate, share] of Object.entries(shares))
    expect([rate, share, share > 0.3 && share < 1.5]).toEqual([rate, share, true]);
});

scenario("a killed ovs-vswitchd takes its ports again", async (lab) => {
  await ovs.restartVswitchd();
  await expectConnected(lab);
  await expectSecured(lab);
  expect(await snapshot(lab)).toEqual(before);
});

for (const [what, off] of [
  ["reboot", ({ guest }: Lab) => guest.reboot()],
  [
    "power cut",
    async ({ guest }: Lab) => {
      // dockerd flushes nothing when it starts a container.
      await guest.must("sync");
      await guest.cut();
      await guest.boot();
    },
  ],
] as const)
  scenario(
    `a ${what}: all is back, under the same addresses, and nothing twice`,
    async (lab) => {
      await off(lab);
      await start(lab);
      await nameNamespaces(lab);
      await expectConnected(lab);
      await expectSecured(lab);
      expect(await snapshot(lab)).toEqual(before);
    },
    { timeoutMs: 300_000 },
  );

scenario("what is removed leaves nothing", async (lab) => {
  await removeAll(lab);
  await expectNothingLeft(lab);
});
