import { expect } from "bun:test";
import { DRIVER as MACVLAN } from "../ground/scene.ts";
import { until } from "../ground/until.ts";
import { deleteNetwork } from "../live/docker-calls.ts";
import {
  attach,
  create,
  createAlone,
  detach,
  healthy,
  IPVLAN,
  NETWORKS,
  names,
  pings,
  refusal,
  say,
  shown,
} from "./parents.ts";
import { scenariosIn } from "./scenario.ts";

/** Parents that are made: VLANs, stacked VLANs, dummies. No dockerd: the calls are what it would say. */

const scenario = scenariosIn("newest");

const [NET, NET2, NET3] = NETWORKS;

scenario(
  "VLANs 1, 50 and 4094 of a trunk: made, heard at the other end, each only in its own, and removed",
  async (lab) => {
    await lab.services.underlay();
    for (const vid of [1, 50, 4094]) {
      await say(lab, MACVLAN, create(NET, { parent: `lan0.${vid}` }));
      expect(await shown(lab, "vlan")).toMatchObject([
        {
          ifname: `lan0.${vid}`,
          link: "lan0",
          ifalias: `underlay parent lan0.${vid}`,
          linkinfo: { info_data: { protocol: "802.1Q", id: vid } },
        },
      ]);
      await lab.guest.must(`
      ip -n router link add link lan1 name peer type vlan id ${vid}
      ip -n router address add 10.60.0.1/16 dev peer
      ip -n router link set peer up
      ip -n router link add link lan1 name other type vlan id 7
      ip netns add other
      ip -n router link set other netns other
      ip -n other address add 10.60.0.2/16 dev other
      ip -n other link set other up`);
      await attach(lab, MACVLAN, NET, 9);
      expect([vid, await pings(lab, 9, "10.60.0.1")]).toEqual([vid, true]);
      expect([vid, await pings(lab, 9, "10.60.0.2")]).toEqual([vid, false]);
      await detach(lab, MACVLAN, NET, 9);
      await say(lab, MACVLAN, deleteNetwork(NET));
      expect(await names(lab, "vlan")).toEqual([]);
      await lab.guest.must("ip -n router link del peer; ip netns del other");
    }
  },
);

scenario(
  "OverlapParent, OverlapDeleteCreatedSecond: a VLAN goes with its last network, whichever made it; the link below stays",
  async (lab) => {
    const parent = { parent: "lan0.50" };
    for (const [first, last] of [
      [NET, NET2],
      [NET2, NET],
    ] as const) {
      await say(lab, MACVLAN, create(NET, parent), create(NET2, parent), deleteNetwork(first));
      expect(await names(lab, "vlan")).toEqual(["lan0.50"]);
      await say(lab, MACVLAN, deleteNetwork(last));
      expect(await names(lab, "vlan")).toEqual([]);
    }
    await lab.guest.must("ip link show lan0");
  },
);

scenario("802.1Q in 802.1ad: both tags are made, heard at the other end, and removed", async (lab) => {
  await say(lab, MACVLAN, create(NET, { parent: "lan0.10.20", vlan_protocol: "802.1ad" }));
  expect(await shown(lab, "vlan")).toMatchObject([
    { ifname: "lan0.10", link: "lan0", linkinfo: { info_data: { protocol: "802.1ad", id: 10 } } },
    { ifname: "lan0.10.20", link: "lan0.10", linkinfo: { info_data: { protocol: "802.1Q", id: 20 } } },
  ]);
  await lab.guest.must(`
    ip -n router link add link lan1 name outer type vlan protocol 802.1ad id 10
    ip -n router link add link outer name peer type vlan id 20
    ip -n router address add 10.60.0.1/16 dev peer
    ip -n router link set outer up
    ip -n router link set peer up`);
  await attach(lab, MACVLAN, NET, 9);
  expect(await pings(lab, 9, "10.60.0.1")).toBe(true);
  await detach(lab, MACVLAN, NET, 9);
  await say(lab, MACVLAN, deleteNetwork(NET));
  expect(await names(lab, "vlan")).toEqual([]);
  await lab.guest.must("ip -n router link del outer");
});

