import { beforeAll, describe, expect, test } from "bun:test";
import { parseCidr } from "../../src/lib/ip.ts";
import { deriveMac } from "../../src/lib/mac.ts";
import { portRows } from "../../src/links/ovs/rows.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { AGES } from "../ground/engines.ts";
import { endpoint, makeOvsScene, NEW_BRIDGE, type OvsScene, portOf } from "./ovs-scene.ts";

/** Bridges: ours come and go, and nobody else's is touched. Seen by ovs-vsctl(8) and ip(8). */

const OWN = ["10.0.0.1/24", "fd00::1/64"].flatMap((text) => parseCidr(text) ?? []);

describe.each([...AGES])("bridges of Open vSwitch, %s", (age) => {
  const things = disposedAfterAll();
  let scene: OvsScene;

  beforeAll(async () => {
    scene = things.use(await makeOvsScene({ age }));
  }, 600_000);

  const bridges = async () => (await scene.ovs.vsctl("list-br")).split("\n").filter((name) => name !== "");

  test("is made with datapath, MAC and MTU, and works; is removed with what of ours is on it", async () => {
    const wish = { ...NEW_BRIDGE, name: "made" };
    const made = await scene.bridges.ensure(wish);
    expect(made).toEqual({ name: "made", ids: { network: wish.network }, datapath: "netdev" });
    const shown = await scene.ip("-o link show made");
    expect(shown).toContain(`link/ether ${wish.mac}`);
    expect(shown).toContain("mtu 1450");
    expect(await scene.bridges.ensure(wish)).toEqual(made);

    await scene.pairs.make({ owner: endpoint("b"), mtu: 1450, finishesChecksums: false });
    await scene.ports.put({ ...portRows({ ...portOf("b"), rates: { rx: 1e6 } }), bridge: "made" });
    expect(await scene.bridges.find("made")).toEqual(made);
    expect(await scene.bridges.ports("made")).toMatchObject([{ ids: { endpoint: endpoint("b") } }]);
    expect(await scene.bridges.ports("none")).toEqual([]);
    expect(await scene.bridges.remove("made", [])).toEqual({ isGone: true });
    expect(await bridges()).toEqual([]);
    expect(await scene.ovs.vsctl("list", "qos")).toBe("");
    await expect(scene.ip("link show made")).rejects.toThrow("does not exist");
    expect(await scene.bridges.remove("made", [])).toEqual({ isGone: true });
  });

  test("one that is there is used as it is, and stays", async () => {
    await scene.ovs.vsctl("add-br", "theirs", "--", "set", "bridge", "theirs", "datapath_type=netdev");
    const before = await scene.ovs.vsctl(
      "get",
      "bridge",
      "theirs",
      "external_ids",
      "other_config",
      "fail_mode",
    );
    const found = await scene.bridges.ensure({ ...NEW_BRIDGE, name: "theirs" });
    expect(found).toEqual({ name: "theirs", datapath: "netdev" });
    expect(await scene.bridges.remove("theirs", [])).toEqual({ isGone: false, why: "it was there before" });
    const after = await scene.ovs.vsctl(
      "get",
      "bridge",
      "theirs",
      "external_ids",
      "other_config",
      "fail_mode",
    );
    expect(after).toBe(before);
    expect(await bridges()).toEqual(["theirs"]);
    await scene.ovs.vsctl("del-br", "theirs");
  });

  test("one of ours stays while a port or an address of somebody else is on it", async () => {
    const wish = { ...NEW_BRIDGE, name: "shared" };
    await scene.bridges.ensure(wish);
    await scene.ip("link add eth2 type veth peer name eth3");
    await scene.ovs.vsctl("add-port", "shared", "eth2");
    expect(await scene.bridges.remove("shared", [])).toEqual({ isGone: false, why: "port eth2 is on it" });
    await scene.ovs.vsctl("del-port", "eth2");

    for (const address of ["10.0.0.1/24", "192.0.2.7/24"])
      await scene.ip(`address add ${address} dev shared`);
    await scene.ip("link set shared up");
    expect(await scene.bridges.remove("shared", OWN)).toEqual({
      isGone: false,
      why: "its link has the address 192.0.2.7/24",
    });
    await scene.ip("address del 192.0.2.7/24 dev shared");
    expect(await scene.bridges.remove("shared", OWN)).toEqual({ isGone: true });
    expect(await bridges()).toEqual([]);
  });

  test("a datapath that this host has not: told, and nothing is left", async () => {
    const wish = { ...NEW_BRIDGE, name: "kernel", datapath: "system" } as const;
    await expect(scene.bridges.ensure(wish)).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringContaining("module openvswitch is missing"),
    });
    expect(await bridges()).toEqual([]);
    // The same of one that somebody else made so.
    await scene.ovs.vsctl("--no-wait", "add-br", "kernel");
    await expect(scene.bridges.ensure(wish)).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringContaining("bridge kernel does not work"),
    });
    expect(await bridges()).toEqual(["kernel"]);
    await scene.ovs.vsctl("del-br", "kernel");
  });

  test("another datapath than was asked for, and a link that is no such bridge, are conflicts", async () => {
    await scene.bridges.ensure({ ...NEW_BRIDGE, name: "user" });
    const other = { ...NEW_BRIDGE, name: "user", datapath: "system" } as const;
    await expect(scene.bridges.ensure(other)).rejects.toMatchObject({
      code: "conflict",
      message: "bridge user has datapath netdev, not system; leave datapath out, or name another bridge",
    });
    expect(await scene.bridges.ensure({ ...other, datapathAsked: false })).toMatchObject({
      datapath: "netdev",
    });
    await scene.bridges.remove("user", []);

    await scene.ip("link add linux type bridge");
    await expect(scene.bridges.ensure({ ...NEW_BRIDGE, name: "linux" })).rejects.toMatchObject({
      code: "conflict",
      message: "linux is a link of kind bridge and no bridge of Open vSwitch; name another bridge",
    });
    expect(await bridges()).toEqual([]);
    await scene.ip("link del linux");
  });

  test("ten at once make one", async () => {
    const wish = { ...NEW_BRIDGE, name: "once" };
    const made = await Promise.all(Array.from({ length: 10 }, () => scene.bridges.ensure(wish)));
    expect(new Set(made.map(({ datapath }) => datapath))).toEqual(new Set(["netdev"]));
    expect(await bridges()).toEqual(["once"]);
    const removed = await Promise.all([1, 2, 3].map(() => scene.bridges.remove("once", [])));
    expect(removed).toEqual([1, 2, 3].map(() => ({ isGone: true })));
  });

  test("its MAC stays when ports come that have a lower one", async () => {
    const wish = { ...NEW_BRIDGE, name: "mac", mac: deriveMac("another") };
    await scene.bridges.ensure(wish);
    await scene.ip("link add low address 00:00:00:00:00:01 type veth peer name lower");
    await scene.ovs.vsctl("add-port", "mac", "low");
    expect(await scene.ip("-o link show mac")).toContain(wish.mac);
    await scene.ovs.vsctl("del-port", "low");
    expect(await scene.bridges.remove("mac", [])).toEqual({ isGone: true });
  });
});
