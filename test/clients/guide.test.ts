import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { IMAGE } from "../ground/dockerd.ts";
import { AGES } from "../ground/engines.ts";
import { type CommandBlock, followGuide, readGuide } from "../ground/guide.ts";
import { giveReadersPrograms, plugInEth0 } from "../ground/guide-host.ts";
import type { PrivateHost } from "../ground/host.ts";
import { DRIVER, type Scene, startScene } from "../ground/scene.ts";

/** The guides are done as they are written: on a host whose NIC is `eth0`, on a LAN whose router is 192.168.1.1. */

const GUIDE = "docs/guide/macvlan.md";
const HOST_GUIDE = "docs/guide/host-access.md";
/** This kernel has no ipvlan: `test/lab/72-host-access-guide.test.ts`. */
const IN_LAB = "On ipvlan";
const blocks = blocksOf(GUIDE);

function blocksOf(guide: string) {
  return readGuide(readFileSync(join(import.meta.dir, "../..", guide), "utf8"));
}

const FOLDER = "/tmp/guide";
const PROGRAMS = "/tmp/guide-programs";

const ROUTER_ADDRESSES = ["192.168.1.1/24", "192.168.2.1/24", "fd00:1::1/64", "10.10.0.1/24", "10.20.0.1/24"];

const PARENTS = [
  { address: "an address", commands: [["ip", "address", "add", "192.168.1.2/24", "dev", "eth0"]] },
  { address: "no address", commands: [["ip", "address", "flush", "dev", "eth0"]] },
];

describe.each([...AGES])("guides on the %s dockerd", (age) => {
  const things = disposedAfterAll();
  let scene: Scene;

  beforeAll(async () => {
    scene = things.use(await startScene(age));
    await makeTheHostOfTheGuide(scene.host);
    // A dockerd that makes a bridge turns forwarding on; it looks once, and its client warns of a host without.
    await scene.host.must(["sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"]);
    await scene.dockerd.stop();
    await scene.dockerd.start();
  }, 600_000);

  describe("what it warns of", () => {
    const create = (...ipam: string[]) =>
      scene.dockerd.docker("network", "create", "-d", DRIVER, "-o", "parent=eth0", ...ipam, "lan");
    const inside = (...argv: string[]) =>
      scene.dockerd.docker("run", "--rm", "--network", "lan", IMAGE, ...argv);
    afterEach(() => scene.clear());

    test("without --gateway Docker 20 invents a router and Docker 28 has none", async () => {
      await create("--subnet", "192.168.1.0/24", "--ip-range", "192.168.1.128/27");
      const routes = await inside("ip", "route");
      if (age === "oldest") expect(routes).toContain("default via 192.168.1.128 dev eth0");
      else expect(routes).not.toContain("default");
    });

    test("without --ipv6 an IPv6 subnet is dropped", async () => {
      await create("--subnet", "192.168.1.0/24", "--gateway", "192.168.1.1", "--subnet", "fd00:1::/64");
      expect(await inside("ip", "address", "show", "eth0")).not.toContain("inet6 fd00");
    });
  });

  const TYPED = [
    ...PARENTS.map((parent) => ({ ...parent, guide: GUIDE })),
    ...PARENTS.slice(0, 1).map((parent) => ({ ...parent, guide: HOST_GUIDE })),
  ];

  describe.each(TYPED)("$guide on a parent with $address", ({ commands, guide }) => {
    // What follows a failure fails with it and tells nothing new.
    let first: unknown;

    beforeAll(async () => {
      for (const argv of commands) await scene.host.must(argv);
    });
    afterAll(() => scene.clear(), 60_000);

    for (const block of blocksOf(guide).filter(({ section }) => section !== IN_LAB)) {
      if (block.kind === "file")
        test(`line ${block.line}: ${block.name}`, async () => {
          await Bun.write(scene.host.outside(`${FOLDER}/${block.name}`), block.text);
        });
      else if (age === "newest" || !block.newest)
        test(`line ${block.line}, ${block.section}: ${block.commands[0]?.text.split("\n")[0]}`, async () => {
          if (first !== undefined)
            throw new Error(`${guide}:${block.line}: not typed, a block before it failed`);
          try {
            await follow(scene.host, block, guide);
          } catch (failure) {
            first = failure;
            throw failure;
          }
        });
    }

    test("the guide clears away what it makes", async () => {
      expect(await scene.links()).toEqual(["eth0", "lo"]);
      expect(await scene.records()).toMatchObject({ networks: [], endpoints: [] });
      expect(await scene.dockerd.docker("ps", "--all", "--quiet")).toBe("");
    });
  });
});

describe("what the field's tutorials get wrong", () => {
  const commands = blocks.flatMap((block) =>
    block.kind === "commands" && !block.fails ? block.commands : [],
  );
  const count = (text: string, flag: string) => text.split(` ${flag} `).length - 1;

  test("every subnet has its range and its gateway", () => {
    const creates = commands.filter(({ text }) => text.startsWith("docker network create"));
    expect(creates.length).toBeGreaterThan(8);
    const flags = ["--subnet", "--ip-range", "--gateway"];
    for (const { line, text } of creates) {
      const [subnets, ...others] = flags.map((flag) => count(text, flag));
      expect([line, subnets, ...others]).toEqual([line, ...flags.map(() => Math.max(subnets ?? 0, 1))]);
    }
  });

  test("no container's name is given twice", () => {
    const names = commands.flatMap(({ text }) => [...(/ --name (\S+)/.exec(text)?.slice(1) ?? [])]);
    expect(names.length).toBeGreaterThan(8);
    expect(new Set(names).size).toBe(names.length);
  });
});

test("a command that fails is told with its line in the guide", async () => {
  const failing = { run: async () => ({ code: 3, stdout: "no such thing\n", stderr: "" }) };
  const block: CommandBlock = {
    ...{ kind: "commands", line: 7, section: "", newest: false, fails: false },
    commands: [{ line: 9, text: "docker network rm lan" }],
  };
  await expect(follow(failing, block)).rejects.toThrow(
    `${GUIDE}:9: exit 3: docker network rm lan\nno such thing`,
  );
  const fails = { ...block, fails: true };
  await follow(failing, fails);
  await expect(follow(failing, { ...fails, prints: { line: 12, text: "gone" } })).rejects.toThrow(
    `${GUIDE}:12: shown:\ngone\nprinted by docker network rm lan:\nno such thing`,
  );
});

/** One command as a reader would type it, with both of its streams on one terminal. */
function follow(host: Pick<PrivateHost, "run">, block: CommandBlock, guide = GUIDE): Promise<void> {
  return followGuide(guide, block, (command) =>
    host.run(["sh", "-c", `cd ${FOLDER}; exec 2>&1\nPATH=${PROGRAMS}:/opt/underlay:$PATH\n${command}`], {
      timeoutMs: 60_000,
    }),
  );
}

async function makeTheHostOfTheGuide(host: PrivateHost): Promise<void> {
  await plugInEth0(host, ROUTER_ADDRESSES);
  await giveReadersPrograms(host, FOLDER, PROGRAMS);
}
