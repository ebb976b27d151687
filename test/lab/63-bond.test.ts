import { expect } from "bun:test";
import { DRIVER as MACVLAN } from "../ground/scene.ts";
import { until } from "../ground/until.ts";
import { deleteNetwork } from "../live/docker-calls.ts";
import {
  attach,
  create,
  createDual,
  detach,
  healthy,
  IPVLAN,
  NETWORKS,
  pings,
  say,
  shown,
} from "./parents.ts";
import { type Lab, scenariosIn } from "./scenario.ts";

/** Parents that are no NIC: bond, team, bridge, tap, and a VLAN of any name. A bond and a team with a failover. */

const scenario = scenariosIn("newest");
const [NET, NET2] = NETWORKS;

const FAR = "10.60.0.1";
const FAR6 = "fd60::ffff";

/**
 * A switch with two ports, `p0` and `p1`, to which `s0` and `s1` are the other ends, and behind it a host `far`. What the
 * switch learns of MAC addresses is not forgotten.
 */
const SWITCH = `
  ip netns add switch
  ip -n switch link add sw0 type bridge ageing_time 100000
  for port in 0 1; do
    ip link add s$port type veth peer name p$port netns switch
    ip -n switch link set p$port master sw0 up
  done
  ip netns add far
  ip link add far0 netns far type veth peer name p2 netns switch
  ip -n switch link set p2 master sw0 up
  ip -n switch link set sw0 up
  ip -n far link set lo up
  ip -n far link set far0 up
  ip -n far address add ${FAR}/16 dev far0
  ip -n far link add link far0 name far0.50 type vlan id 50
  ip -n far link set far0.50 up`;

const TO_VLAN = `
  ip -n far address del ${FAR}/16 dev far0
  ip -n far address add ${FAR}/16 dev far0.50
  ip -n far address add ${FAR6}/64 dev far0.50 nodad`;

const bondOf = (failOverMac: string) => `
  ip link add bond7 type bond mode active-backup miimon 50 fail_over_mac ${failOverMac}
  for slave in s0 s1; do ip link set $slave down; ip link set $slave master bond7; done
  ip link set bond7 up`;

/** On which port of the switch the MAC is. */
async function portOf({ guest }: Lab, mac: string): Promise<string | undefined> {
  const known: readonly { mac: string; ifname: string; state?: string }[] = JSON.parse(
    await guest.must("bridge -n switch -j fdb show br sw0"),
  );
  return known.find((entry) => entry.mac === mac && entry.state !== "permanent")?.ifname;
}

/** At which MAC the far host believes the address. */
async function believed({ guest }: Lab, address: string): Promise<string | undefined> {
  const [entry] = JSON.parse(await guest.must(`ip -n far -j neighbour show ${address}`));
  return entry?.lladdr;
}

async function macOf({ guest }: Lab, netns: string, link = "eth0"): Promise<string> {
  const [shown] = JSON.parse(await guest.must(`ip -n ${netns} -j link show ${link}`));
  return shown.address;
}

const farPings = async ({ guest }: Lab, address: string) =>
  (await guest.run(`ip netns exec far busybox ping -c1 -W2 ${address}`)).code === 0;

/** What the daemon logged of announcements of its own. */
function announced({ guest }: Lab): unknown[] {
  return guest
    .log()
    .filter((line) => line.includes("a parent has moved to another port"))
    .map((line) => JSON.parse(line.slice(line.indexOf("{"))));
}

const activeSlave = ({ guest }: Lab) => guest.must("cat /sys/class/net/bond7/bonding/active_slave");
const portAt = (slave: string) => slave.replace("s", "p");

/** Has the far host know the address, and then pulls the cable of the slave in use. */
async function failOver(lab: Lab, address: string): Promise<{ readonly from: string; readonly to: string }> {
  await until("the far host reaches it", () => farPings(lab, address), { withinMs: 20_000 });
  const from = await activeSlave(lab);
  await lab.guest.must(`ip -n switch link set ${portAt(from)} down`);
  const to = await until("the other slave is used", async () => {
    const slave = await activeSlave(lab);
    return slave !== from && slave;
  });
  return { from, to };
}

const plugIn = (lab: Lab, slave: string) => lab.guest.must(`ip -n switch link set ${portAt(slave)} up`);

scenario(
  "macvlan on a bond: after a failover the switch finds the container at the new port, and it goes on talking",
  async (lab) => {
    await lab.guest.must(`${SWITCH}${bondOf("none")}`);
    await lab.services.underlay();
    await say(lab, MACVLAN, create(NET, { parent: "bond7" }));
    await attach(lab, MACVLAN, NET, 9);
    const { from, to } = await failOver(lab, "10.60.0.9");
    // It has not spoken since: the kernel announced it.
    const mac = await macOf(lab, "c9");
    await until("the switch knows it at the other port", async () => (await portOf(lab, mac)) === portAt(to));
    expect(await pings(lab, 9, FAR)).toBe(true);
    expect(announced(lab)).toEqual([]);
    await plugIn(lab, from);
    await detach(lab, MACVLAN, NET, 9);
    await say(lab, MACVLAN, deleteNetwork(NET));
  },
);

