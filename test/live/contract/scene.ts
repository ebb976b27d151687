import { afterEach, beforeAll, expect } from "bun:test";
import type { StepName } from "../../../src/engine/steps.ts";
import { disposedAfterAll } from "../../ground/cleanup.ts";
import { referencePlugins } from "../../ground/reference-cni.ts";
import { until } from "../../ground/until.ts";
import { type Box, openBox } from "./box.ts";
import { tracesOn } from "./host.ts";
import { openSubject } from "./rows.ts";
import { type Given, MTU, NETS, type Net, type Row, type Subject, type Verb, type Wish } from "./subject.ts";

/** A subject for the tests of one describe block, and the boxes of the test that runs. */
export interface Scene {
  readonly subject: Subject;
  /** A new one, gone with the test. */
  box(): Promise<Box>;
  /** Links, ports and rules of the host; records; links in boxes. */
  traces(): Promise<readonly string[]>;
  /** Attaches, and asserts that the link is what was said and asked for. */
  attached(box: Box, wish?: Wish): Promise<Given>;
  detach(box: Box, net?: Net): Promise<void>;
  /** The first call of the verb that dies at the step, after those that come before. */
  killed(step: StepName, verb: Verb, box: Box): Promise<void>;
  expectWhole(box: Box, given: Given, net?: Net): Promise<void>;
  /** Takes away who is attached and both networks, and waits until all is as it was before the first test. */
  expectNothing(): Promise<void>;
}

/** The gateways have the first address. */
const FIRST = 2;
const BOTH: readonly Net[] = ["one", "two"];

/** To be called where `beforeAll` may be called. Each test ends with `expectNothing`, whether or not it says so. */
export function contractScene(row: Row): () => Scene {
  const things = disposedAfterAll();
  const boxes: Box[] = [];
  const serial = { next: FIRST };
  let scene: Scene | undefined;
  const now = () => {
    if (!scene) throw new Error("the scene has not begun");
    return scene;
  };
  beforeAll(async () => {
    await referencePlugins();
    const subject = things.use(await openSubject(row));
    scene = sceneOf(subject, await recordedOn(subject), boxes, serial);
  }, 600_000);
  afterEach(async () => {
    try {
      await now().expectNothing();
    } finally {
      // What is gone is forgotten: the next test has the same ids and addresses.
      serial.next = FIRST;
      await Promise.all(boxes.splice(0).map((box) => box[Symbol.asyncDispose]()));
    }
  });
  return now;
}

async function recordedOn({ host, row, records }: Subject): Promise<readonly string[]> {
  const all = await Promise.all([tracesOn(host, row.ground.stays), records()]);
  return all.flat();
}

function sceneOf(subject: Subject, before: readonly string[], boxes: Box[], serial: { next: number }): Scene {
  /** Who may be attached, and where. */
  const on = new Map<string, () => Promise<void>>();
  const mark = (box: Box, net: Net) => void on.set(`${box.serial} ${net}`, () => scene.detach(box, net));

  const scene: Scene = {
    subject,
    async box() {
      const made = await openBox(serial.next++);
      boxes.push(made);
      return made;
    },
    traces: async () => [...(await recordedOn(subject)), ...boxes.flatMap((box) => box.links())],
    async attached(box, wish = {}) {
      mark(box, wish.net ?? "one");
      const given = await subject.attach(box, wish);
      await scene.expectWhole(box, given, wish.net);
      return given;
    },
    async detach(box, net = "one") {
      on.delete(`${box.serial} ${net}`);
      await subject.detach(box, net);
    },
    async killed(step, verb, box) {
      if (verb !== "attach") await scene.attached(box);
      if (verb === "close") await scene.detach(box);
      mark(box, "one");
      await subject.killed(step, verb, box);
    },
    async expectWhole(box, given, net = "one") {
      const { ifname } = NETS[net];
      const [link] = box.show(`link show dev ${ifname}`);
      expect(link).toMatchObject({ address: given.mac, mtu: MTU, flags: expect.arrayContaining(["UP"]) });
      expect(globals(box, ifname)).toEqual([...given.addresses].sort());
      expect(given.addresses).toHaveLength(2);
      if (net === "one") await subject.verify(box, given);
    },
    async expectNothing() {
      await Promise.all([...on.values()].map((detach) => detach()));
      for (const net of BOTH) await subject.close(net);
      let now: readonly string[] = [];
      // A netns ends, and ovs-vswitchd hears of a bridge that is gone, in their own time.
      const isSo = async () => {
        now = await scene.traces();
        return Bun.deepEquals(now, before);
      };
      await until("nothing is left", isSo, { withinMs: 5000 }).catch(() => expect(now).toEqual([...before]));
    },
  };
  return scene;
}

function globals(box: Box, ifname: string): string[] {
  return box
    .show(`address show dev ${ifname}`)
    .flatMap((link) => (Array.isArray(link["addr_info"]) ? link["addr_info"] : []))
    .filter(({ scope }) => scope === "global")
    .map(({ local, prefixlen }) => `${local}/${prefixlen}`)
    .sort();
}
