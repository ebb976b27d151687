import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { followGuide, readGuide } from "../ground/guide.ts";
import { giveReadersPrograms } from "../ground/guide-host.ts";
import { startSwitch } from "../ground/ovs.ts";
import { must } from "../ground/run.ts";
import { type Scene, startScene } from "../ground/scene.ts";

/** The guide of three hosts as it is written: each has a dockerd, a daemon and an Open vSwitch of its own. */

const ROOT = join(import.meta.dir, "../..");
const GUIDE = "docs/guide/ovs-vxlan.md";
const FOLDER = "/tmp/guide";
const PROGRAMS = "/tmp/guide-programs";
const NAMES = ["alpha", "beta", "gamma"];

describe("the newest dockerd and Open vSwitch on three hosts", () => {
  const things = disposedAfterAll();
  const scenes = new Map<string, Scene>();
  let first: unknown;

  beforeAll(async () => {
    for (const name of NAMES) {
      const scene = things.use(await startScene("newest"));
      await giveReadersPrograms(scene.host, FOLDER, PROGRAMS);
      things.use(await startSwitch({ age: "newest", host: scene.host }));
      scenes.set(name, scene);
    }
    await plugIn([...scenes.values()]);
  }, 600_000);

  for (const block of readGuide(readFileSync(join(ROOT, GUIDE), "utf8"))) {
    if (block.kind !== "commands") throw new Error(`${GUIDE}:${block.line}: nobody writes this file`);
    const { line, section, machine = "", commands } = block;
    test(`line ${line}, ${section}, on ${machine}: ${commands[0]?.text.split("\n")[0]}`, async () => {
      const scene = scenes.get(machine);
      if (first !== undefined) throw new Error(`${GUIDE}:${line}: not typed, a block before it failed`);
      if (scene === undefined) throw new Error(`${GUIDE}:${line}: there is no host ${machine}`);
      try {
        await followGuide(GUIDE, block, (command) =>
          scene.host.run(
            ["sh", "-c", `cd ${FOLDER}; exec 2>&1\nPATH=${PROGRAMS}:/opt/underlay:$PATH\n${command}`],
            {
              timeoutMs: 60_000,
            },
          ),
        );
      } catch (failure) {
        first = failure;
        throw failure;
      }
    });
  }

  test("the guide clears away what it makes", async () => {
    for (const [name, scene] of scenes) {
      const links = (await scene.links()).filter((link) => link !== "ovs-netdev");
      expect([name, ...links]).toEqual([name, "eth0", "lan", "lo"]);
      expect(await scene.records()).toMatchObject({ networks: [], endpoints: [] });
    }
  });
});

/** The first host's router is everybody's: the hosts' NICs are ports of a bridge there, 192.168.1.1. */
async function plugIn(scenes: readonly Scene[]): Promise<void> {
  for (const { host } of scenes) await host.unplug();
  const router = scenes[0]?.host.outside("/run/netns/router");
  const inRouter = (...words: string[]) => must(["nsenter", `--net=${router}`, "ip", ...words]);
  await inRouter("link", "add", "wire", "type", "bridge");
  await inRouter("link", "set", "wire", "up");
  await inRouter("address", "add", "192.168.1.1/24", "dev", "wire");
  for (const [i, { host }] of scenes.entries()) {
    const nic = ["eth0", "netns", String(host.pid)];
    await inRouter("link", "add", `host${i}`, "type", "veth", "peer", "name", ...nic);
    await inRouter("link", "set", `host${i}`, "master", "wire", "up");
    await host.must(["ip", "link", "set", "eth0", "up"]);
    await host.must(["ip", "address", "add", `192.168.1.${i + 2}/24`, "dev", "eth0"]);
  }
}
