import { describe, expect, test } from "bun:test";
import { UnderlayError } from "../lib/errors.ts";
import type { WatchfulEngine } from "./create.ts";
import type { ParentRecord } from "./records.ts";
import { PARENT_STEPS, type StepName } from "./steps.ts";
import { endpointRequest, networkRequest, parentLink, World } from "./world.fixture.ts";

/** Parents that we make, on a kernel in memory; test/lab has a real one. */

async function failure(work: Promise<unknown>): Promise<UnderlayError> {
  return work.then(
    () => {
      throw new Error("it succeeded");
    },
    (error: UnderlayError) => error,
  );
}

const vlan = (parent: string, owner = "docker:net1", more: Record<string, string> = {}) =>
  networkRequest({ owner, options: { parent, ...more } });
const records = (world: World) =>
  world.store
    .table<ParentRecord>("parents")
    .list()
    .map(({ body }) => body);
const links = (world: World) => [...world.parents.keys()].sort();

describe("a VLAN parent", () => {
  test("is made with the first network on it and removed with the last, whichever made it", async () => {
    const world = new World();
    const engine = world.start();
    await engine.networks.ensure(vlan("eth0.50"));
    await engine.networks.ensure(vlan("eth0.50", "docker:net2"));
    expect(links(world)).toEqual(["eth0", "eth0.50"]);
    expect(records(world)).toMatchObject([{ owner: "eth0.50", state: "made", ifindex: 50 }]);
    expect(engine.networks.list().map(({ parent }) => parent)).toEqual(["eth0.50", "eth0.50"]);
    await engine.networks.remove("docker:net1");
    expect(links(world)).toContain("eth0.50");
    await engine.networks.remove("docker:net2");
    expect(links(world)).toEqual(["eth0"]);
    expect(records(world)).toEqual([]);
    expect(world.locked).toEqual([]);
  });

  test("that was there before is used as it is and stays", async () => {
    const world = new World();
    world.parents.set("eth0.50", parentLink("eth0.50", 9));
    const engine = world.start();
    await engine.networks.ensure(vlan("eth0.50"));
    expect(records(world)).toEqual([]);
    await engine.networks.remove("docker:net1");
    expect(links(world)).toEqual(["eth0", "eth0.50"]);
  });

  test("of two VLANs: both are made, and go one by one with their last user", async () => {
    const world = new World();
    const engine = world.start();
    await engine.networks.ensure(vlan("eth0.10.20"));
    await engine.networks.ensure(vlan("eth0.10", "docker:net2"));
    expect(records(world).map(({ layer }) => layer)).toMatchObject([
      { name: "eth0.10", lower: "eth0", vid: 10, protocol: "802.1q" },
      { name: "eth0.10.20", lower: "eth0.10", vid: 20, protocol: "802.1q" },
    ]);
    await engine.networks.remove("docker:net1");
    expect(links(world)).toEqual(["eth0", "eth0.10"]);
    await engine.networks.remove("docker:net2");
    expect(links(world)).toEqual(["eth0"]);
  });

  test("with vlan_protocol has an outer tag of that protocol", async () => {
    const world = new World();
    await world.start().networks.ensure(vlan("eth0.10.20", "docker:net1", { vlan_protocol: "802.1ad" }));
    expect(records(world).map(({ layer }) => layer.kind === "vlan" && layer.protocol)).toEqual([
      "802.1ad",
      "802.1q",
    ]);
  });

  test("of a name that is too long gets another, and the altname that was typed", async () => {
    const world = new World();
    world.parents.set("enx001122334455", parentLink("enx001122334455", 7));
    const engine = world.start();
    await engine.networks.ensure(vlan("enx001122334455.10"));
    const made = world.parents.get("enx001122334455.10");
    expect(made?.name).toMatch(/^ulp-[a-z2-7]{11}$/);
    expect(made?.altNames).toEqual(["enx001122334455.10"]);
    await engine.networks.remove("docker:net1");
    expect(links(world)).toEqual(["enx001122334455", "eth0"]);
  });

  test("that somebody replaced is theirs: used, and never removed", async () => {
    const world = new World();
    const engine = world.start();
    await engine.networks.ensure(vlan("eth0.50"));
    world.parents.set("eth0.50", parentLink("eth0.50", 77));
    await engine.networks.remove("docker:net1");
    expect(links(world)).toEqual(["eth0", "eth0.50"]);
    expect(records(world)).toEqual([]);
  });

  test("that somebody made in the next boot is theirs", async () => {
    const world = new World();
    await world.start().networks.ensure(vlan("eth0.50"));
    world.bootId = "boot-2";
    world.parents.set("eth0.50", parentLink("eth0.50", 50));
    world.marked.clear();
    const engine = world.start();
    await engine.refresh();
    await engine.networks.remove("docker:net1");
    expect(links(world)).toEqual(["eth0", "eth0.50"]);
  });

  test("on which somebody else's link hangs stays, and that is said", async () => {
    const world = new World();
    const engine = world.start();
    await engine.networks.ensure(vlan("eth0.50"));
    world.hangsOn = 50;
    await engine.networks.remove("docker:net1");
    expect(links(world)).toEqual(["eth0", "eth0.50"]);
    expect(world.logged).toContain("a parent of ours stays, for others use it");
  });

  test("is not made twice by two creates at the same moment, nor removed under one", async () => {
    const world = new World();
    const engine = world.start();
    await engine.networks.ensure(vlan("eth0.50"));
    await Promise.all([
      engine.networks.remove("docker:net1"),
      engine.networks.ensure(vlan("eth0.50", "docker:net2")),
      engine.networks.ensure(vlan("eth0.50", "docker:net3")),
      engine.reconcile({ dryRun: false }),
    ]);
    expect(links(world)).toEqual(["eth0", "eth0.50"]);
    expect(engine.networks.list()).toHaveLength(2);
  });
});