scenario("macvlan on a VLAN of a bond, whose MAC is another after the failover: the same", async (lab) => {
  await lab.guest.must(`ip link del bond7${bondOf("active")}${TO_VLAN}`);
  await say(lab, MACVLAN, create(NET, { parent: "bond7.50" }));
  await attach(lab, MACVLAN, NET, 9);
  const { from, to } = await failOver(lab, "10.60.0.9");
  const mac = await macOf(lab, "c9");
  await until("the switch knows it at the other port", async () => (await portOf(lab, mac)) === portAt(to));
  expect(await pings(lab, 9, FAR)).toBe(true);
  expect(await healthy(lab)).toEqual([true]);
  await plugIn(lab, from);
  await detach(lab, MACVLAN, NET, 9);
  await say(lab, MACVLAN, deleteNetwork(NET));
});

scenario(
  "ipvlan on a VLAN of such a bond: the kernel announces nothing, we tell where the containers are now",
  async (lab) => {
    await say(lab, IPVLAN, createDual(NET, { parent: "bond7.50" }));
    for (const host of [11, 12]) await attach(lab, IPVLAN, NET, host, "both");
    for (const address of ["10.60.0.11", "10.60.0.12", "fd60::11", "fd60::12"])
      await until(`${address} is reached`, () => farPings(lab, address));
    const before = await macOf(lab, "c11");
    const { from, to } = await failOver(lab, "10.60.0.11");
    const mac = await macOf(lab, "c11");
    expect(mac).not.toBe(before);
    // Nobody has spoken meanwhile.
    for (const address of ["10.60.0.11", "10.60.0.12", "fd60::11", "fd60::12"])
      await until(`${address} is where it is`, async () => (await believed(lab, address)) === mac);
    expect(await portOf(lab, mac)).toBe(portAt(to));
    for (const address of ["10.60.0.12", "fd60::11"]) expect(await farPings(lab, address)).toBe(true);
    expect(await pings(lab, 11, FAR)).toBe(true);
    expect(announced(lab)).toMatchObject([{ parent: "bond7.50", addresses: 4 }]);
    await plugIn(lab, from);
    for (const host of [11, 12]) await detach(lab, IPVLAN, NET, host);
    await say(lab, IPVLAN, deleteNetwork(NET));
    expect(await shown(lab, "vlan")).toEqual([]);
  },
);

scenario("a bridge as a parent: what is at its ports is heard; ipvlan, too", async (lab) => {
  await lab.guest.must(`
    ip link del bond7
    ip link add br7 type bridge
    ip link set s0 master br7; ip link set s0 up
    ip link set br7 up`);
  await lab.guest.must(
    `ip -n far address del ${FAR}/16 dev far0.50; ip -n far address add ${FAR}/16 dev far0`,
  );
  for (const driver of [MACVLAN, IPVLAN]) {
    await say(lab, driver, create(NET, { parent: "br7" }));
    await attach(lab, driver, NET, 9);
    await until(`${driver} is heard`, () => pings(lab, 9, FAR));
    await detach(lab, driver, NET, 9);
    await say(lab, driver, deleteNetwork(NET));
  }
  await lab.guest.must("ip link show br7");
});

scenario("a team and a tap as parents: links are made on them, and they stay", async (lab) => {
  await lab.guest.must(`
    modprobe tun
    ip link add team7 type team; ip link set team7 up
    ip tuntap add tap7 mode tap; ip link set tap7 up`);
  for (const parent of ["team7", "tap7"]) {
    await say(lab, MACVLAN, create(NET, { parent }));
    await say(lab, IPVLAN, create(NET2, { parent: `${parent}.50` }));
    await attach(lab, MACVLAN, NET, 9);
    const [link] = JSON.parse(await lab.guest.must("ip -n c9 -j -d link show eth0"));
    const [under] = JSON.parse(await lab.guest.must(`ip -j link show ${parent}`));
    expect([link.link_index, link.linkinfo.info_kind]).toEqual([under.ifindex, "macvlan"]);
    expect(await shown(lab, "vlan")).toMatchObject([{ ifname: `${parent}.50`, link: parent }]);
    await detach(lab, MACVLAN, NET, 9);
    await say(lab, MACVLAN, deleteNetwork(NET));
    await say(lab, IPVLAN, deleteNetwork(NET2));
    expect(await shown(lab, "vlan")).toEqual([]);
    await lab.guest.must(`ip link show ${parent}`);
  }
});

scenario("a VLAN of any name that is there already is used, and stays", async (lab) => {
  await lab.guest.must(`
    ip link add link lan0 name trunk-blue type vlan id 70
    ip -n router link add link lan1 name peer type vlan id 70
    ip -n router address add ${FAR}/16 dev peer
    ip -n router link set peer up`);
  for (const driver of [MACVLAN, IPVLAN]) {
    await say(lab, driver, create(NET, { parent: "trunk-blue" }));
    await attach(lab, driver, NET, 9);
    await until(`${driver} is heard`, () => pings(lab, 9, FAR));
    await detach(lab, driver, NET, 9);
    await say(lab, driver, deleteNetwork(NET));
  }
  expect(await shown(lab, "vlan")).toMatchObject([{ ifname: "trunk-blue", link: "lan0" }]);
});
