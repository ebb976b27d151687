import { expect } from "bun:test";
import { DRIVER as MACVLAN } from "../ground/scene.ts";
import { until } from "../ground/until.ts";
import { deleteNetwork } from "../live/docker-calls.ts";
import {
  attach,
  create,
  createAlone,
  detach,
  findings,
  healthy,
  NETWORKS,
  names,
  pings,
  say,
  shown,
} from "./parents.ts";
import { type Lab, scenariosIn } from "./scenario.ts";

/** What others do to parents under networks: modules go, links are renamed, deleted, or made in the place of ours. */

const scenario = scenariosIn("newest");
const [NET, NET2, NET3] = NETWORKS;

/** As the guest's first program makes it: the NIC's name and MAC are those of before. */
const NIC = `
  ip link add lan0 address 02:00:5e:00:53:01 type veth peer name lan1 address 02:00:5e:00:53:02 netns router
  ip link set lan0 up
  ip -n router link set lan1 up`;
const PEER = `
  ip -n router link add link lan1 name peer type vlan id 50
  ip -n router address add 10.60.0.1/16 dev peer
  ip -n router link set peer up`;

const untilHealthy = (lab: Lab, ...wanted: boolean[]) =>
  until(`networks are healthy: ${wanted}`, async () => Bun.deepEquals(await healthy(lab), wanted), {
    withinMs: 20_000,
  });
/** A container on `lan0.50` that starts now is heard by the router. */
async function expectReachable(lab: Lab, host: number): Promise<void> {
  await attach(lab, MACVLAN, NET, host);
  expect(await pings(lab, host, "10.60.0.1")).toBe(true);
  await detach(lab, MACVLAN, NET, host);
}

scenario("the NIC's driver is unloaded and loaded again: all is made again on the new link", async (lab) => {
  await lab.services.underlay();
  const options = [{ parent: "lan0.50" }, { parent: "lan0.10.20", vlan_protocol: "802.1ad" }] as const;
  await say(
    lab,
    MACVLAN,
    create(NET, options[0]),
    create(NET2, options[1]),
    create(NET3, { parent: "lan0" }),
  );
  await lab.guest.must(PEER);
  await expectReachable(lab, 9);
  await lab.guest.must("busybox rmmod veth");
  expect(await names(lab, "vlan")).toEqual([]);
  await untilHealthy(lab, false, false, false);
  const told = (await findings(lab)).map(({ id, message }) => `${id} ${message}`);
  expect(told.toSorted()).toEqual([
    "UL-P01 no link is called lan0",
    "UL-P01 no link is called lan0.10.20",
    "UL-P01 no link is called lan0.50",
  ]);
  await lab.guest.must(`modprobe veth; ${NIC}`);
  await untilHealthy(lab, true, true, true);
  expect(await findings(lab)).toEqual([]);
  expect(await shown(lab, "vlan")).toMatchObject([
    { ifname: "lan0.10", linkinfo: { info_data: { protocol: "802.1ad", id: 10 } } },
    { ifname: "lan0.10.20", linkinfo: { info_data: { protocol: "802.1Q", id: 20 } } },
    { ifname: "lan0.50", linkinfo: { info_data: { protocol: "802.1Q", id: 50 } } },
  ]);
  await lab.guest.must(PEER);
  await expectReachable(lab, 10);
  await say(lab, MACVLAN, deleteNetwork(NET2), deleteNetwork(NET3));
});

scenario(
  "8021q and dummy are unloaded under networks: their links are made again, which loads them",
  async (lab) => {
    await say(lab, MACVLAN, createAlone(NET2));
    const [dummy] = await names(lab, "dummy");
    await lab.guest.must("busybox rmmod 8021q; busybox rmmod dummy");
    await until("both are there", async () => {
      const there = [...(await names(lab, "vlan")), ...(await names(lab, "dummy"))];
      return there.includes("lan0.50") && there.includes(dummy ?? "");
    });
    await untilHealthy(lab, true, true);
    // The far end's VLAN went with the module, too.
    await lab.guest.must(PEER);
    await expectReachable(lab, 9);
    await say(lab, MACVLAN, deleteNetwork(NET2));
    expect(await names(lab, "dummy")).toEqual([]);
  },
);