describe("no parent at all", () => {
  test("is a dummy of the network's own, without a way out", async () => {
    const world = new World();
    const engine = world.start();
    await engine.networks.ensure(networkRequest({ options: {} }));
    await engine.networks.ensure(networkRequest({ owner: "docker:net2", options: {} }));
    const names = records(world).map(({ owner }) => owner);
    expect(names).toHaveLength(2);
    for (const name of names) expect(name).toMatch(/^uld-[a-z2-7]{11}$/);
    await engine.endpoints.declare(endpointRequest("a"));
    expect((await engine.endpoints.provision("docker:net1/a")).gateways).toEqual([]);
    await engine.networks.remove("docker:net1");
    await engine.networks.remove("docker:net2");
    expect(links(world)).toEqual(["eth0"]);
  });
});

describe("a create that fails leaves no link and no record", () => {
  const nothingLeft = (world: World, engine: WatchfulEngine) => {
    expect(links(world)).toEqual(["eth0"]);
    expect([records(world), engine.networks.list(), world.locked]).toEqual([[], [], []]);
  };

  test("when the kernel lacks the kind: the module and its line are named", async () => {
    for (const [options, module] of [
      [{ parent: "eth0.50" }, "8021q"],
      [{}, "dummy"],
    ] as const) {
      const world = new World();
      const engine = world.start();
      world.parentFailure = new UnderlayError("kernel", "create: EOPNOTSUPP", {
        errno: "EOPNOTSUPP",
        kernelText: "Unknown device type",
      });
      const error = await failure(engine.networks.ensure(networkRequest({ options })));
      expect(error.code).toBe("refused");
      expect(error.message).toStartWith("UL-K01 ");
      expect(error.message).toContain(`module ${module} is missing`);
      expect(error.message).toContain(`modprobe ${module}`);
      expect(error.message).not.toContain("UL-P01");
      nothingLeft(world, engine);
    }
  });

  test("when a condition stands against the network", async () => {
    const world = new World();
    const engine = world.start();
    world.trial = { outcome: "failed", errno: "EBUSY", text: "" };
    expect((await failure(engine.networks.ensure(vlan("eth0.50")))).message).toStartWith("UL-K10");
    nothingLeft(world, engine);
  });

  test("when the link below is missing: another spelling with its VLAN is offered", async () => {
    const world = new World();
    const engine = world.start();
    const error = await failure(engine.networks.ensure(vlan("eth7.50")));
    expect(error.message).toStartWith("UL-P01 no link is called eth7");
    nothingLeft(world, engine);
  });

  test("when the link below has no Ethernet layer: nothing was made", async () => {
    const world = new World();
    world.parents.set("lo", { ...parentLink("lo", 1), loopback: true, hardwareType: 772 });
    const engine = world.start();
    const error = await failure(engine.networks.ensure(vlan("lo.50")));
    expect(error.message).toStartWith("UL-P04 lo is the loopback link");
    expect(world.steps).toEqual([]);
    world.parents.delete("lo");
    nothingLeft(world, engine);
  });

  test("when whoever asked has given up", async () => {
    const world = new World();
    const engine = world.start();
    const abort = new AbortController();
    world.onStep = (step) => {
      if (step === "parent.make.after-confirm") abort.abort(new Error("given up"));
    };
    const error = await failure(engine.networks.ensure(vlan("eth0.50"), abort.signal));
    expect(error.message).toBe("given up");
    nothingLeft(world, engine);
  });

  test("when the VLAN is there with another protocol than the one asked for", async () => {
    const world = new World();
    world.parents.set("eth0.50", parentLink("eth0.50", 9));
    const engine = world.start();
    const error = await failure(
      engine.networks.ensure(vlan("eth0.50", "docker:net1", { vlan_protocol: "802.1ad" })),
    );
    expect(error.code).toBe("conflict");
    expect(error.message).toContain("leave vlan_protocol out");
    expect(links(world)).toEqual(["eth0", "eth0.50"]);
  });
});

