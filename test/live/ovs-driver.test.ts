import { beforeAll, describe, expect, test } from "bun:test";
import { linkNameOf, switchPortNameOf } from "../../src/lib/ifname.ts";
import { type Mac, parseMac } from "../../src/lib/mac.ts";
import type { OvsBirth } from "../../src/links/ovs/driver.ts";
import type { OvsNetwork } from "../../src/links/ovs/network-ports.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { AGES } from "../ground/engines.ts";
import { openTestNetns } from "../ground/netns.ts";
import {
  ALL_PASSED,
  endpoint,
  exchange,
  makeOvsScene,
  moveInto,
  NETWORK,
  type OvsScene,
  type Plugged,
  pluggedOf,
  specOf,
} from "./ovs-scene.ts";

/** Whole networks and endpoints, as they are asked for. */

const NOTHING_SPECIAL = { rates: {} };

describe.each([...AGES])("networks on Open vSwitch, %s", (age) => {
  const things = disposedAfterAll();
  let scene: OvsScene;

  beforeAll(async () => {
    scene = things.use(await makeOvsScene({ age }));
  }, 600_000);

  const bridges = () => scene.ovs.vsctl("list-br");
  const portsOf = (bridge: string) => scene.ovs.vsctl("list-ports", bridge);
  const networkOf = (bridge: string, options: Record<string, string> = {}): OvsNetwork => ({
    network: NETWORK,
    bridge,
    spec: specOf(options),
  });

  async function attach(
    on: OvsNetwork,
    name: string,
    address: string,
    birth: Partial<OvsBirth> = {},
  ): Promise<Plugged> {
    const owner = endpoint(name);
    const born = await scene.driver.create({ owner, on, endpoint: NOTHING_SPECIAL, mtu: 1450, ...birth });
    const inside = things.use(openTestNetns());
    await moveInto(scene.ip, inside, born.container.name, address);
    return pluggedOf(inside, born.port.name, name);
  }

  function mac(text: string): Mac {
    const read = parseMac(text);
    if (!read) throw new Error("a value of the test itself does not parse");
    return read;
  }

  test("nat: the bridge is up, has its MTU, and TCP and UDP pass between host and container, and containers", async () => {
    const on = networkOf("nat0");
    expect(await scene.open(on)).toMatchObject({ mtu: 1450, bridge: { datapath: "netdev" } });
    expect(await scene.open(on)).toMatchObject({ mtu: 1450 });
    await scene.ip("address add 10.9.0.1/24 dev nat0");
    const one = await attach(on, "n1", "10.9.0.2/24", { mac: mac("02:42:0a:09:00:02") });
    await attach(on, "n2", "10.9.0.3/24");
    expect(one.inside.ipJson("link", "show", "eth0")[0]).toMatchObject({
      mtu: 1450,
      address: "02:42:0a:09:00:02",
    });
    await one.comesTo("10.9.0.1");
    const [here, container] = [scene.ovs.netns, one.inside.path];
    expect(await exchange(container, here, "10.9.0.1")).toBe(ALL_PASSED);
    expect(await exchange(here, container, "10.9.0.2")).toBe(ALL_PASSED);
    await one.comesTo("10.9.0.3");

    expect(scene.said).toContain(`attached veth ${one.name} to bridge nat0`);
    for (const name of ["n1", "n2"]) await scene.driver.remove(endpoint(name));
    expect(scene.said).toContain(`deleted OVS port ${one.name} from its bridge`);
    expect(await portsOf("nat0")).toBe("");
    const kept = await scene.close(on);
    expect(kept).toEqual({ isGone: false, why: "its link has the address 10.9.0.1/24" });
    await scene.ip("address del 10.9.0.1/24 dev nat0");
    expect(await scene.close(on)).toEqual({ isGone: true });
    expect(await bridges()).toBe("");
  });

  test("nat with VLANs: each network's gateway is in its own, on one bridge", async () => {
    const nets = ["10", "20"].map((vlan) => ({
      ...networkOf("vnat0", { vlan }),
      network: `${NETWORK}${vlan}`,
    }));
    const containers: Plugged[] = [];
    for (const [i, on] of nets.entries()) {
      const { gateway } = await scene.open(on);
      expect(gateway?.link).toStartWith("ulg-");
      expect(gateway?.ofport).toBeGreaterThan(0);
      expect((await scene.open(on)).gateway).toEqual(gateway ?? { link: "" });
      await scene.ip(`address add 10.9.${5 + i}.1/24 dev ${gateway?.link}`);
      expect(await scene.ip(`link show ${gateway?.link}`)).toContain("mtu 1450");
      containers.push(await attach(on, `vn${i}`, `10.9.${5 + i}.2/24`));
      await containers[i]?.comesTo(`10.9.${5 + i}.1`);
    }
    // Even with an address of the other's.
    containers[0]?.inside.ip("address", "add", "10.9.6.3/24", "dev", "eth0");
    expect(containers[0]?.reaches("10.9.6.1")).toBe(false);
    for (const i of [0, 1]) await scene.driver.remove(endpoint(`vn${i}`));
    const [first, second] = nets;
    if (first) await scene.driver.dismantle(first);
    expect((await portsOf("vnat0")).split("\n")).toHaveLength(1);
    const last = second && (await scene.close(second));
    expect(last).toEqual({ isGone: true });
    expect(await scene.ip("link show")).not.toContain("ulg-");
  });

  test("an endpoint that others took apart is made again, and leaves nothing", async () => {
    const on = networkOf("chk0", { mode: "flat" });
    await scene.open(on);
    const owner = endpoint("c1");
    const limited = { owner, on, endpoint: { rates: { rx: 1e6 } }, mtu: 1450 };
    const { name } = await attach(on, "c1", "10.9.1.2/24", limited);
    const qos = async () => (await scene.ovs.vsctl("--columns=type", "list", "qos")).match(/linux-htb/g);

    await scene.ovs.vsctl("del-port", name);
    await scene.driver.create(limited);
    expect(await portsOf("chk0")).toBe(name);
    expect(await qos()).toHaveLength(2);

    await scene.ovs.vsctl("del-port", name);
    await scene.ip(`link del ${name}`);
    expect(await scene.ports.owners()).toEqual([owner]);
    await scene.driver.remove(owner);
    expect(await qos()).toBeNull();
    await scene.driver.remove(owner);
    expect(await scene.ports.owners()).toEqual([]);
    expect(await portsOf("chk0")).toBe("");
    await scene.close(on);
  });

  test("a container that went with its end leaves nothing once it is removed", async () => {
    const on = networkOf("gone0", { mode: "flat" });
    await scene.open(on);
    {
      using inside = openTestNetns();
      const owner = endpoint("g1");
      await scene.driver.create({ owner, on, endpoint: NOTHING_SPECIAL, mtu: 1450 });
      await moveInto(scene.ip, inside, linkNameOf(owner), "10.9.2.2/24");
    }
    await scene.driver.remove(endpoint("g1"));
    expect(await portsOf("gone0")).toBe("");
    expect(await scene.ip("link show")).not.toContain(switchPortNameOf(endpoint("g1")));
    await scene.close(on);
  });

  test("endpoints may differ from their network", async () => {
    const on = networkOf("mix0", { mode: "flat", vlan: "10", isolate: "true" });
    await scene.open(on);
    const trunk = { vlans: { mode: "trunk", vlans: [10, 20] }, isolate: false } as const;
    const one = await attach(on, "m1", "10.9.3.1/24");
    const two = await attach(on, "m2", "10.9.3.2/24", { endpoint: { ...trunk, rates: { rx: 1e6 } } });
    const columns = (name: string) => scene.ovs.vsctl("get", "port", name, "tag", "trunks", "protected");
    expect(await columns(one.name)).toBe("10\n[]\ntrue");
    expect(await columns(two.name)).toBe("[]\n[10, 20]\nfalse");
    expect(await scene.ovs.vsctl("--columns=other_config", "list", "qos")).toContain('max-rate="1000000"');
    for (const name of ["m1", "m2"]) await scene.driver.remove(endpoint(name));
    expect(await scene.ovs.vsctl("list", "qos")).toBe("");
    await scene.close(on);
  });

  test("what cannot be is refused before anything is made, or leaves nothing", async () => {
    const limited = { code: "unsupported", message: expect.stringMatching(/^tx_rate: /) };
    await expect(scene.open(networkOf("no0", { tx_rate: "1mbit" }))).rejects.toMatchObject(limited);
    const on = networkOf("yes0", { mode: "flat" });
    await scene.open(on);
    const birth = { owner: endpoint("l1"), on, mtu: 1450, endpoint: { rates: { tx: 1e6 } } };
    await expect(scene.driver.create(birth)).rejects.toMatchObject(limited);
    const astray = { ...birth, endpoint: NOTHING_SPECIAL, on: { ...on, bridge: "nowhere" } };
    await expect(scene.driver.create(astray)).rejects.toMatchObject({ code: "not_found" });
    expect(await bridges()).toBe("yes0");
    expect(await scene.ip("link show")).not.toContain("ulo-");
    await scene.close(on);
  });

  describe("an uplink", () => {
    test("joins the bridge to its LAN, and is left as it was", async () => {
      using lan = openTestNetns();
      await scene.ip(`link add nic1 mtu 1400 type veth peer name lan1 netns ${lan.path}`);
      lan.ip("address", "add", "10.9.4.9/24", "dev", "lan1");
      lan.ip("link", "set", "lan1", "mtu", "1400", "up");
      const on = networkOf("up0", { mode: "flat", uplink: "nic1" });
      // The default gives way to what the uplink carries.
      expect(await scene.open(on)).toMatchObject({ mtu: 1400 });
      expect(await scene.open(on)).toMatchObject({ mtu: 1400 });
      const one = await attach(on, "u1", "10.9.4.1/24", { mtu: 1400 });
      await one.comesTo("10.9.4.9");
      await scene.driver.remove(endpoint("u1"));
      expect(await scene.close(on)).toEqual({ isGone: true });
      expect(await bridges()).toBe("");
      expect(await scene.ip("link show nic1")).toContain("mtu 1400");
    });

    test.each([
      ["none0", "conflict", "uplink none0 is no link of this host", ""],
      [
        "used0",
        "conflict",
        "uplink used0 holds 192.0.2.77/24 of this host",
        "address add 192.0.2.77/24 dev used0",
      ],
      ["port0", "conflict", "uplink port0 is a port of lin0 (bridge) already", "link set port0 master lin0"],
    ])("%s: %s, and nothing is left", async (name, code, message, before) => {
      if (before !== "") {
        await scene.ip(`link add ${name} type veth peer name ${name}p`);
        if (before.includes("lin0")) await scene.ip("link add lin0 type bridge");
        await scene.ip(before);
      }
      const on = networkOf("bad0", { mode: "flat", uplink: name });
      await expect(scene.open(on)).rejects.toMatchObject({
        code,
        message: expect.stringContaining(message),
      });
      expect(await bridges()).toBe("");
    });

    test("of another bridge is not taken from it; an MTU that it does not carry is refused", async () => {
      await scene.ip("link add nic2 type veth peer name lan2");
      await scene.ovs.vsctl("add-br", "theirs", "--", "set", "bridge", "theirs", "datapath_type=netdev");
      await scene.ovs.vsctl("add-port", "theirs", "nic2");
      const taken = networkOf("bad1", { mode: "flat", uplink: "nic2" });
      await expect(scene.open(taken)).rejects.toMatchObject({
        message: "uplink nic2 is a port of bridge theirs already",
      });
      const large = networkOf("bad2", { mode: "flat", uplink: "nic2", mtu: "1501" });
      await expect(scene.open(large)).rejects.toMatchObject({
        code: "invalid_option",
        message: "mtu: 1501 is more than 1500: nic2 carries 1500",
      });
      expect(await bridges()).toBe("theirs");
      // On the bridge itself it is used as it is, and stays.
      const theirs = networkOf("theirs", { mode: "flat", uplink: "nic2" });
      await scene.open(theirs);
      const last = await scene.close(theirs);
      expect(last).toEqual({ isGone: false, why: "it was there before" });
      expect(await portsOf("theirs")).toBe("nic2");
    });
  });
});
