import { afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { AGES } from "../ground/engines.ts";
import { type Switch, startSwitch } from "../ground/ovs.ts";
import { referencePlugins } from "../ground/reference-cni.ts";
import { until } from "../ground/until.ts";
import { echoes, type OvsContainer, type OvsScene, openOvsScene } from "./cni-ovs-scene.ts";

/** The plugin ovs, killed at any of its steps, and with a switch that is away. */

beforeAll(referencePlugins, 600_000);

describe.each([...AGES])("Open vSwitch, %s", (age) => {
  const things = disposedAfterAll();
  let ovs: Switch;
  beforeAll(async () => {
    ovs = things.use(await startSwitch({ age }));
  }, 600_000);

  let scene: OvsScene;
  let pod: OvsContainer;
  beforeEach(async () => {
    scene = await openOvsScene(ovs);
    pod = scene.container("c1");
  });
  afterEach(() => scene[Symbol.asyncDispose]());

  async function killedAt(step: string, verb: "ADD" | "DEL"): Promise<boolean> {
    const { containerId, netns, ifname } = pod.attachment;
    const env = {
      CNI_COMMAND: verb,
      CNI_CONTAINERID: containerId,
      CNI_NETNS: netns,
      CNI_IFNAME: ifname,
      CNI_PATH: scene.plugins.folders.join(":"),
      UNDERLAY_FAULT: `${step}:kill`,
    };
    const { code } = await scene.plugins.raw("ovs", env, JSON.stringify(scene.conf({ vlan: 5 })));
    return code === 128 + 9;
  }

  const insideLinks = () => pod.netns.ipJson("link", "show").map(({ ifname }) => ifname);
  const reserved = () => {
    const folder = join(scene.dataDir, "switched");
    return existsSync(folder) ? readdirSync(folder).filter((name) => /^\d+\.\d+\.\d+\.\d+$/.test(name)) : [];
  };

  async function expectNothingLeft(): Promise<void> {
    expect([await scene.ports(), await scene.pairs(), insideLinks(), reserved()]).toEqual([
      [],
      [],
      ["lo"],
      [],
    ]);
  }

  test("a pair that was made anew under its name passes packets, and has its new VLAN", async () => {
    const { plugins, conf } = scene;
    const other = scene.container("other");
    await plugins.add(conf({ vlan: 6 }), other.attachment);
    expect(await killedAt("pair.after-connect", "ADD")).toBe(true);
    await plugins.add(conf({ vlan: 6 }), pod.attachment);
    expect(await echoes(pod, other)).toBe("1200 200000");
  });

  test("DEL after the container's end, or its netns, is gone", async () => {
    const { plugins, conf } = scene;
    await plugins.add(conf(), pod.attachment);
    pod.netns.ip("link", "del", "eth0");
    await plugins.del(conf(), pod.attachment);
    await expectNothingLeft();
    await plugins.add(conf(), pod.attachment);
    await plugins.del(conf(), { ...pod.attachment, netns: "/run/netns/underlay-never-was" });
    await expectNothingLeft();
  });

  test("ports whose link is gone are swept by the next call, whoever's container it was; others' are not", async () => {
    const { plugins, conf } = scene;
    const [gone, next] = [scene.container("gone"), scene.container("next")];
    await plugins.add(conf({ name: "elsewhere" }), gone.attachment);
    const [lost = ""] = await scene.ports();
    await ovs.vsctl("--no-wait", "add-port", "br0", "missing0");
    await ovs.host.must(["ip", "link", "del", lost]);
    await until(
      "the switch has seen it",
      async () => (await scene.columns("Interface", lost, "ifindex"))[0] === "0",
    );
    await plugins.add(conf(), next.attachment);
    const ports = await scene.ports();
    expect([ports.includes(lost), ports.includes("missing0"), ports.length]).toEqual([false, true, 2]);
    await plugins.del(conf(), next.attachment);
    expect(await scene.ports()).toEqual(["missing0"]);
  });

  test("what the reference's plugin attached is taken away", async () => {
    const { host } = ovs;
    await host.must(["ip", "link", "add", "vethref0", "type", "veth", "peer", "name", "refpeer0"]);
    const ids = (ifname: string) => [
      'external_ids:owner="ovs-cni.network.kubevirt.io"',
      `external_ids:contNetns="${pod.attachment.netns}"`,
      `external_ids:contIface=${ifname}`,
    ];
    await ovs.vsctl("add-port", "br0", "vethref0", "--", "set", "Port", "vethref0", ...ids("eth0"));
    await ovs.vsctl("--no-wait", "add-port", "br0", "kept0", "--", "set", "Port", "kept0", ...ids("eth1"));
    await scene.plugins.del(scene.conf(), pod.attachment);
    expect(await scene.ports()).toEqual(["kept0"]);
  });

  test("without ovs-vswitchd an ADD says so, and takes all of it back", async () => {
    const { plugins, conf } = scene;
    await ovs.killVswitchd();
    try {
      const failure = await plugins.add(conf(), pod.attachment).catch((thrown: unknown) => thrown);
      expect(failure).toMatchObject({ code: 11, message: expect.stringContaining("ovs-vswitchd") });
      await expectNothingLeft();
    } finally {
      await ovs.startVswitchd();
    }
    await plugins.add(conf(), pod.attachment);
  });

  test("without ovsdb-server: ADD and STATUS say so; DEL takes the link, says again, and what is left goes later", async () => {
    const { plugins, conf } = scene;
    const never = scene.container("never");
    await plugins.add(conf(), pod.attachment);
    await ovs.killDatabase();
    try {
      const text = "no ovsdb-server answers on";
      await expect(plugins.add(conf(), never.attachment)).rejects.toMatchObject({
        code: 11,
        message: expect.stringContaining(text),
      });
      await expect(plugins.status(conf())).rejects.toMatchObject({
        code: 50,
        message: expect.stringContaining(text),
      });
      // Of an attachment that never was nothing can be left.
      await plugins.del(conf(), never.attachment);
      await expect(plugins.del(conf(), pod.attachment)).rejects.toMatchObject({
        code: 11,
        message: expect.stringContaining(text),
      });
      expect([await scene.pairs(), insideLinks(), reserved()]).toEqual([[], ["lo"], []]);
    } finally {
      await ovs.startDatabase();
    }
    expect((await scene.ports()).length).toBe(1);
    await plugins.del(conf(), pod.attachment);
    await expectNothingLeft();
  });
});
