import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ATTACH_STEPS } from "../../src/engine/steps.ts";
import { HOST_LOCAL_STEPS } from "../../src/store/host-local/steps.ts";
import { type Attachment, cniHost } from "../ground/cni.ts";
import { addressesOf, type CniScene, linkOf, openCniScene } from "./cni-scene.ts";

/** A CNI process that is killed at any of its steps, and what the runtime may do then: again, away with it, or GC. */

let scene: CniScene;
let parent: string;
beforeEach(() => {
  scene = openCniScene();
  parent = scene.master();
});
afterEach(() => scene[Symbol.dispose]());

const confOf = () => ({
  type: "macvlan",
  name: "survive",
  cniVersion: "1.1.0",
  master: parent,
  ipam: { type: "host-local", subnet: "10.1.2.0/24", dataDir: scene.dataDir, routes: [{ dst: "0.0.0.0/0" }] },
});

/** A call that is killed at a step; answers whether it came there. */
async function killedAt(step: string, verb: "ADD" | "DEL", attachment: Attachment): Promise<boolean> {
  const env = {
    CNI_COMMAND: verb,
    CNI_CONTAINERID: attachment.containerId,
    CNI_NETNS: attachment.netns,
    CNI_IFNAME: attachment.ifname,
    CNI_PATH: scene.plugins.folders.join(":"),
    UNDERLAY_FAULT: `${step}:kill`,
  };
  const { code, stdout } = await scene.plugins.raw("macvlan", env, JSON.stringify(confOf()));
  const isKilled = code === 128 + 9;
  if (isKilled) expect(stdout).toBe("");
  else expect(code).toBe(0);
  return isKilled;
}

/** The addresses that are taken, by their files. */
function reserved(): string[] {
  const folder = join(scene.dataDir, "survive");
  return existsSync(folder) ? readdirSync(folder).filter((name) => /^\d+\.\d+\.\d+\.\d+$/.test(name)) : [];
}

const linkNames = () => scene.container.ipJson("link", "show").map((link) => link["ifname"]);

test("GC leaves alone what is another network's, and everything when it is not told what lives", async () => {
  await scene.inhabit();
  await scene.plugins.add(confOf(), scene.attachment);
  await scene.plugins.add({ ...confOf(), name: "other" }, { ...scene.attachment, ifname: "other0" });
  scene.container.ip("link", "add", "survive0", "type", "veth", "peer", "name", "survive1");
  const all = ["lo", "survive0", "survive1", "foobar0", "other0"].sort();
  await scene.plugins.gc(confOf());
  expect(linkNames().sort()).toEqual(all);
  await scene.plugins.gc(confOf(), []);
  expect(linkNames().sort()).toEqual(all.filter((name) => name !== "foobar0"));
});

test("ids of containers may be longer than a link's alias", async () => {
  await scene.inhabit();
  const long = { ...scene.attachment, containerId: "x".repeat(300) };
  const prevResult = await scene.plugins.add(confOf(), long);
  await scene.plugins.check({ ...confOf(), prevResult }, long);
  await scene.plugins.gc(confOf(), [long]);
  expect(linkNames().sort()).toEqual(["foobar0", "lo"]);
  await scene.plugins.gc(confOf(), [{ ...long, containerId: "x".repeat(301) }]);
  expect([linkNames(), reserved()]).toEqual([["lo"], []]);
});

/** A second container gets an address that the first has not. */
async function anotherIsServed(): Promise<void> {
  const [before, other] = [reserved(), { ...scene.attachment, containerId: "other", ifname: "other0" }];
  const { ips } = await scene.plugins.add(confOf(), other);
  const address = ips?.[0]?.address.replace(/\/.*/, "");
  expect(before).not.toContain(String(address));
  await scene.plugins.del(confOf(), other);
  expect(reserved()).toEqual(before);
}

const STEPS = [...ATTACH_STEPS, ...HOST_LOCAL_STEPS];

