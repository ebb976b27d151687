import { afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { PAIR_STEPS } from "../../src/engine/steps.ts";
import { HOST_LOCAL_STEPS } from "../../src/store/host-local/steps.ts";
import type { Attachment } from "../ground/cni.ts";
import { openTestNetns } from "../ground/netns.ts";
import { chainRules } from "../ground/nft.ts";
import { referencePlugins } from "../ground/reference-cni.ts";
import { addressesOf, type CniScene, linkOf, openCniScene } from "./cni-scene.ts";

/**
 * Plugins that make a pair of links, killed at any of their steps, and what the runtime may do then: again, away with
 * it, or GC. What is shared by containers, a bridge, stays.
 */

beforeAll(referencePlugins, 600_000);

let scene: CniScene;
beforeEach(() => {
  scene = openCniScene();
});
afterEach(() => scene[Symbol.dispose]());

/** Beside `lo` on the host when nobody is attached any more. */
const KINDS = {
  ptp: { keys: {}, stays: [] },
  bridge: { keys: { bridge: "br0", isGateway: true, macspoofchk: true, hairpinMode: true }, stays: ["br0"] },
} as const;

const KIND_NAMES = ["ptp", "bridge"] as const;
type Kind = (typeof KIND_NAMES)[number];

const confOf = (kind: Kind, name = "survive") => ({
  type: kind,
  name,
  cniVersion: "1.1.0",
  ipMasq: true,
  ...KINDS[kind].keys,
  ipam: {
    type: "host-local",
    ranges: [[{ subnet: "10.1.2.0/24" }], [{ subnet: "fd00:1::/64" }]],
    dataDir: scene.dataDir,
    routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
  },
});

/** A call that is killed at a step; answers whether it came there. */
async function killedAt(kind: Kind, step: string, verb: "ADD" | "DEL"): Promise<boolean> {
  const { containerId, netns, ifname } = scene.attachment;
  const env = {
    CNI_COMMAND: verb,
    CNI_CONTAINERID: containerId,
    CNI_NETNS: netns,
    CNI_IFNAME: ifname,
    CNI_PATH: scene.plugins.folders.join(":"),
    UNDERLAY_FAULT: `${step}:kill`,
  };
  const { code, stdout } = await scene.plugins.raw(kind, env, JSON.stringify(confOf(kind)));
  const isKilled = code === 128 + 9;
  if (isKilled) expect(stdout).toBe("");
  else expect(code).toBe(0);
  return isKilled;
}

/** The addresses that are taken, by their files. */
function reserved(): string[] {
  const folder = join(scene.dataDir, "survive");
  return existsSync(folder) ? readdirSync(folder).filter((name) => /^[\d.]+\.\d+$|:/.test(name)) : [];
}

const masquerades = () => chainRules(scene.host, "inet cni_plugins_masquerade masq_checks");
const spoofChecks = () => chainRules(scene.host, "bridge nat PREROUTING");
const hostLinks = () => scene.host.ipJson("link", "show").map((link) => String(link["ifname"]));

async function expectNothingLeft(kind: Kind): Promise<void> {
  expect(hostLinks().sort()).toEqual(expect.arrayContaining(["lo"]));
  expect(
    hostLinks().filter((name) => name !== "lo" && !KINDS[kind].stays.some((stays) => stays === name)),
  ).toEqual([]);
  expect(linkOf(scene.container, "foobar0")).toBeUndefined();
  expect([reserved(), await masquerades(), await spoofChecks()]).toEqual([[], [], []]);
}

async function expectWhole(kind: Kind, attachment: Attachment): Promise<void> {
  const result = await scene.plugins.add(confOf(kind), attachment);
  const told = result.ips?.map((ip) => ip.address) ?? [];
  expect([4, 6].flatMap((family) => addressesOf(scene.container, "foobar0", family === 4 ? 4 : 6))).toEqual(
    told,
  );
  expect(reserved().sort()).toEqual(told.map((address) => address.replace(/\/.*/, "")).sort());
  expect(linkOf(scene.container, "foobar0")?.["flags"]).toContain("UP");
  expect(await masquerades()).toHaveLength(2);
  await scene.plugins.check({ ...confOf(kind), prevResult: result }, attachment);
}

const STEPS = [...PAIR_STEPS, ...HOST_LOCAL_STEPS];
const ADD_STEPS = STEPS.filter((step) => !step.startsWith("unpair."));

describe.each([...KIND_NAMES])("%s", (kind) => {
  test.each(ADD_STEPS)(
    "ADD killed at %s, and again: a link that works, and one address of each family",
    async (step) => {
      await killedAt(kind, step, "ADD");
      await expectWhole(kind, scene.attachment);
      await scene.plugins.del(confOf(kind), scene.attachment);
      await expectNothingLeft(kind);
    },
  );

  test.each(ADD_STEPS)("ADD killed at %s, and DEL: nothing is left", async (step) => {
    await killedAt(kind, step, "ADD");
    await scene.plugins.del(confOf(kind), scene.attachment);
    await expectNothingLeft(kind);
  });

  test.each(ADD_STEPS)("ADD killed at %s, and DEL without a netns: nothing is left", async (step) => {
    await killedAt(kind, step, "ADD");
    await scene.plugins.del(confOf(kind), { ...scene.attachment, netns: "" });
    await expectNothingLeft(kind);
  });

  test.each(ADD_STEPS)("ADD killed at %s, and GC: nothing is left but what lives", async (step) => {
    await killedAt(kind, step, "ADD");
    using other = openTestNetns();
    const alive = { ...scene.attachment, containerId: "alive", netns: other.path };
    const result = await scene.plugins.add(confOf(kind), alive);
    await scene.plugins.gc(confOf(kind), [alive]);
    expect(linkOf(scene.container, "foobar0")).toBeUndefined();
    expect(reserved()).toHaveLength(2);
    expect(await masquerades()).toHaveLength(2);
    await scene.plugins.check({ ...confOf(kind), prevResult: result }, alive);
    await scene.plugins.gc(confOf(kind), []);
    await expectNothingLeft(kind);
  });

  test.each(STEPS)("DEL killed at %s, and again: nothing is left", async (step) => {
    await scene.plugins.add(confOf(kind), scene.attachment);
    await killedAt(kind, step, "DEL");
    await scene.plugins.del(confOf(kind), scene.attachment);
    await expectNothingLeft(kind);
  });

  test("every step is reached, by ADD or by DEL", async () => {
    const reached = new Set<string>();
    for (const step of STEPS) {
      if (await killedAt(kind, step, "ADD")) reached.add(step);
      await scene.plugins.del(confOf(kind), scene.attachment);
      await scene.plugins.add(confOf(kind), scene.attachment);
      if (await killedAt(kind, step, "DEL")) reached.add(step);
      await scene.plugins.del(confOf(kind), scene.attachment);
    }
    expect(STEPS.filter((step) => !reached.has(step))).toEqual([]);
  }, 60_000);

  test("GC leaves alone what is another network's, and everything when it is not told what lives", async () => {
    await scene.plugins.add(confOf(kind), scene.attachment);
    const other = {
      // It shares the bridge, whose address is of the first.
      ...confOf(kind, "other"),
      isGateway: false,
      ipam: { ...confOf(kind).ipam, ranges: [[{ subnet: "10.9.0.0/24" }]] },
    };
    const theirs = { ...scene.attachment, ifname: "other0" };
    await scene.plugins.add(other, theirs);
    await scene.plugins.gc(confOf(kind));
    expect(linkOf(scene.container, "foobar0")).toBeDefined();
    await scene.plugins.gc(confOf(kind), []);
    expect([
      linkOf(scene.container, "foobar0") === undefined,
      linkOf(scene.container, "other0") === undefined,
    ]).toEqual([true, false]);
    expect(await masquerades()).toHaveLength(1);
    await scene.plugins.del(other, theirs);
    await expectNothingLeft(kind);
  });

  test("an ADD that fails leaves nothing: the pool is used up, a route cannot be", async () => {
    const full = {
      ...confOf(kind),
      ipam: {
        type: "host-local",
        dataDir: scene.dataDir,
        subnet: "10.1.2.0/30",
        rangeStart: "10.1.2.1",
        rangeEnd: "10.1.2.1",
      },
    };
    await expect(scene.plugins.add(full, scene.attachment)).rejects.toThrow("no IP addresses available");
    await expectNothingLeft(kind);
    const stray = { ...confOf(kind).ipam, routes: [{ dst: "192.0.2.0/24", gw: "198.51.100.1" }] };
    await expect(scene.plugins.add({ ...confOf(kind), ipam: stray }, scene.attachment)).rejects.toThrow(
      "add a route",
    );
    await expectNothingLeft(kind);
  });

  test("CHECK sees an address, a route and an end that are gone", async () => {
    let result = await scene.plugins.add(confOf(kind), scene.attachment);
    const checked = () => scene.plugins.check({ ...confOf(kind), prevResult: result }, scene.attachment);
    scene.container.ip("-6", "route", "del", "default");
    await expect(checked()).rejects.toThrow("lacks route to ::/0");
    result = await scene.plugins.add(confOf(kind), scene.attachment);
    scene.container.ip("address", "del", String(result.ips?.[0]?.address), "dev", "foobar0");
    await expect(checked()).rejects.toThrow("lacks address 10.1.2.");
    const [host] = hostLinks().filter((name) => name.startsWith("veth"));
    scene.host.ip("link", "del", String(host));
    await expect(checked()).rejects.toThrow("link foobar0 of the container: it is not there");
    await scene.plugins.del(confOf(kind), scene.attachment);
    await expectNothingLeft(kind);
  });
});
