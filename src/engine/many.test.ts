import { expect, test } from "bun:test";
import type { NetworkRequest } from "../lib/request.ts";
import { networkRequest, World } from "./world.fixture.ts";

/** What is done for one network among many: nothing may be done for the others. */

const MANY = 300;

function vlan(vid: number): NetworkRequest {
  const pool = { ip: { family: 4, bytes: Uint8Array.of(10, vid >> 8, vid & 255, 0) }, prefix: 24 } as const;
  const base = networkRequest();
  return {
    ...base,
    owner: `docker:net${vid}`,
    options: { parent: `eth0.${vid}` },
    subnets: [{ pool, aux: {} }],
  };
}

async function withVlans() {
  const world = new World();
  const engine = world.start();
  const looksOf: number[] = [];
  for (let vid = 1; vid <= MANY; vid++) {
    const before = world.looks.length;
    await engine.networks.ensure(vlan(vid));
    looksOf.push(world.looks.length - before);
  }
  return { world, engine, looksOf };
}

test("the last of many networks takes as many looks as the first", async () => {
  const { world, looksOf } = await withVlans();
  expect(new Set(looksOf).size).toBe(1);
  expect(world.looks.slice(-2)).toEqual(["eth0", `eth0.${MANY}`]);
});

test("a change of one parent is a look at that parent alone", async () => {
  const { world, engine } = await withVlans();
  const ifindex = world.parents.get("eth0.7")?.ifindex ?? 0;
  world.looks.length = 0;
  await engine.refresh([{ name: "eth0.7", ifindex }]);
  await engine.refresh([{ name: "mv0", ifindex: 9999, parentIfindex: ifindex }]);
  await engine.refresh([{ name: "veth3", ifindex: 9998 }]);
  expect(world.looks).toEqual(["eth0.7", "eth0.7"]);
  await engine.refresh();
  expect(world.looks.length).toBe(2 + MANY);
});

test("a VLAN that is deleted by hand is made again by a look at its change alone", async () => {
  const { world, engine } = await withVlans();
  const ifindex = world.parents.get("eth0.7")?.ifindex ?? 0;
  world.parents.delete("eth0.7");
  world.looks.length = 0;
  const gone = { name: "eth0.7", ifindex, parentIfindex: 2 };
  expect(engine.concerns(gone)).toBe(true);
  await engine.refresh([gone]);
  expect(world.parents.has("eth0.7")).toBe(true);
  expect(world.looks).toEqual(["eth0.7"]);
});

test("while one is degraded any change may bring its parent back, and the others are let be", async () => {
  const { world, engine } = await withVlans();
  const network = { ...vlan(7), owner: "docker:plain", options: { parent: "eth1" } };
  const eth0 = world.parents.get("eth0");
  if (!eth0) throw new Error("eth0 is missing");
  world.parents.set("eth1", { ...eth0, name: "eth1", ifindex: 3 });
  await engine.networks.ensure(network);
  world.parents.delete("eth1");
  await engine.refresh([{ name: "eth1", ifindex: 3 }]);
  expect(world.logged.filter((line) => line.startsWith("condition "))).toHaveLength(1);
  expect(engine.networks.rows().filter(({ healthy }) => !healthy)).toHaveLength(1);
  world.parents.set("uplink", { ...eth0, name: "eth1", ifindex: 8 });
  world.looks.length = 0;
  expect(engine.concerns({ name: "uplink", ifindex: 8 })).toBe(true);
  await engine.refresh([{ name: "uplink", ifindex: 8 }]);
  expect(world.looks).toEqual(["eth1"]);
  await engine.networks.remove("docker:plain");
  expect(engine.concerns({ name: "veth3", ifindex: 9998 })).toBe(false);
  expect(world.logged.filter((line) => line.startsWith("condition "))).toHaveLength(2);
});
