import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { AGES } from "../ground/engines.ts";
import { type CommandBlock, type FileBlock, followGuide, readGuide } from "../ground/guide.ts";
import { giveReadersPrograms, plugInEth0 } from "../ground/guide-host.ts";
import { type Switch, startSwitch } from "../ground/ovs.ts";
import { serveNames } from "../ground/router.ts";
import { type Scene, startScene } from "../ground/scene.ts";

/** The guide of networks on Open vSwitch as it is written: dockerd and Open vSwitch of the same Debian, and two NICs. */

const ROOT = join(import.meta.dir, "../..");
const GUIDE = "docs/guide/ovs.md";
const FOLDER = "/tmp/guide";
const PROGRAMS = "/tmp/guide-programs";
/** Whoever else is on both LANs. */
const LAPTOP = ["ip", "netns", "exec", "router"];

const SECOND_NIC = `
  ip address add 192.168.1.2/24 dev eth0
  ip link add eth1 type veth peer name lan2 netns router
  ip -n router link set lan2 up
  ip -n router address add 192.168.7.1/24 dev lan2
`;

describe.each([...AGES])("the %s dockerd and Open vSwitch", (age) => {
  const things = disposedAfterAll();
  let scene: Scene;
  let ovs: Switch;
  let first: unknown;

  beforeAll(async () => {
    scene = things.use(await startScene(age));
    await plugInEth0(scene.host, ["192.168.1.1/24"]);
    await scene.host.must(["sh", "-euc", SECOND_NIC]);
    things.use(await serveNames(scene.host, "192.168.1.1", "192.168.1.200"));
    ovs = things.use(await startSwitch({ age, host: scene.host }));
    await giveReadersPrograms(scene.host, FOLDER, PROGRAMS);
  }, 600_000);

  async function write({ name, text }: FileBlock): Promise<void> {
    await Bun.write(scene.host.outside(`${FOLDER}/${name}`), text);
    if (name !== "daemon.json" || age === "oldest") return;
    await Bun.write(scene.host.outside("/run/docker-test.json"), text);
    await scene.dockerd.stop();
    await scene.dockerd.start();
  }

  function follow(block: CommandBlock): Promise<void> {
    const machine = block.machine === "laptop" ? LAPTOP : [];
    return followGuide(GUIDE, block, (command) =>
      scene.host.run(
        [...machine, "sh", "-c", `cd ${FOLDER}; exec 2>&1\nPATH=${PROGRAMS}:/opt/underlay:$PATH\n${command}`],
        { timeoutMs: 60_000 },
      ),
    );
  }

  for (const block of readGuide(readFileSync(join(ROOT, GUIDE), "utf8"))) {
    if (block.kind === "file") test(`line ${block.line}: ${block.name}`, () => write(block));
    else if (age === "newest" || !block.newest)
      test(`line ${block.line}, ${block.section}: ${block.commands[0]?.text.split("\n")[0]}`, async () => {
        if (first !== undefined)
          throw new Error(`${GUIDE}:${block.line}: not typed, a block before it failed`);
        try {
          await follow(block);
        } catch (failure) {
          first = failure;
          throw failure;
        }
      });
  }

  test("the guide clears away what it makes", async () => {
    expect(await ovs.vsctl("list-br")).toBe("");
    const links = await scene.links();
    expect(links.filter((name) => name !== "ovs-netdev")).toEqual(["eth0", "eth1", "lo"]);
    expect(await scene.records()).toMatchObject({ networks: [], endpoints: [] });
    expect(await scene.dockerd.docker("ps", "--all", "--quiet")).toBe("");
  });
});
