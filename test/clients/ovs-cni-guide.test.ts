import { beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { type Containerd, NET_D, startContainerd } from "../ground/containerd.ts";
import { AGES, findEngine } from "../ground/engines.ts";
import { followGuide, readGuide } from "../ground/guide.ts";
import { plugInEth0 } from "../ground/guide-host.ts";
import { type PrivateHost, startHost } from "../ground/host.ts";
import { startSwitch } from "../ground/ovs.ts";

/** The guide of the plugin ovs as it is written: containerd and Open vSwitch of the same Debian, beside each other. */

const ROOT = join(import.meta.dir, "../..");
const GUIDE = "docs/guide/ovs-cni.md";
const FOLDER = "/tmp/guide";

describe.each([...AGES])("the %s containerd and Open vSwitch", (age) => {
  const things = disposedAfterAll();
  let host: PrivateHost;
  let containerd: Containerd;
  let first: unknown;

  beforeAll(async () => {
    host = things.use(await startHost({ engine: await findEngine(age) }));
    await plugInEth0(host, ["192.168.1.1/24"]);
    containerd = await startContainerd(host);
    things.use(await startSwitch({ age, host }));
    for (const folder of [NET_D, FOLDER]) mkdirSync(host.outside(folder), { recursive: true });
  }, 600_000);

  for (const block of readGuide(readFileSync(join(ROOT, GUIDE), "utf8"))) {
    if (block.kind === "file")
      test(`line ${block.line}: ${block.name}`, async () => {
        await Bun.write(host.outside(`${FOLDER}/${block.name}`), block.text);
      });
    else
      test(`line ${block.line}, ${block.section}: ${block.commands[0]?.text}`, async () => {
        if (first !== undefined)
          throw new Error(`${GUIDE}:${block.line}: not typed, a block before it failed`);
        try {
          await followGuide(GUIDE, block, (command) =>
            host.run(["sh", "-c", `cd ${FOLDER}; exec 2>&1\nPATH=/opt/underlay:$PATH\n${command}`], {
              timeoutMs: 60_000,
            }),
          );
        } catch (failure) {
          first = failure;
          throw failure;
        }
      });
  }

  test("the guide clears away what it makes", async () => {
    expect(readdirSync(host.outside(NET_D))).toEqual([]);
    expect(await containerd.ctr("container", "ls", "-q")).toBe("");
    const links = (await host.must(["ip", "-br", "link"])).split("\n").map((row) => row.split(/[@ ]/)[0]);
    expect(links.filter((name) => name?.startsWith("veth"))).toEqual([]);
  });
});
