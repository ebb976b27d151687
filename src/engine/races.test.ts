import { describe, expect, test } from "bun:test";
import { UnderlayError } from "../lib/errors.ts";
import { parseMac } from "../lib/mac.ts";
import { memoryStore } from "../store/memory.ts";
import type { Store, Table } from "../store/store.ts";
import { makeContext } from "./context.ts";
import { endpointsOn } from "./endpoints.ts";
import { gatewaysOf } from "./gateways.ts";
import { NEVER } from "./sightings.ts";
import { cidr, endpointRequest, networkRequest, parentLink, World } from "./world.fixture.ts";

/** Calls that meet each other, and a store that fails or takes its time in the middle of one. */

type Operation = "put" | "delete";

/** A store whose next change of a table waits for `until`, or fails with what that throws. */
class Troubled implements Store {
  readonly #inner = memoryStore();
  readonly seed = this.#inner.seed;
  #trouble: { table: string; operation: Operation; until: () => Promise<void> } | undefined;

  next(table: "networks" | "endpoints", operation: Operation, until: () => Promise<void>): void {
    this.#trouble = { table, operation, until };
  }

  table<Body>(name: "networks" | "endpoints"): Table<Body> {
    const inner = this.#inner.table<Body>(name);
    const reach = async (operation: Operation) => {
      const trouble = this.#trouble;
      if (trouble?.table !== name || trouble.operation !== operation) return;
      this.#trouble = undefined;
      await trouble.until();
    };
    return {
      ...inner,
      put: async (id, body, expected) => {
        await reach("put");
        return inner.put(id, body, expected);
      },
      delete: async (id) => {
        await reach("delete");
        return inner.delete(id);
      },
    };
  }

  checkpoint(): void {
    this.#inner.checkpoint();
  }

  close(): void {
    this.#inner.close();
  }
}

const full = () => Promise.reject(new UnderlayError("state", "no space is left"));

function troubledWorld(): { world: World; store: Troubled } {
  const world = new World();
  const store = new Troubled();
  world.store = store;
  return { world, store };
}

/** Lets everything run that waits for nothing but its turn. */
const turns = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("networks", () => {
  test("a create after a removal that failed half-way is not taken back by the next pass", async () => {
    const { world, store } = troubledWorld();
    const engine = world.start();
    await engine.networks.ensure(networkRequest());
    store.next("networks", "delete", full);
    await engine.networks.remove("docker:net1").catch(() => undefined);
    await engine.networks.ensure(networkRequest());
    await engine.reconcile({ dryRun: false });
    expect(engine.networks.list().map(({ state }) => state)).toEqual(["active"]);
    await engine.endpoints.declare(endpointRequest("a"));
  });

  test("a removal takes an endpoint along that is declared in the same moment", async () => {
    const { world, store } = troubledWorld();
    const engine = world.start();
    await engine.networks.ensure(networkRequest());
    const slow = Promise.withResolvers<void>();
    store.next("endpoints", "put", () => slow.promise);
    const declared = engine.endpoints.declare(endpointRequest("a")).catch(() => undefined);
    await turns();
    const removed = engine.networks.remove("docker:net1");
    await turns();
    slow.resolve();
    await Promise.all([declared, removed]);
    expect(engine.networks.list()).toEqual([]);
    expect(engine.endpoints.list()).toEqual([]);
  });

  test("a pass that saw a removal under way does not remove what was created since", async () => {
    const { world, store } = troubledWorld();
    const engine = world.start();
    await engine.networks.ensure(networkRequest());
    const slow = Promise.withResolvers<void>();
    store.next("networks", "delete", () => slow.promise);
    const removed = engine.networks.remove("docker:net1");
    await turns();
    const created = engine.networks.ensure(networkRequest());
    const pass = engine.reconcile({ dryRun: false });
    await turns();
    slow.resolve();
    await Promise.all([removed, created, pass]);
    expect(engine.networks.list()).toHaveLength(1);
  });

  test("a create that nobody waits for any more leaves no network behind", async () => {
    const { world, store } = troubledWorld();
    const engine = world.start();
    for (const moment of ["looked at", "recorded"]) {
      const slow = Promise.withResolvers<void>();
      if (moment === "looked at") world.onLook = () => slow.promise;
      else store.next("networks", "put", () => slow.promise);
      const giveUp = new AbortController();
      const created = engine.networks.ensure(networkRequest(), giveUp.signal);
      await turns();
      giveUp.abort(new UnderlayError("timeout", "it takes too long"));
      slow.resolve();
      await expect(created).rejects.toMatchObject({ code: "timeout" });
      expect(engine.networks.list()).toEqual([]);
    }
  });
});

