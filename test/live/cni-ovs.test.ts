import { afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VERSIONS } from "../../src/cni/versions.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { AGES } from "../ground/engines.ts";
import { type Switch, startSwitch } from "../ground/ovs.ts";
import { referencePlugins } from "../ground/reference-cni.ts";
import { run } from "../ground/run.ts";
import { until } from "../ground/until.ts";
import { addressOf, echoes, FIRST_VLAN, inside, type OvsScene, openOvsScene } from "./cni-ovs-scene.ts";
import { isPoor } from "./cni-scene.ts";

/** The plugin ovs with real switches, the oldest and the newest: the built program, seen by ovs-vsctl and by packets. */

beforeAll(referencePlugins, 600_000);

describe.each([...AGES])("Open vSwitch, %s", (age) => {
  const things = disposedAfterAll();
  let ovs: Switch;
  beforeAll(async () => {
    ovs = things.use(await startSwitch({ age }));
  }, 600_000);

  let scene: OvsScene;
  beforeEach(async () => {
    scene = await openOvsScene(ovs);
  });
  afterEach(() => scene[Symbol.asyncDispose]());

  test.each([...VERSIONS])("%s: STATUS, ADD, CHECK, DEL", async (cniVersion) => {
    const { plugins, conf, container } = scene;
    const { netns, attachment } = container("c1");
    const keys = conf({ cniVersion, vlan: 5, mtu: 1400 });
    if (cniVersion >= "1.1.0") await plugins.status(keys);
    const result = await plugins.add(keys, attachment);
    const [port] = await scene.ports();
    if (isPoor(cniVersion)) expect(result.ip4).toMatchObject({ ip: "10.1.2.2/24" });
    else {
      expect(result).toMatchObject({
        interfaces: [{ name: port }, { name: "eth0", sandbox: netns.path }],
        ips: [{ address: "10.1.2.2/24", interface: 1 }],
      });
    }
    const [link] = netns.ipJson("link", "show", "eth0");
    expect(link).toMatchObject({ mtu: 1400, operstate: "UP", linkinfo: { info_kind: "veth" } });
    expect(await scene.columns("Port", String(port), "tag", "vlan_mode")).toEqual(["5", "access"]);
    if (cniVersion >= "0.4.0") await plugins.check({ ...keys, prevResult: result }, attachment);
    await plugins.del(keys, attachment);
    expect([await scene.ports(), await scene.pairs()]).toEqual([[], []]);
    expect(netns.ipJson("link", "show").map(({ ifname }) => ifname)).toEqual(["lo"]);
    await plugins.del(keys, attachment);
  });

  test("rows tell whose they are, as the reference's do, and of OVN and the pod", async () => {
    const { plugins, conf, container } = scene;
    const { attachment } = container("c1");
    const args = "IgnoreUnknown=1;K8S_POD_UID=uid-1;MAC=02:00:00:00:00:77;OvnPort=lp-1";
    const result = await plugins.add(conf({ ofport_request: 77 }), { ...attachment, args });
    expect(result.interfaces?.[1]?.mac).toBe("02:00:00:00:00:77");
    const [port = ""] = await scene.ports();
    const id = (table: "Port" | "Interface", key: string) =>
      ovs.vsctl("get", table, port, `external_ids:${key}`).then((text) => text.replaceAll('"', ""));
    expect(
      await Promise.all(
        ["owner", "network", "contIface", "contNetns", "contPodUid"].map((key) => id("Port", key)),
      ),
    ).toEqual(["underlay-cni", "switched", "eth0", attachment.netns, "uid-1"]);
    expect(await Promise.all(["owner", "iface-id"].map((key) => id("Interface", key)))).toEqual([
      "underlay-cni",
      "lp-1",
    ]);
    expect(await scene.columns("Interface", port, "ofport", "link_state")).toEqual(["77", "up"]);
    // Lest the bridge take it for its own.
    expect(result.interfaces?.[0]?.mac).toStartWith("fe:");
  });

  test.each([
    [{ vlan: 7 }, ["access", "7", ""]],
    [{}, ["trunk", "", ""]],
    [{ trunk: [{ id: 42 }, { minID: 100, maxID: 102 }] }, ["trunk", "", "42 100 101 102"]],
    [{ vlan: 9, trunk: [{ id: 10 }] }, ["native-untagged", "9", "10"]],
  ])("%j is a port with %j", async (keys, columns) => {
    const { plugins, conf, container } = scene;
    const { attachment } = container("c1");
    const result = await plugins.add(conf(keys), attachment);
    const [port = ""] = await scene.ports();
    const shown = await Promise.all(
      ["vlan_mode", "tag", "trunks"].map((column) => scene.columns("Port", port, column)),
    );
    expect(shown.map(([value]) => value ?? "")).toEqual(columns);
    await plugins.check(conf({ ...keys, prevResult: result }), attachment);
  });

  test("addresses of both families, a MAC address for each, and an IPAM that refuses leaves nothing", async () => {
    const { plugins, conf, dataDir } = scene;
    const [a, b] = [scene.container("a"), scene.container("b")];
    const ranges = [[{ subnet: "10.1.2.0/24" }], [{ subnet: "fd00:1::/64" }]];
    const keys = conf({ ipam: { type: "host-local", ranges, dataDir } });
    const [first, second] = [await plugins.add(keys, a.attachment), await plugins.add(keys, b.attachment)];
    expect(first.ips?.map(({ address }) => address)).toEqual(["10.1.2.2/24", "fd00:1::2/64"]);
    await plugins.check({ ...keys, prevResult: first }, a.attachment);
    expect(first.interfaces?.[1]?.mac).not.toBe(second.interfaces?.[1]?.mac);
    const wrong = conf({ name: "wrong", ipam: { type: "host-local", subnet: "invalid", dataDir } });
    const c = scene.container("c");
    await expect(plugins.add(wrong, c.attachment)).rejects.toMatchObject({ code: expect.any(Number) });
    expect([(await scene.ports()).length, (await scene.pairs()).length]).toEqual([2, 2]);
  });

  test("containers of a VLAN talk over TCP and UDP, those of another are apart, and a trunk hears tags", async () => {
    const { plugins, conf } = scene;
    const [a, b, other, trunk] = ["a", "b", "other", "trunk"].map((id) => scene.container(id));
    if (!a || !b || !other || !trunk) throw new Error("four containers");
    await plugins.add(conf({ vlan: 5 }), a.attachment);
    await plugins.add(conf({ vlan: 5 }), b.attachment);
    await plugins.add(conf({ vlan: 6 }), other.attachment);
    await plugins.add(conf({ trunk: [{ id: 5 }], ipam: {} }), trunk.attachment);
    expect(await echoes(a, b)).toBe("1200 200000");
    const ping = (from: typeof a, to: string) => run(inside(from, "busybox", "ping", "-c1", "-W1", to));
    expect((await ping(a, addressOf(other))).code).toBe(1);
    // The kernel of the test has no VLAN links: the tag is seen as it comes.
    const tagged = Bun.spawn(inside(trunk, "python3", "-c", FIRST_VLAN), {
      stdout: "pipe",
      stderr: "inherit",
    });
    const heard = new Response(tagged.stdout).text();
    await scene.ovs.host.must(["true"]);
    for (let tries = 0; tries < 5 && tagged.exitCode === null; tries++) await ping(a, "10.1.2.250");
    expect((await heard).trim()).toBe("5");
  });

  test("nobody else's port is touched: DEL, GC, and one under our name", async () => {
    const { plugins, conf } = scene;
    const { attachment } = scene.container("c1");
    await ovs.host.must(["ip", "link", "add", "theirs", "type", "veth", "peer", "name", "theirs-peer"]);
    await ovs.vsctl("add-port", "br0", "theirs", "tag=9");
    await ovs.vsctl(
      "--no-wait",
      "add-port",
      "br0",
      "missing0",
      "--",
      "set",
      "Interface",
      "missing0",
      "external_ids:owner=x",
    );
    await plugins.add(conf(), attachment);
    const [ours = ""] = (await scene.ports()).filter((name) => name.startsWith("veth"));
    await plugins.del(conf(), attachment);
    await plugins.gc(conf(), []);
    expect((await scene.ports()).toSorted()).toEqual(["missing0", "theirs"]);
    await ovs.vsctl("add-port", "br0", ours, "--", "set", "Interface", ours, "type=internal");
    await ovs.host.must(["ip", "link", "del", ours]);
    await expect(plugins.add(conf(), attachment)).rejects.toMatchObject({
      code: 102,
      message: expect.stringContaining(`has a port ${ours} already, and it is none of ours`),
    });
    await plugins.del(conf(), attachment);
    expect(await scene.ports()).toContain(ours);
  });

  test("a missing bridge is an error in words, and none is made", async () => {
    const { plugins, conf } = scene;
    const { netns, attachment } = scene.container("c1");
    const wrong = conf({ bridge: "br7" });
    const text = "Open vSwitch has no bridge br7, and none is made here: ovs-vsctl add-br br7";
    await expect(plugins.add(wrong, attachment)).rejects.toMatchObject({ code: 101, message: text });
    await expect(plugins.status(wrong)).rejects.toMatchObject({ code: 50, message: text });
    await ovs.host.must(["ip", "link", "add", "br7", "type", "bridge"]);
    await expect(plugins.add(wrong, attachment)).rejects.toThrow(
      "the host's link of that name is another thing: bridge",
    );
    await ovs.host.must(["ip", "link", "del", "br7"]);
    expect(netns.ipJson("link", "show").map(({ ifname }) => ifname)).toEqual(["lo"]);
    expect(await scene.pairs()).toEqual([]);
    await plugins.del(wrong, attachment);
  });

  test("CHECK tells of another VLAN, a port that is gone, a link that is down", async () => {
    const { plugins, conf } = scene;
    const { netns, attachment } = scene.container("c1");
    const result = await plugins.add(conf({ vlan: 5 }), attachment);
    const [port = ""] = await scene.ports();
    const checked = () => plugins.check(conf({ vlan: 5, prevResult: result }), attachment);
    await ovs.vsctl("set", "Port", port, "tag=6");
    await expect(checked()).rejects.toThrow("its tag is 6, not 5");
    await ovs.vsctl("set", "Port", port, "tag=5", "trunks=7");
    await expect(checked()).rejects.toThrow("its trunks is 7, not all");
    await ovs.vsctl("clear", "Port", port, "trunks");
    await checked();
    netns.ip("link", "set", "eth0", "down");
    await until(
      "the switch has seen it",
      async () => (await scene.columns("Interface", port, "link_state"))[0] === "down",
    );
    await expect(checked()).rejects.toThrow(`port ${port} of Open vSwitch: its link is down`);
    await ovs.vsctl("del-port", port);
    netns.ip("link", "set", "eth0", "up");
    await expect(checked()).rejects.toThrow(`port ${port} of Open vSwitch: it is not there`);
  });

  test("a file has the keys, the type of the interface is told of", async () => {
    const { plugins, conf } = scene;
    const { attachment } = scene.container("c1");
    const folder = mkdtempSync(join(tmpdir(), "cniovs-file-"));
    try {
      const configuration_path = join(folder, "ovs.conf");
      writeFileSync(
        configuration_path,
        JSON.stringify({ bridge: "br0", vlan: 12, socket_file: `unix:${ovs.socket}` }),
      );
      const { bridge: _, socket_file: __, ...rest } = conf();
      const keys = { ...rest, configuration_path, interface_type: "internal" };
      const env = {
        CNI_COMMAND: "ADD",
        CNI_CONTAINERID: "c1",
        CNI_NETNS: attachment.netns,
        CNI_IFNAME: "eth0",
      };
      const path = plugins.folders.join(":");
      const told = await plugins.raw("ovs", { ...env, CNI_PATH: path }, JSON.stringify(keys));
      expect([told.code, told.stderr]).toEqual([
        0,
        "underlay: interface_type internal is not used: the port is one end of a veth pair\n",
      ]);
      const [port = ""] = await scene.ports();
      expect(await scene.columns("Port", port, "tag")).toEqual(["12"]);
      await plugins.del(keys, attachment);
      expect(await scene.ports()).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("over TCP, as ovs-vsctl set-manager opens it", async () => {
    const { plugins, conf } = scene;
    const { attachment } = scene.container("c1");
    await ovs.host.must(["ip", "link", "set", "lo", "up"]);
    await ovs.vsctl("set-manager", "ptcp:6640:127.0.0.1");
    const keys = conf({ socket_file: "tcp:127.0.0.1:6640" });
    await plugins.add(keys, attachment);
    expect((await scene.ports()).length).toBe(1);
    await plugins.del(keys, attachment);
    expect(await scene.ports()).toEqual([]);
    await ovs.vsctl("del-manager");
  });
});
