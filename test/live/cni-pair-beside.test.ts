import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { shellWord } from "../../src/lib/quote.ts";
import { cniHost } from "../ground/cni.ts";
import { addressesOf, type CniScene, linkOf, openCniScene } from "./cni-scene.ts";

/** A runtime that gave up on an ADD and asks again, while the first one still runs. */

let scene: CniScene;
beforeEach(() => {
  scene = openCniScene();
});
afterEach(() => scene[Symbol.dispose]());

const KEYS = { ptp: {}, bridge: { bridge: "br0", isGateway: true, macspoofchk: true } } as const;

test.each(["ptp", "bridge"] as const)(
  "%s: of two ADDs beside each other, the one that fails takes nothing from the other",
  async (kind) => {
    const conf = { type: kind, name: "beside", cniVersion: "1.1.0", ipMasq: true, ...KEYS[kind] };
    const quick = {
      ...conf,
      ipam: { type: "static", addresses: [{ address: "10.1.2.9/24", gateway: "10.1.2.1" }] },
    };
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
  ADD) ${shellWord(join(plugins, kind))} < ${shellWord(asked)} > /dev/null || exit 1
       echo '{"cniVersion": "1.1.0", "ips": [{"address": "10.1.2.8/24", "gateway": "10.1.2.1"}]}' ;;
  DEL) touch ${shellWord(returned)} ;;
esac
`,
    );
    chmodSync(join(folder, "slow"), 0o755);
    const host = cniHost({ folders: [plugins, folder], netns: scene.host.path });
    const first = host.add({ ...conf, ipam: { type: "slow" } }, scene.attachment);
    await expect(first).rejects.toThrow("ENODEV");

    expect(addressesOf(scene.container, "foobar0", 4)).toEqual(["10.1.2.9/24"]);
    expect(linkOf(scene.container, "foobar0")?.["flags"]).toContain("UP");
    expect(existsSync(returned)).toBe(false);
    const again = await host.add(quick, scene.attachment);
    await host.check({ ...quick, prevResult: again }, scene.attachment);
    await host.del(quick, scene.attachment);
    expect(linkOf(scene.container, "foobar0")).toBeUndefined();
  },
);
