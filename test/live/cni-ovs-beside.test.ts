import { afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { vethNameOf } from "../../src/lib/ifname.ts";
import { shellWord } from "../../src/lib/quote.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { cniHost } from "../ground/cni.ts";
import { AGES } from "../ground/engines.ts";
import { type Switch, startSwitch } from "../ground/ovs.ts";
import { referencePlugins } from "../ground/reference-cni.ts";
import { until } from "../ground/until.ts";
import { addressOf, echoes, type OvsScene, openOvsScene } from "./cni-ovs-scene.ts";

/** The plugin ovs beside itself, beside a switch that is started again, and beside a person who edits the bridge. */

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

  test("of two ADDs of one attachment, the one that fails takes nothing from the other", async () => {
    const { attachment, netns } = scene.container("c1");
    const staticIpam = (address: string) => ({ type: "static", addresses: [{ address }] });
    const quick = scene.conf({ ipam: staticIpam("10.1.2.9/24") });
    const folder = join(scene.dataDir, "bin");
    const [returned, asked] = [join(scene.dataDir, "returned"), join(scene.dataDir, "quick.json")];
    mkdirSync(folder, { recursive: true });
    writeFileSync(asked, JSON.stringify(quick));
    const [plugins = ""] = scene.plugins.folders;
    // An IPAM that is slow enough for the whole of the second ADD.
    writeFileSync(
      join(folder, "slow"),
      `#!/bin/sh
cat > /dev/null
case $CNI_COMMAND in
  ADD) ${shellWord(join(plugins, "ovs"))} < ${shellWord(asked)} > /dev/null || exit 1
       echo '{"cniVersion": "1.1.0", "ips": [{"address": "10.1.2.8/24"}]}' ;;
  DEL) touch ${shellWord(returned)} ;;
esac
`,
    );
    chmodSync(join(folder, "slow"), 0o755);
    const host = cniHost({ folders: [plugins, folder], netns: ovs.netns });
    const first = host.add(scene.conf({ ipam: { type: "slow" } }), attachment);
    await expect(first).rejects.toThrow("ENODEV");
    expect([addressOf({ attachment, netns }), existsSync(returned)]).toEqual(["10.1.2.9", false]);
    expect((await scene.ports()).length).toBe(1);
    const again = await host.add(quick, attachment);
    await host.check({ ...quick, prevResult: again }, attachment);
    await host.del(quick, attachment);
    expect([await scene.ports(), await scene.pairs()]).toEqual([[], []]);
  });

  test("ovs-vswitchd is started again: who was attached talks on, and what lost its link meanwhile is swept", async () => {
    const { plugins, conf } = scene;
    const [a, b, gone, next] = ["a", "b", "gone", "next"].map((id) => scene.container(id));
    if (!a || !b || !gone || !next) throw new Error("four containers");
    for (const { attachment } of [a, b]) await plugins.add(conf({ vlan: 5 }), attachment);
    await plugins.add(conf({ name: "elsewhere" }), gone.attachment);
    const lost = vethNameOf({ network: "elsewhere", container: "gone", ifname: "eth0" });
    await ovs.killVswitchd();
    await ovs.host.must(["ip", "link", "del", lost]);
    await ovs.startVswitchd();
    await until(
      "the switch misses the link",
      async () => (await scene.columns("Interface", lost, "ofport"))[0] === "-1",
    );
    expect(await echoes(a, b)).toBe("1200 200000");
    await plugins.add(conf({ vlan: 5 }), next.attachment);
    expect((await scene.ports()).includes(lost)).toBe(false);
    expect((await scene.ports()).length).toBe(3);
  });

  test("somebody takes the port or the bridge away meanwhile: DEL is a success, and ADD again makes it", async () => {
    const { plugins, conf } = scene;
    const { attachment } = scene.container("c1");
    await plugins.add(conf(), attachment);
    await ovs.vsctl("del-port", String((await scene.ports())[0]));
    const result = await plugins.add(conf(), attachment);
    await plugins.check(conf({ prevResult: result }), attachment);
    await ovs.vsctl("del-br", "br0");
    await plugins.del(conf(), attachment);
    expect(await scene.pairs()).toEqual([]);
  });
});