describe.each(STEPS.filter((step) => !step.startsWith("detach.")))("ADD killed at %s", (step) => {
  test("and again: a link that works, and one address", async () => {
    await killedAt(step, "ADD", scene.attachment);
    const result = await scene.plugins.add(confOf(), scene.attachment);
    expect(addressesOf(scene.container, "foobar0")).toEqual([String(result.ips?.[0]?.address)]);
    expect(reserved().map((address) => `${address}/24`)).toEqual([String(result.ips?.[0]?.address)]);
    expect(linkOf(scene.container, "foobar0")?.["flags"]).toContain("UP");
    await scene.plugins.check({ ...confOf(), prevResult: result }, scene.attachment);
    await anotherIsServed();
    await scene.plugins.del({ ...confOf(), prevResult: result }, scene.attachment);
    expect([reserved(), linkOf(scene.container, "foobar0")]).toEqual([[], undefined]);
  });

  test("and DEL: nothing is left", async () => {
    await killedAt(step, "ADD", scene.attachment);
    await scene.plugins.del(confOf(), scene.attachment);
    expect([reserved(), linkOf(scene.container, "foobar0")]).toEqual([[], undefined]);
    await anotherIsServed();
  });

  test("and DEL after the container is gone: nothing is left", async () => {
    await killedAt(step, "ADD", scene.attachment);
    await scene.plugins.del(confOf(), { ...scene.attachment, netns: "" });
    expect(reserved()).toEqual([]);
  });

  test("and GC: nothing is left", async () => {
    await scene.inhabit();
    await killedAt(step, "ADD", scene.attachment);
    const alive = { ...scene.attachment, containerId: "alive", ifname: "alive0" };
    await scene.plugins.add(confOf(), alive);
    await scene.plugins.gc(confOf(), [alive]);
    expect(reserved()).toHaveLength(1);
    expect(linkNames()).toEqual(["lo", "alive0"]);
    await scene.plugins.gc(confOf(), []);
    expect([reserved(), linkNames()]).toEqual([[], ["lo"]]);
  });
});

describe.each(STEPS)("DEL killed at %s", (step) => {
  test("and again: nothing is left", async () => {
    await scene.plugins.add(confOf(), scene.attachment);
    await killedAt(step, "DEL", scene.attachment);
    await scene.plugins.del(confOf(), scene.attachment);
    expect([reserved(), linkOf(scene.container, "foobar0")]).toEqual([[], undefined]);
    await anotherIsServed();
  });
});

test("every step is reached, by ADD or by DEL", async () => {
  const reached = new Set<string>();
  for (const step of STEPS) {
    if (await killedAt(step, "ADD", scene.attachment)) reached.add(step);
    await scene.plugins.del(confOf(), scene.attachment);
    await scene.plugins.add(confOf(), scene.attachment);
    if (await killedAt(step, "DEL", scene.attachment)) reached.add(step);
    await scene.plugins.del(confOf(), scene.attachment);
  }
  expect(STEPS.filter((step) => !reached.has(step))).toEqual([]);
});

test("200 ADDs and DELs over 20 containers in random order, killed at random: no address twice, none left, no link left", async () => {
  const { folders } = scene.plugins;
  const containers = Array.from({ length: 20 }, (_, i) => ({
    ...scene.attachment,
    containerId: `c${i}`,
    ifname: `net${i}`,
  }));
  const killers = STEPS.map((step) =>
    cniHost({ folders, netns: scene.host.path, env: { UNDERLAY_FAULT: `${step}:kill` } }),
  );
  const pick = <T>(items: readonly T[]): T => {
    const item = items[Math.floor(Math.random() * items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  };
  const work = Array.from({ length: 200 }, () => ({
    one: pick(containers),
    verb: pick(["add", "del"] as const),
    by: Math.random() < 0.3 ? pick(killers) : scene.plugins,
  }));
  const next = work[Symbol.iterator]();
  const failures: string[] = [];
  // A runtime does one thing at a time for one container.
  const busy = new Map<string, Promise<unknown>>();
  const worker = async (): Promise<void> => {
    for (const { one, verb, by } of next) {
      const before = busy.get(one.containerId) ?? Promise.resolve();
      const turn = before.then(async () => void (await by[verb](confOf(), one)));
      const noted = turn.catch((thrown: unknown) => void failures.push(String(thrown)));
      busy.set(one.containerId, noted);
      await noted;
      const taken = reserved();
      expect(new Set(taken).size).toBe(taken.length);
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  // Killed processes say nothing; all that speak must have succeeded.
  expect(failures.filter((text) => !text.includes("exit 137"))).toEqual([]);

  const addresses = await Promise.all(
    containers.map(async (one) => (await scene.plugins.add(confOf(), one)).ips?.[0]?.address),
  );
  expect(new Set(addresses).size).toBe(20);
  expect(reserved()).toHaveLength(20);
  await Promise.all(containers.map((one) => scene.plugins.del(confOf(), one)));
  expect(reserved()).toEqual([]);
  expect(linkNames()).toEqual(["lo"]);
}, 120_000);