scenario("no parent: two containers of a network hear each other, those of another do not", async (lab) => {
  for (const driver of [MACVLAN, IPVLAN]) {
    await say(lab, driver, createAlone(NET), createAlone(NET2));
    expect(await names(lab, "dummy")).toEqual([
      expect.stringMatching(/^uld-[a-z2-7]{11}$/),
      expect.stringMatching(/^uld-[a-z2-7]{11}$/),
    ]);
    for (const host of [9, 10]) await attach(lab, driver, NET, host);
    expect([driver, await pings(lab, 9, "10.60.0.10")]).toEqual([driver, true]);
    expect((await lab.guest.must("ip -n c9 route")).includes("default")).toBe(false);
    for (const host of [9, 10]) await detach(lab, driver, NET, host);
    await say(lab, driver, deleteNetwork(NET), deleteNetwork(NET2));
    expect(await names(lab, "dummy")).toEqual([]);
  }
});

scenario(
  "Subinterface, OverlapKeepExistingParent: what a user made is used, and never removed; nor is what a user put in the place of ours",
  async (lab) => {
    await lab.guest.must("ip link add link lan0 name lan0.50 type vlan id 50");
    const parent = { parent: "lan0.50" };
    for (const driver of [MACVLAN, IPVLAN]) {
      const calls = [create(NET, parent), create(NET2, parent), deleteNetwork(NET), deleteNetwork(NET2)];
      await say(lab, driver, ...calls);
      expect(await names(lab, "vlan")).toEqual(["lan0.50"]);
    }
    await lab.guest.must("ip link del lan0.50");
    await say(lab, MACVLAN, create(NET, { parent: "lan0.50" }));
    // In one go: ours would be made again meanwhile.
    await lab.guest.must(
      `printf '%s\\n' 'link del lan0.50' 'link add link lan0 name lan0.50 type vlan id 50' | ip -batch -`,
    );
    await say(lab, MACVLAN, deleteNetwork(NET));
    expect(await names(lab, "vlan")).toEqual(["lan0.50"]);
    await lab.guest.must("ip link del lan0.50");
  },
);

scenario("a VLAN of ours on which a user's link hangs stays", async (lab) => {
  await say(lab, MACVLAN, create(NET, { parent: "lan0.50" }));
  await lab.guest.must("ip link add link lan0.50 name theirs type vlan id 60");
  await say(lab, MACVLAN, deleteNetwork(NET));
  expect(await names(lab, "vlan")).toEqual(["lan0.50", "theirs"]);
  await lab.guest.must("ip link del lan0.50");
});

scenario("a name that is too long for a link is its altname", async (lab) => {
  await lab.guest.must("ip link add enx001122334455 type dummy; ip link set enx001122334455 up");
  await say(lab, MACVLAN, create(NET, { parent: "enx001122334455.100" }));
  expect(await shown(lab, "vlan")).toMatchObject([
    { ifname: expect.stringMatching(/^ulp-[a-z2-7]{11}$/), altnames: ["enx001122334455.100"] },
  ]);
  await attach(lab, MACVLAN, NET, 9);
  await detach(lab, MACVLAN, NET, 9);
  await say(lab, MACVLAN, deleteNetwork(NET));
  expect(await names(lab, "vlan")).toEqual([]);
  await lab.guest.must("ip link del enx001122334455");
});

scenario("what cannot be made is refused in words, and leaves nothing", async (lab) => {
  await lab.guest.must(`
    ip link add link lan0 name fifty type vlan id 50
    ip link add link lan0 name lan0.60 type vlan id 60
    ip link add tun9 type ipip local 127.0.0.1 remote 127.0.0.2 2>/dev/null || true`);
  expect(await refusal(lab, create(NET, { parent: "lan0.50" }))).toContain(
    "VLAN 50 (802.1q) on lan0 exists already and is called fifty; use it by that name: -o parent=fifty",
  );
  expect(await refusal(lab, create(NET, { parent: "lan0.60", vlan_protocol: "802.1ad" }))).toContain(
    "lan0.60 exists already and is a VLAN of protocol 802.1q, not 802.1ad",
  );
  expect(await refusal(lab, create(NET, { parent: "lo.50" }))).toContain("UL-P04 lo is the loopback link");
  expect(await refusal(lab, create(NET, { parent: "nic9.50" }))).toContain("UL-P01 no link is called nic9");
  expect(await names(lab, "vlan")).toEqual(["fifty", "lan0.60"]);
  expect(await healthy(lab)).toEqual([]);
  // Another protocol is another VLAN to the kernel.
  await say(lab, MACVLAN, create(NET, { parent: "lan0.50", vlan_protocol: "802.1ad" }), deleteNetwork(NET));
  await lab.guest.must("ip link del fifty; ip link del lan0.60");
});