describe("a parent of ours that is gone", () => {
  test("is made again when links are looked at, with what was below it", async () => {
    const world = new World();
    const engine = world.start();
    await engine.networks.ensure(vlan("eth0.10.20"));
    for (const name of ["eth0.10", "eth0.10.20"]) world.parents.delete(name);
    expect(engine.concerns({ name: "eth0.10.20", ifindex: 51 })).toBe(true);
    await engine.refresh();
    expect(links(world)).toEqual(["eth0", "eth0.10", "eth0.10.20"]);
    expect(world.logged).toContain("a parent of ours was gone and was made again");
    expect(engine.networks.list()[0]?.healthy).toBe(true);
    await engine.networks.remove("docker:net1");
    expect(links(world)).toEqual(["eth0"]);
  });

  test("is made again after a boot, and is ours", async () => {
    const world = new World();
    await world.start().networks.ensure(vlan("eth0.50"));
    await world.start().networks.ensure(networkRequest({ owner: "docker:net2", options: {} }));
    world.bootId = "boot-2";
    for (const name of links(world)) if (name !== "eth0") world.parents.delete(name);
    const engine = world.start();
    await engine.reconcile({ dryRun: false });
    await engine.refresh();
    expect(links(world)).toHaveLength(3);
    for (const owner of ["docker:net1", "docker:net2"]) await engine.networks.remove(owner);
    expect(links(world)).toEqual(["eth0"]);
  });

  test("waits for the link below, degraded, and comes back with it", async () => {
    const world = new World();
    const engine = world.start();
    await engine.networks.ensure(vlan("eth0.50"));
    world.parents.clear();
    await engine.refresh();
    expect(engine.networks.list()[0]?.healthy).toBe(false);
    expect(engine.findings().map(({ id }) => id)).toEqual(["UL-P01"]);
    world.parents.set("eth0", parentLink("eth0", 3));
    await engine.refresh();
    expect(engine.networks.list()[0]?.healthy).toBe(true);
    expect(links(world)).toEqual(["eth0", "eth0.50"]);
  });

  test("that somebody else had made is waited for, and stays theirs", async () => {
    const world = new World();
    world.parents.set("eth0.10", parentLink("eth0.10", 9));
    const engine = world.start();
    await engine.networks.ensure(vlan("eth0.10", "docker:net1"));
    await engine.networks.ensure(vlan("eth0.10.20", "docker:net2"));
    for (const name of ["eth0.10", "eth0.10.20"]) world.parents.delete(name);
    await engine.refresh();
    expect(links(world)).toEqual(["eth0"]);
    expect(engine.networks.list().map(({ healthy }) => healthy)).toEqual([false, false]);
    await engine.endpoints.declare(endpointRequest("a"));
    expect((await failure(engine.endpoints.provision("docker:net1/a"))).message).toContain("UL-P01");
    world.parents.set("eth0.10", parentLink("eth0.10", 10));
    await engine.refresh();
    expect(links(world)).toEqual(["eth0", "eth0.10", "eth0.10.20"]);
    for (const owner of ["docker:net1", "docker:net2"]) await engine.networks.remove(owner);
    expect(links(world)).toEqual(["eth0", "eth0.10"]);
  });

  test("is made again for a container that starts before anybody looked", async () => {
    const world = new World();
    const engine = world.start();
    await engine.networks.ensure(vlan("eth0.50"));
    await engine.endpoints.declare(endpointRequest("a"));
    world.parents.delete("eth0.50");
    await engine.endpoints.provision("docker:net1/a");
    expect(links(world)).toEqual(["eth0", "eth0.50"]);
  });

  test("and cannot be made is told once, for as long as the reason is the same", async () => {
    const world = new World();
    const engine = world.start();
    await engine.networks.ensure(vlan("eth0.50"));
    world.parents.delete("eth0.50");
    world.parentFailure = new UnderlayError("kernel", "ENOMEM", { errno: "ENOMEM" });
    for (let i = 0; i < 3; i++) await engine.refresh();
    const told = world.logged.filter((line) => line.includes("cannot be made again"));
    expect(told).toHaveLength(1);
    expect(records(world)).toHaveLength(1);
  });
});