describe("reconcile", () => {
  async function withStaleEndpoint(world = new World()) {
    const engine = world.start();
    await engine.networks.ensure(networkRequest());
    await engine.endpoints.declare(endpointRequest("a"));
    await engine.endpoints.provision("docker:net1/a");
    world.links.clear();
    await engine.reconcile({ dryRun: false });
    world.now += 60_000;
    return engine;
  }
  const releases = (engine: ReturnType<World["start"]>) =>
    engine.findings().filter(({ message }) => message.includes("was released"));

  test("two passes at once release an endpoint once", async () => {
    const engine = await withStaleEndpoint();
    await Promise.all([engine.reconcile({ dryRun: false }), engine.reconcile({ dryRun: false })]);
    expect(releases(engine)).toHaveLength(1);
  });

  test("an endpoint that is called for while a pass works through its list is left alone", async () => {
    const { world, store } = troubledWorld();
    const engine = await withStaleEndpoint(world);
    await engine.networks.ensure(networkRequest({ owner: "docker:net2" }));
    const slow = Promise.withResolvers<void>();
    store.next("networks", "delete", full);
    await engine.networks.remove("docker:net2").catch(() => undefined);
    store.next("networks", "delete", () => slow.promise);
    const pass = engine.reconcile({ dryRun: false });
    await turns();
    await engine.endpoints.provision("docker:net1/a");
    slow.resolve();
    await pass;
    expect(engine.endpoints.list()).toHaveLength(1);
    expect(releases(engine)).toEqual([]);
  });

  test("the links of a crash are deleted together: one by one, each costs the kernel a grace period", async () => {
    const world = new World();
    const before = world.start();
    await before.networks.ensure(networkRequest());
    for (const id of ["a", "b", "c"]) {
      const host = { a: 7, b: 8, c: 9 }[id];
      await before.endpoints.declare(endpointRequest(id, { addresses: [cidr(`10.6.0.${host}/24`)] }));
      await before.endpoints.provision(`docker:net1/${id}`);
    }
    world.bootId = "boot-2";
    const all = Promise.withResolvers<void>();
    let asked = 0;
    world.onDelete = async () => {
      if (++asked === 3) all.resolve();
      await all.promise;
    };
    const engine = world.start();
    await engine.reconcile({ dryRun: false });
    expect(engine.endpoints.list()).toEqual([]);
  }, 2000);

  test("one that Docker itself gives back meanwhile is not told as released", async () => {
    const engine = await withStaleEndpoint();
    await Promise.all([engine.endpoints.forget("docker:net1/a"), engine.reconcile({ dryRun: false })]);
    expect(releases(engine)).toEqual([]);
  });

  test("the release of an endpoint without an address is not told for ever", async () => {
    const world = new World();
    const engine = world.start();
    await engine.networks.ensure(networkRequest({ subnets: [] }));
    await engine.endpoints.declare(endpointRequest("a", { addresses: [] }));
    await engine.reconcile({ dryRun: false });
    world.now += 60_000;
    await engine.reconcile({ dryRun: false });
    expect(releases(engine)).toHaveLength(1);
    await engine.endpoints.declare(endpointRequest("b", { addresses: [] }));
    expect(releases(engine)).toEqual([]);
  });
});

describe("endpoints", () => {
  test("forgetting one whose record is lost takes its link along", async () => {
    const world = new World();
    const before = world.start();
    await before.networks.ensure(networkRequest());
    await before.endpoints.declare(endpointRequest("a"));
    await before.endpoints.provision("docker:net1/a");
    world.store = memoryStore();
    await world.start().endpoints.forget("docker:net1/a");
    expect(world.links.size).toBe(0);
  });

  test("a MAC is taken also when the parent got another index between two networks", async () => {
    const world = new World();
    const engine = world.start();
    const mac = parseMac("02:11:22:33:44:55");
    if (!mac) throw new Error("no MAC");
    await engine.networks.ensure(networkRequest());
    world.parents.set("eth0", parentLink("eth0", 7));
    await engine.networks.ensure(networkRequest({ owner: "docker:net2" }));
    await engine.endpoints.declare(endpointRequest("a", { mac }));
    const second = engine.endpoints.declare({
      ...endpointRequest("b", { mac }),
      owner: "docker:net2/b",
      network: "docker:net2",
    });
    await expect(second).rejects.toThrow("is in use by endpoint docker:net1/a");
  });

  test("a MAC is free on another parent that has the index of one before the boot", async () => {
    const world = new World();
    const mac = parseMac("02:11:22:33:44:55");
    if (!mac) throw new Error("no MAC");
    await world.start().networks.ensure(networkRequest());
    world.bootId = "boot-2";
    world.parents.set("eth0", parentLink("eth0", 3));
    world.parents.set("eth1", parentLink("eth1", 2));
    const engine = world.start();
    await engine.networks.ensure(networkRequest({ owner: "docker:net2", options: { parent: "eth1" } }));
    await engine.endpoints.declare(endpointRequest("a", { mac }));
    await engine.endpoints.declare({
      ...endpointRequest("b", { mac }),
      owner: "docker:net2/b",
      network: "docker:net2",
    });
  });

  test("calls about endpoints that never come to be are not remembered", async () => {
    const world = new World();
    await world.start().networks.ensure(networkRequest());
    const context = makeContext(world.parts());
    const endpoints = endpointsOn(context, {
      own: { restore: async () => false },
      hosts: { sync: async () => undefined },
      gateways: gatewaysOf(context),
    });
    const foreign = endpointRequest("a", { addresses: [cidr("10.9.0.7/24")] });
    await endpoints.declare(foreign).catch(() => undefined);
    await endpoints.provision("docker:net1/b").catch(() => undefined);
    expect(["a", "b"].map((id) => endpoints.lastCall(`docker:net1/${id}`))).toEqual([NEVER, NEVER]);
  });

  test("a parent that cannot be brought up is told in words", async () => {
    const world = new World();
    world.parents.set("eth0", { ...parentLink("eth0", 2), up: false });
    world.bringUpFailure = new UnderlayError("kernel", "change link #2: ENETDOWN", { errno: "ENETDOWN" });
    const engine = world.start();
    await engine.networks.ensure(networkRequest());
    await engine.endpoints.declare(endpointRequest("a"));
    await expect(engine.endpoints.provision("docker:net1/a")).rejects.toThrow(
      /^parent eth0 is down and cannot be brought up: .*Network is down.*/,
    );
  });
});