scenario(
  "a VLAN deleted by hand is made again, and said; so is a dummy, and one whose NIC was away",
  async (lab) => {
    await say(
      lab,
      MACVLAN,
      create(NET, { parent: "lan0.50" }),
      create(NET2, { parent: "lan0.10.20" }),
      createAlone(NET3),
    );
    const [dummy = ""] = await names(lab, "dummy");
    await attach(lab, MACVLAN, NET, 9);
    const from = lab.guest.log().length;
    await lab.guest.must(`ip link del lan0.50; ip link del lan0.10; ip link del ${dummy}`);
    await until("all are there", async () => {
      const all = [...(await names(lab, "vlan")), ...(await names(lab, "dummy"))];
      return all.join() === ["lan0.10", "lan0.10.20", "lan0.50", dummy].join();
    });
    const said = lab.guest
      .log()
      .slice(from)
      .filter((line) => line.includes("was gone and was made again"));
    expect(said.length).toBe(3);
    expect((await lab.guest.run("ip -n c9 link show eth0")).code).not.toBe(0);
    await detach(lab, MACVLAN, NET, 9);
    await attach(lab, MACVLAN, NET, 10);
    await detach(lab, MACVLAN, NET, 10);

    await lab.guest.must("ip link del lan0");
    await until(
      "those without a NIC are degraded",
      async () => (await healthy(lab)).join() === "false,false,true",
    );
    const { findings } = JSON.parse(await lab.services.cli("status", "-o", "json"));
    expect(findings.map(({ id }: { id: string }) => id)).toEqual(["UL-P01", "UL-P01"]);
    await lab.guest.must(`
    ip link add lan0 address 02:00:5e:00:53:01 type veth peer name lan1 netns router
    ip link set lan0 up
    ip -n router link set lan1 up`);
    await until("all are well", async () => (await healthy(lab)).join() === "true,true,true");
  },
);

scenario("a reboot and a power cut bring all of them back, and they are ours still", async (lab) => {
  for (const off of [() => lab.guest.reboot(), () => lab.guest.cut().then(() => lab.guest.boot())]) {
    await off();
    expect([...(await names(lab, "vlan")), ...(await names(lab, "dummy"))]).toEqual([]);
    await lab.services.underlay();
    expect(await names(lab, "vlan")).toEqual(["lan0.10", "lan0.10.20", "lan0.50"]);
    expect(await names(lab, "dummy")).toHaveLength(1);
    expect(await healthy(lab)).toEqual([true, true, true]);
    await attach(lab, MACVLAN, NET, 9);
    await detach(lab, MACVLAN, NET, 9);
  }
  await say(lab, MACVLAN, ...[NET, NET2, NET3].map(deleteNetwork));
  expect([...(await names(lab, "vlan")), ...(await names(lab, "dummy"))]).toEqual([]);
});

scenario(
  "a kernel without the module is told, with the line that loads it; with it, a network heals",
  async (lab) => {
    await say(lab, MACVLAN, create(NET, { parent: "lan0.50" }));
    await lab.guest.must(
      "mv /usr/sbin/modprobe /usr/sbin/modprobe.away; ip link del lan0.50; rmmod 8021q || true",
    );
    const isGone = !(await lab.guest.must("lsmod")).includes("8021q ");
    if (isGone) {
      const told = await refusal(lab, create(NET2, { parent: "lan0.60" }));
      expect(told).toStartWith("UL-K01 this kernel cannot make vlan links: module 8021q is missing");
      expect(told).toContain("modprobe 8021q");
      expect(await healthy(lab)).toEqual([false]);
    }
    await lab.guest.must("mv /usr/sbin/modprobe.away /usr/sbin/modprobe; modprobe 8021q");
    await until("it heals by itself", async () => (await healthy(lab)).join() === "true", {
      withinMs: 20_000,
    });
    await say(lab, MACVLAN, deleteNetwork(NET));
    expect(isGone).toBe(true);
  },
);
