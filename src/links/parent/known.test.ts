import { expect, test } from "bun:test";
import type { ParentFacts } from "../../lib/facts.ts";
import type { LinkEvent, LinkListener } from "../watch.ts";
import { knownParents } from "./known.ts";
import type { FoundParent, ParentMemory, Parents } from "./parents.ts";
import { parseParent } from "./ref.ts";

const MEMORY: ParentMemory = { name: "eth0", ifindex: 2, bootId: "boot" };
const ETH0: FoundParent = { name: "eth0", ifindex: 2, up: true };
const FACTS: ParentFacts = {
  asked: "eth0",
  candidates: [],
  children: [],
  routers: [],
  routesElsewhere: [],
};

function world() {
  const links = new Map<string, FoundParent>([["eth0", ETH0]]);
  const listeners = new Set<LinkListener>();
  let looks = 0;
  const kernel: Parents = {
    find: async (ref, memory) => {
      looks++;
      return links.get("name" in ref ? ref.name : memory.name);
    },
    facts: async () => FACTS,
    atOnce: async () => ({ facts: async () => FACTS }),
    bringUp: async () => undefined,
  };
  const parents = knownParents(kernel, {
    subscribe(listener) {
      listeners.add(listener);
      return { unsubscribe: () => void listeners.delete(listener) };
    },
  });
  return {
    links,
    parents,
    tell: (event: LinkEvent) => {
      for (const listener of listeners) listener(event);
    },
    looks: () => looks,
    find: (text = "eth0") => parents.find(refOf(text), MEMORY),
  };
}

function refOf(text: string) {
  const reading = parseParent(text);
  if ("problem" in reading) throw new Error(reading.problem);
  return reading.value;
}

test("a parent is looked up once, also under auto, and for a VLAN's name", async () => {
  const { find, links, looks } = world();
  links.set("eth0.5", { name: "eth0.5", ifindex: 3, up: true });
  expect([await find(), await find(), await find("auto")]).toEqual([ETH0, ETH0, ETH0]);
  expect(looks()).toBe(1);
  await find("eth0.5");
  await find("eth0.5");
  expect(looks()).toBe(2);
});

test("one that is missing, or found under another name, is looked up each time", async () => {
  const { find, links, looks } = world();
  expect([await find("eth9"), await find("eth9")]).toEqual([undefined, undefined]);
  links.set("uplink", ETH0);
  expect([await find("uplink"), await find("uplink")]).toEqual([ETH0, ETH0]);
  expect(looks()).toBe(4);
});

const WORDS: readonly (readonly [what: string, event: LinkEvent, looksAfter: number])[] = [
  ["it is gone", { kind: "gone", name: "eth0", ifindex: 2 }, 2],
  ["it is renamed", { kind: "changed", news: true, moved: false, name: "wan", ifindex: 2, up: true }, 2],
  [
    "another link has its name",
    { kind: "changed", news: true, moved: false, name: "eth0", ifindex: 7, up: true },
    2,
  ],
  ["events were lost", { kind: "overrun" }, 2],
  [
    "another link changes",
    { kind: "changed", news: true, moved: false, name: "eth1", ifindex: 7, up: false },
    1,
  ],
  ["another link goes", { kind: "gone", name: "eth1", ifindex: 7 }, 1],
];

for (const [what, event, looksAfter] of WORDS) {
  test(`${what}: looked up ${looksAfter === 1 ? "no more" : "again"}`, async () => {
    const { find, tell, looks } = world();
    await find();
    tell(event);
    await find();
    expect(looks()).toBe(looksAfter);
  });
}

test("it goes down: known without a look", async () => {
  const { find, tell, looks } = world();
  await find();
  tell({ kind: "changed", news: true, moved: false, name: "eth0", ifindex: 2, up: false });
  expect(await find()).toEqual({ ...ETH0, up: false });
  expect(looks()).toBe(1);
});

test("what was read before an event is not kept after it", async () => {
  const { find, tell, looks } = world();
  const early = find();
  tell({ kind: "gone", name: "eth0", ifindex: 2 });
  await early;
  await find();
  expect(looks()).toBe(2);
});

test("after its facts were read, or it was brought up, it is looked up again", async () => {
  const { find, parents, looks } = world();
  await find();
  await parents.facts(refOf("eth0"), MEMORY);
  await find();
  await parents.bringUp(2);
  await find();
  expect(looks()).toBe(3);
});
