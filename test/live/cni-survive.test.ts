import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ATTACH_STEPS } from "../../src/engine/steps.ts";
import { HOST_LOCAL_STEPS } from "../../src/store/host-local/steps.ts";
import { cniHost } from "../ground/cni.ts";
import { type CniScene, openCniScene } from "./cni-scene.ts";

/** CNI processes beside each other, killed at any of their steps. One alone that is killed: contract-killed.test.ts. */

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

/** The addresses that are taken, by their files. */
function reserved(): string[] {
  const folder = join(scene.dataDir, "survive");
  return existsSync(folder) ? readdirSync(folder).filter((name) => /^\d+\.\d+\.\d+\.\d+$/.test(name)) : [];
}

const linkNames = () => scene.container.ipJson("link", "show").map((link) => link["ifname"]);

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

const STEPS = [...ATTACH_STEPS, ...HOST_LOCAL_STEPS];

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