scenario("the link below a VLAN is renamed: the VLAN stays, its containers go on", async (lab) => {
  await attach(lab, MACVLAN, NET, 9);
  // This kernel renames no link that is up.
  await lab.guest.must("ip link set lan0 down; ip link set lan0 name nic0; ip link set nic0 up");
  await until("it is up again", () => pings(lab, 9, "10.60.0.1"));
  expect(await healthy(lab)).toEqual([true]);
  expect(await findings(lab)).toEqual([]);
  expect(await shown(lab, "vlan")).toMatchObject([{ ifname: "lan0.50", link: "nic0" }]);
  await detach(lab, MACVLAN, NET, 9);
});

scenario(
  "then the VLAN is deleted: it cannot be made on a name that is gone; status says so; named back, it heals",
  async (lab) => {
    await lab.guest.must("ip link del lan0.50");
    await untilHealthy(lab, false);
    expect(await findings(lab)).toMatchObject([{ id: "UL-P01", message: "no link is called lan0.50" }]);
    expect(await names(lab, "vlan")).toEqual([]);
    await lab.guest.must("ip link property add dev nic0 altname lan0");
    await untilHealthy(lab, true);
    expect(await shown(lab, "vlan")).toMatchObject([{ ifname: "lan0.50", link: "nic0" }]);
    await expectReachable(lab, 10);
    await lab.guest.must(`
    ip link property del dev nic0 altname lan0
    ip link set nic0 down; ip link set nic0 name lan0; ip link set lan0 up`);
  },
);

scenario(
  "the VLAN itself is renamed: it is followed for this boot, told, and ours again when named back",
  async (lab) => {
    await lab.guest.must("ip link set lan0.50 down; ip link set lan0.50 name blue; ip link set blue up");
    const told = await until("it is told", async () => {
      const all = await findings(lab);
      return all.some(({ id }) => id === "UL-P01") && all;
    });
    expect(told).toMatchObject([
      {
        id: "UL-P01",
        severity: "warn",
        message: "lan0.50 is called blue now: after the next boot it would be missing",
      },
    ]);
    await expectReachable(lab, 9);
    expect(await names(lab, "vlan")).toEqual(["blue"]);
    await lab.guest.must("ip link set blue down; ip link set blue name lan0.50; ip link set lan0.50 up");
    await until("nothing is told", async () => (await findings(lab)).length === 0);
    await say(lab, MACVLAN, deleteNetwork(NET));
    expect(await names(lab, "vlan")).toEqual([]);
  },
);

scenario(
  "a VLAN deleted under a container: made again, and the container that lost its link is told",
  async (lab) => {
    await say(lab, MACVLAN, create(NET, { parent: "lan0.50" }));
    await attach(lab, MACVLAN, NET, 9);
    await lab.guest.must("ip link del lan0.50");
    const told = await until(
      "it is told",
      async () => {
        const all = await findings(lab);
        return all.some(({ id }) => id === "UL-R05") && all;
      },
      { withinMs: 40_000, everyMs: 1000 },
    );
    expect(told).toMatchObject([{ id: "UL-R05", message: "the endpoint 10.60.0.9/16 has no container" }]);
    expect(await healthy(lab)).toEqual([true]);
    await detach(lab, MACVLAN, NET, 9);
    await expectReachable(lab, 9);
    expect(await findings(lab)).toEqual([]);
  },
);

scenario(
  "after a boot, what a user made in its place is used and left, whatever its alias says",
  async (lab) => {
    await lab.guest.reboot();
    await lab.guest.must(`
    ip link add link lan0 name lan0.50 type vlan id 50
    ip link set lan0.50 alias 'underlay parent lan0.50'
    ip link set lan0.50 up`);
    await lab.guest.must(PEER);
    await lab.services.underlay();
    expect(await healthy(lab)).toEqual([true]);
    await expectReachable(lab, 9);
    await say(lab, MACVLAN, deleteNetwork(NET));
    expect(await names(lab, "vlan")).toEqual(["lan0.50"]);
    await lab.guest.must("ip link del lan0.50");
  },
);
