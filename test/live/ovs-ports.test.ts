import { beforeAll, describe, expect, test } from "bun:test";
import { arpRequest } from "../../src/lib/arp.ts";
import { parseIp } from "../../src/lib/ip.ts";
import { deriveMac } from "../../src/lib/mac.ts";
import { portRows } from "../../src/links/ovs/rows.ts";
import { viewBridge } from "../../src/links/ovs/view.ts";
import { openPacketSocket } from "../../src/sys/packet.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { AGES } from "../ground/engines.ts";
import { until } from "../ground/until.ts";
import {
  ALL_PASSED,
  BRIDGE,
  endpoint,
  exchange,
  makeOvsScene,
  NEW_BRIDGE,
  type OvsScene,
  type Plugged,
  portOf,
} from "./ovs-scene.ts";

/** Ports of our making, seen by ovs-vsctl(8) and by the packets that pass them. */

describe.each([...AGES])("ports of Open vSwitch, %s", (age) => {
  const things = disposedAfterAll();
  let scene: OvsScene;

  beforeAll(async () => {
    scene = things.use(await makeOvsScene({ age }));
    await scene.bridges.ensure(NEW_BRIDGE);
  }, 600_000);

  const get = (table: string, record: string, column: string) =>
    scene.ovs.vsctl("get", table, record, column);
  const all = async (table: string, columns: string): Promise<string> =>
    scene.ovs.vsctl("--format=csv", "--no-headings", `--columns=${columns}`, "list", table);

  test("come and go", async () => {
    const one = await scene.plug("a1", "10.1.0.1/24");
    const two = await scene.plug("a2", "10.1.0.2/24");
    await one.comesTo("10.1.0.2");
    expect(await get("port", two.name, "external_ids")).toBe(
      '{endpoint="docker:n1/a2", network="docker:n1", owner=underlay}',
    );
    expect(await scene.ports.remove(two.name)).toBe(true);
    expect(await scene.ports.remove(two.name)).toBe(false);
    expect(await all("interface", "name")).not.toContain(two.name);
    expect(one.reaches("10.1.0.2")).toBe(false);
  });

  test("TCP and UDP pass the userspace datapath", async () => {
    const one = await scene.plug("b1", "10.2.0.1/24");
    const two = await scene.plug("b2", "10.2.0.2/24");
    expect(await exchange(one.inside.path, two.inside.path, "10.2.0.2")).toBe(ALL_PASSED);
    const found = await scene.ports.find(two.name);
    expect(found).toMatchObject({ bridge: BRIDGE, ids: { endpoint: endpoint("b2") } });
  });

  test("are shown with VLANs, tunnels and counters of 64 bits", async () => {
    const sender = await scene.plug("s1", "10.6.0.1/24", { vlans: { mode: "access", vlan: 66 } });
    const other = await scene.plug("s2", "10.6.0.2/24", { vlans: { mode: "access", vlan: 66 } });
    const { path } = other.inside;
    expect(await exchange(sender.inside.path, path, "10.6.0.2")).toBe(ALL_PASSED);
    const tunnel = ["type=vxlan", "options:remote_ip=192.0.2.9", "options:key=9"];
    await scene.ovs.vsctl("add-port", BRIDGE, "theirs", "--", "set", "interface", "theirs", ...tunnel);
    const seen = await until("the stream is counted", async () => {
      const view = await viewBridge(scene.ovsdb, BRIDGE);
      const port = view?.ports.find(({ name }) => name === sender.name);
      return (port?.counters?.rxBytes ?? 0n) > 2_000_000n ? { view, port } : undefined;
    });
    expect(seen.port).toMatchObject({ tag: 66, vlanMode: "access", isolated: false, linkIsUp: true });
    expect(seen.view).toMatchObject({ name: BRIDGE, datapath: "netdev", isOurs: true });
    const theirs = seen.view?.ports.find(({ name }) => name === "theirs");
    expect(theirs).toMatchObject({ tunnel: { type: "vxlan", peer: "192.0.2.9", key: "9" }, trunks: [] });
    expect(theirs?.ids).toBeUndefined();
    expect(await viewBridge(scene.ovsdb, "nowhere")).toBeUndefined();
    await scene.ovs.vsctl("del-port", "theirs");
  });

  test("twice is once", async () => {
    const { name } = await scene.plug("c1", "10.3.0.1/24");
    const uuid = await get("port", name, "_uuid");
    const first = await scene.ports.put(portRows(portOf("c1")));
    expect(first.ofport).toBeGreaterThan(0);
    expect(await scene.ports.put(portRows(portOf("c1")))).toEqual(first);
    expect(await get("port", name, "_uuid")).toBe(uuid);
    const configuration = () => get("open", ".", "next_cfg");
    const before = await configuration();
    expect(await scene.ports.keep(portRows(portOf("c1")))).toEqual(first);
    expect(await configuration()).toBe(before);
    const isolated = portRows({ ...portOf("c1"), isolate: true });
    expect(await scene.ports.keep(isolated)).toEqual(first);
    expect(await get("port", name, "protected")).toBe("true");
  });

  test("another wish changes it, and it keeps its number; its QoS row goes with it", async () => {
    const wish = portOf("c2");
    await scene.plug("c2", "10.3.0.2/24");
    const first = await scene.ports.put(portRows(wish));
    const limited = { ...wish, vlans: { mode: "access", vlan: 10 }, rates: { rx: 10_000_000 } } as const;
    expect(await scene.ports.put(portRows(limited))).toEqual(first);
    expect(await get("port", wish.name, "tag")).toBe("10");
    expect(await all("qos", "type,other_config")).toContain('max-rate=""10000000""');
    await scene.ports.put(portRows({ ...limited, rates: { rx: 20_000_000 } }));
    expect((await all("qos", "type")).split("\n")).toHaveLength(1);
    await scene.ports.put(portRows(wish));
    expect(await all("qos", "type")).toBe("");
    await scene.ports.put(portRows(limited));
    expect(await scene.ports.remove(wish.name)).toBe(true);
    expect(await all("qos", "type")).toBe("");
  });

  describe("VLANs", () => {
    const access = (vlan: number) => ({ vlans: { mode: "access", vlan } }) as const;
    /** An ARP request of 10.4.0.9, with a tag, as the container's root could send it. */
    function sendTagged({ inside }: Plugged, vlan: number): void {
      const [asker, asked] = [parseIp("10.4.0.9"), parseIp("10.4.0.11")];
      if (!asker || !asked) throw new Error("a value of the test itself does not parse");
      const frame = arpRequest(deriveMac("tagged"), asked, asker);
      const tag = [0x81, 0x00, vlan >> 8, vlan & 0xff];
      const ifindex = Number(inside.ipJson("link", "show", "eth0")[0]?.["ifindex"]);
      const { libc, netns } = inside;
      using socket = openPacketSocket(libc, { ifindex, netns, etherType: 0x0806 });
      socket.send(Uint8Array.of(...frame.subarray(0, 12), ...tag, ...frame.subarray(12)));
    }

    /** Whether an ARP request of 10.4.0.9 reaches the container when it is sent so. */
    function hears({ inside }: Plugged, send: () => void): boolean {
      const ifindex = Number(inside.ipJson("link", "show", "eth0")[0]?.["ifindex"]);
      const { libc, netns } = inside;
      using socket = openPacketSocket(libc, { ifindex, netns, etherType: 0x0806 });
      send();
      for (;;) {
        const frame = socket.receive(500);
        if (frame === undefined) return false;
        if (Buffer.from(frame).includes(Buffer.of(10, 4, 0, 9))) return true;
      }
    }

    test("separate, and a container does not get into another by a tag of its own", async () => {
      const ten = await scene.plug("v10", "10.4.0.1/24", access(10));
      const alsoTen = await scene.plug("v10b", "10.4.0.2/24", access(10));
      const twenty = await scene.plug("v20", "10.4.0.3/24", access(20));
      const none = await scene.plug("v0", "10.4.0.4/24");
      await ten.comesTo("10.4.0.2");
      await (await scene.plug("v20b", "10.4.0.5/24", access(20))).comesTo("10.4.0.3");
      await (await scene.plug("v0b", "10.4.0.6/24")).comesTo("10.4.0.4");
      expect([ten.reaches("10.4.0.3"), ten.reaches("10.4.0.4"), none.reaches("10.4.0.3")]).toEqual([
        false,
        false,
        false,
      ]);
      expect(hears(twenty, () => sendTagged(none, 20))).toBe(false);
      expect(hears(twenty, () => sendTagged(alsoTen, 20))).toBe(false);
    });

    test("a trunk carries those that it is told, and the native one without a tag", async () => {
      const vlans = { mode: "trunk", vlans: [31], native: 30 } as const;
      const trunk = await scene.plug("t1", "10.4.0.21/24", { vlans });
      const native = await scene.plug("t30", "10.4.0.22/24", access(30));
      const tagged = await scene.plug("t31", "10.4.0.23/24", access(31));
      const other = await scene.plug("t32", "10.4.0.24/24", access(32));
      await trunk.comesTo("10.4.0.22");
      await (await scene.plug("t32b", "10.4.0.25/24", access(32))).comesTo("10.4.0.24");
      expect(hears(tagged, () => sendTagged(trunk, 31))).toBe(true);
      expect(hears(native, () => sendTagged(trunk, 31))).toBe(false);
      expect(hears(other, () => sendTagged(trunk, 32))).toBe(false);
    });
  });

  test("isolated ports reach the others and not each other", async () => {
    const one = await scene.plug("i1", "10.5.0.1/24", { isolate: true });
    await scene.plug("i2", "10.5.0.2/24", { isolate: true });
    const other = await scene.plug("i3", "10.5.0.3/24");
    await other.comesTo("10.5.0.2");
    await one.comesTo("10.5.0.3");
    expect(one.reaches("10.5.0.2")).toBe(false);
  });

  test("a bridge that is not there, and a link that is not: told, and nothing is left", async () => {
    const rows = portRows(portOf("x1"));
    await expect(scene.ports.put({ ...rows, bridge: "nowhere" })).rejects.toMatchObject({
      code: "not_found",
      message: "there is no Open vSwitch bridge nowhere",
    });
    await expect(
      scene.ports.put({ ...rows, qos: portRows({ ...portOf("x1"), rates: { rx: 1e6 } }).qos }),
    ).rejects.toMatchObject({
      code: "kernel",
      message: expect.stringMatching(
        /^Open vSwitch cannot take ulo-\w+ as a port of ovsbr-test: .*No such device/,
      ),
    });
    expect(await all("port", "name")).not.toContain(rows.name);
    expect(await all("qos", "type")).toBe("");
  });

  test("a port of that name that is somebody else's is left alone", async () => {
    const { port } = await scene.pairs.make({ owner: endpoint("f1"), mtu: 1450, finishesChecksums: false });
    await scene.ovs.vsctl("add-port", BRIDGE, port.name, "tag=77");
    await expect(scene.ports.put(portRows(portOf("f1")))).rejects.toMatchObject({
      code: "conflict",
      message: `${port.name} is a port of bridge ${BRIDGE} already, that is none of ours`,
    });
    expect(await scene.ports.remove(port.name)).toBe(false);
    expect(await get("port", port.name, "tag")).toBe("77");
  });

  test("QoS of an endpoint goes with it, though its port went before, and what is not ours stays", async () => {
    const rows = portRows({ ...portOf("g1"), rates: { rx: 1e6 } });
    await scene.pairs.make({ owner: endpoint("g1"), mtu: 1450, finishesChecksums: false });
    await scene.ports.put(rows);
    await scene.ovs.vsctl("create", "qos", "type=linux-noop", `external_ids:endpoint=${endpoint("g1")}`);
    await scene.ovs.vsctl("del-port", rows.name);
    expect(await scene.ports.owners()).toContain(endpoint("g1"));
    expect(await scene.ports.remove(rows.name, endpoint("g1"))).toBe(false);
    expect(await scene.ports.owners()).not.toContain(endpoint("g1"));
    expect((await all("qos", "type")).split("\n")).toEqual(["linux-noop"]);
    expect(await all("port", "tag")).toContain("77");
  });

  test("a hundred at once", async () => {
    const names = Array.from({ length: 100 }, (_, i) => `h${i}`);
    for (const name of names)
      await scene.pairs.make({ owner: endpoint(name), mtu: 1450, finishesChecksums: false });
    const states = await Promise.all(names.map((name) => scene.ports.put(portRows(portOf(name)))));
    expect(new Set(states.map(({ ofport }) => ofport)).size).toBe(100);
    const removed = await Promise.all(names.map((name) => scene.ports.remove(portOf(name).name)));
    expect(removed).toEqual(names.map(() => true));
  });
});