/** The world as a process that dies at the step leaves it. What runs on does so in another one. */
async function leftAt(world: World, step: StepName, work: (engine: WatchfulEngine) => Promise<unknown>) {
  let left: World | undefined;
  world.onStep = (reached) => {
    if (reached === step) left = copyOf(world);
  };
  await work(world.start());
  if (!left) throw new Error(`step ${step} was never reached`);
  return left;
}

function copyOf(world: World): World {
  const copy = new World();
  for (const name of ["networks", "parents"] as const) {
    for (const { id, body } of world.store.table(name).list()) void copy.store.table(name).put(id, body, 0);
  }
  for (const [name, link] of world.parents) copy.parents.set(name, link);
  for (const ifindex of world.marked) copy.marked.add(ifindex);
  copy.nextIfindex = world.nextIfindex;
  return copy;
}

describe.each([...PARENT_STEPS])("killed at %s", (step) => {
  test("the parent is whole with its network, or not there", async () => {
    const isDrop = step.startsWith("parent.drop");
    const before = new World();
    if (isDrop) await before.start().networks.ensure(vlan("eth0.50"));
    const world = await leftAt(before, step, (engine) =>
      isDrop ? engine.networks.remove("docker:net1") : engine.networks.ensure(vlan("eth0.50")),
    );
    const engine = world.start();
    await engine.reconcile({ dryRun: false });
    await engine.refresh();
    const isThere = engine.networks.list().length > 0;
    expect(links(world)).toEqual(isThere ? ["eth0", "eth0.50"] : ["eth0"]);
    expect(records(world)).toHaveLength(isThere ? 1 : 0);
    await engine.networks.ensure(vlan("eth0.50"));
    expect(links(world)).toEqual(["eth0", "eth0.50"]);
    await engine.networks.remove("docker:net1");
    expect([links(world), records(world)]).toEqual([["eth0"], []]);
  });
});
