import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import { createEngine, type WatchfulEngine } from "./create.ts";
import { type ParentUsers, parentUsers } from "./parent-users.ts";
import { Queues } from "./queues.ts";
import type { AttachmentRecord, ParentRecord } from "./records.ts";
import { PARENT_STEPS, type StepName, USER_STEPS } from "./steps.ts";
import { busy, networkRequest, parentLink, World } from "./world.fixture.ts";

/** The daemon, and processes that live for one call, over one database: each has a connection and a memory of its own. */

let folder: string;
let world: World;
let stores: Store[];
/** What flock is between processes. */
let locks: Queues;
/** Called when a lock is asked for. */
let onLock: () => void;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "underlay-users-"));
  world = new World();
  stores = [];
  locks = new Queues();
  onLock = () => undefined;
});
afterEach(() => {
  for (const store of stores) store.close();
  rmSync(folder, { recursive: true });
});

function open(): Store {
  const store = openStore(folder);
  stores.push(store);
  return store;
}

const lockParent = (name: string) =>
  new Promise<{ release(): void }>((resolve) => {
    onLock();
    void locks.run([name], () => new Promise<void>((release) => resolve({ release })));
  });

const partsOf = (here: World) => ({ ...here.parts(), lockParent });

function daemon(): WatchfulEngine {
  world.store = open();
  return createEngine(partsOf(world));
}

/** A process that lives for one call, and so knows nothing of what it did before. */
function process(here = world, store = open()): ParentUsers {
  return parentUsers({ ...partsOf(here), store });
}

const user = (id: string, parent = "eth0.50") => ({ owner: `cni:lan/${id}/eth0`, parent });
const vlan = (owner = "docker:net1", parent = "eth0.50") => networkRequest({ owner, options: { parent } });
const links = (here = world) => [...here.parents.keys()].sort();
const records = (store: Store) => store.table<ParentRecord>("parents").list();
const attached = (store: Store) => store.table<AttachmentRecord>("attachments").list();

function nothingLeft(here = world, store = open()): void {
  expect([links(here), records(store), attached(store)]).toEqual([["eth0"], [], []]);
}

describe("a VLAN of both", () => {
  test("is made by the attachment, and removed with the network that came later", async () => {
    const engine = daemon();
    await process().join(user("a"));
    await engine.networks.ensure(vlan());
    await process().leave(user("a"));
    expect(links()).toEqual(["eth0", "eth0.50"]);
    await engine.networks.remove("docker:net1");
    nothingLeft();
  });

  test("is made by the network, and removed with the attachment that stayed longer", async () => {
    const engine = daemon();
    await engine.networks.ensure(vlan());
    await process().join(user("a"));
    await engine.networks.remove("docker:net1");
    await engine.refresh();
    const { actions } = await engine.reconcile({ dryRun: false });
    expect(actions).toMatchObject([{ what: "suspect", subject: user("a").owner }]);
    expect(links()).toEqual(["eth0", "eth0.50"]);
    await process().leave(user("a"));
    nothingLeft();
  });

  test("comes and goes by both at once, many times", async () => {
    const engine = daemon();
    for (let round = 0; round < 5; round++) {
      const ids = ["a", "b", "c", "d"];
      await Promise.all([...ids.map((id) => process().join(user(id))), engine.networks.ensure(vlan())]);
      expect([links(), attached(open())].flat()).toHaveLength(2 + ids.length);
      await Promise.all([
        process().leave(user("a")),
        engine.networks.remove("docker:net1"),
        engine.reconcile({ dryRun: false }),
        process().join(user("e")),
        ...["b", "c", "d"].map((id) => process().leave(user(id))),
      ]);
      expect(links()).toEqual(["eth0", "eth0.50"]);
      expect(attached(open()).map(({ id }) => id)).toEqual([user("e").owner]);
      await process().leave(user("e"));
      nothingLeft();
    }
  });

  test("of two VLANs goes one by one", async () => {
    const engine = daemon();
    await process().join(user("a", "eth0.10.20"));
    expect(links()).toEqual(["eth0", "eth0.10", "eth0.10.20"]);
    await engine.networks.ensure(vlan("docker:net1", "eth0.10"));
    await process().leave(user("a", "eth0.10.20"));
    expect(links()).toEqual(["eth0", "eth0.10"]);
    await engine.networks.remove("docker:net1");
    nothingLeft();
  });
});

describe("an attachment", () => {
  test("that joins again is one user, and leaves what it hung on before", async () => {
    await process().join(user("a"));
    await process().join(user("a"));
    await process().join(user("a", "eth0.60"));
    expect(links()).toEqual(["eth0", "eth0.60"]);
    await process().leave(user("a"));
    nothingLeft();
  });

  test("on a VLAN that was there before counts, and the VLAN stays", async () => {
    world.parents.set("eth0.50", parentLink("eth0.50", 9));
    await process().join(user("a"));
    await process().leave(user("a"));
    expect([links(), records(open())]).toEqual([["eth0", "eth0.50"], []]);
  });

  test("asks for a protocol: of the outer VLAN, and one that is there must have it", async () => {
    const parent = { ...user("a", "eth0.10.20"), protocol: "802.1ad" } as const;
    await process().join(parent);
    expect(records(open()).map(({ body }) => body.layer)).toMatchObject([
      { name: "eth0.10", protocol: "802.1ad" },
      { name: "eth0.10.20", protocol: "802.1q" },
    ]);
    await process().leave(parent);
    world.parents.set("eth0.10", parentLink("eth0.10", 9));
    await expect(process().join(parent)).rejects.toThrow("leave vlan_protocol out to use it as it is");
    expect([links(), attached(open())]).toEqual([["eth0", "eth0.10"], []]);
  });

  test("is not counted when its VLAN cannot be made", async () => {
    world.parentFailure = busy;
    const failure = await process()
      .join(user("a"))
      .then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
    expect(failure).toBe(busy);
    nothingLeft();
  });

  test("of no VLAN at all leaves in peace", async () => {
    for (const parent of ["eth0", "eth0.", "eth0.0", "eth0.1.2.3", "/", ""]) {
      await process().leave(user("a", parent));
    }
    nothingLeft();
  });

  test("of a former boot is no user; its VLAN is made again by the next one", async () => {
    await process().join(user("a"));
    world.bootId = "boot-2";
    world.parents.delete("eth0.50");
    await process().join(user("b"));
    expect(records(open())).toMatchObject([{ body: { bootId: "boot-2", ifindex: 51 } }]);
    await process().leave(user("b"));
    expect(links()).toEqual(["eth0"]);
    expect(attached(open()).map(({ id }) => id)).toEqual([user("a").owner]);
    await process().leaveAll(() => false);
    nothingLeft();
  });
});

describe("the daemon, of an attachment that nobody ends,", () => {
  const MINUTE = 60_000;
  const pass = async (engine: WatchfulEngine) =>
    (await engine.reconcile({ dryRun: false })).actions.map(({ what, subject }) => [what, subject]);

  test("leaves it alone while a container has its link, or may have it", async () => {
    const engine = daemon();
    await process().join(user("a"));
    world.held.add(user("a").owner);
    for (let minute = 0; minute < 3; minute++, world.now += MINUTE) expect(await pass(engine)).toEqual([]);
    world.held.clear();
    world.surveyComplete = false;
    for (let minute = 0; minute < 3; minute++, world.now += MINUTE) expect(await pass(engine)).toEqual([]);
    expect(links()).toEqual(["eth0", "eth0.50"]);
  });

  test("drops it on the second pass that finds its link nowhere, and the VLAN with it", async () => {
    const engine = daemon();
    await process().join(user("a"));
    expect(await pass(engine)).toEqual([["suspect", user("a").owner]]);
    world.now += MINUTE;
    expect(await pass(engine)).toEqual([["drop-attachment", user("a").owner]]);
    nothingLeft();
  });

  test("leaves one alone that has come again meanwhile", async () => {
    const engine = daemon();
    await process().join(user("a"));
    await pass(engine);
    world.now += MINUTE;
    const lock = await lockParent("eth0.50");
    const { promise: waits, resolve } = Promise.withResolvers<void>();
    onLock = resolve;
    const passing = pass(engine);
    await waits;
    const table = open().table<AttachmentRecord>("attachments");
    const [row] = table.list();
    if (row) await table.put(row.id, { ...row.body, createdAt: "now" }, row.version);
    lock.release();
    expect(await passing).toEqual([]);
    expect(links()).toEqual(["eth0", "eth0.50"]);
  });

  test("drops a VLAN that another process left without a user", async () => {
    const engine = daemon();
    await process().join(user("a"));
    await open().table("attachments").delete(user("a").owner);
    expect(await pass(engine)).toEqual([["drop-parent", "eth0.50"]]);
    nothingLeft();
  });

  test("drops it at once when it is of a former boot", async () => {
    await process().join(user("a"));
    world.bootId = "boot-2";
    world.parents.delete("eth0.50");
    expect(await pass(daemon())).toEqual([["drop-attachment", user("a").owner]]);
    nothingLeft();
  });
});

test("a GC leaves those alone that live", async () => {
  for (const id of ["a", "b"]) await process().join(user(id));
  await process().join(user("c", "eth0.60"));
  await process().leaveAll((owner) => owner !== user("b").owner);
  expect(links()).toEqual(["eth0", "eth0.50"]);
  expect(attached(open()).map(({ id }) => id)).toEqual([user("b").owner]);
});

/** The world as a process that dies at the step leaves it. */
async function leftAt(step: StepName, work: () => Promise<void>): Promise<World> {
  let left: World | undefined;
  world.onStep = (reached) => {
    if (reached === step) left ??= copyOf(world);
  };
  await work();
  if (!left) throw new Error(`step ${step} was never reached`);
  return left;
}

function copyOf(from: World): World {
  const copy = new World();
  const store = open();
  for (const name of ["networks", "parents", "attachments"] as const) {
    for (const { id, body } of store.table(name).list()) void copy.store.table(name).put(id, body, 0);
  }
  for (const [name, link] of from.parents) copy.parents.set(name, link);
  for (const ifindex of from.marked) copy.marked.add(ifindex);
  copy.nextIfindex = from.nextIfindex;
  return copy;
}

describe.each([...PARENT_STEPS, ...USER_STEPS])("killed at %s", (step) => {
  const isEnd = step.startsWith("parent.drop") || step.startsWith("parent.leave");

  async function left(): Promise<World> {
    if (isEnd) await process().join(user("a"));
    return await leftAt(step, () => (isEnd ? process().leave(user("a")) : process().join(user("a"))));
  }

  test("a join makes it whole, and a leave ends it", async () => {
    const here = await left();
    await process(here, here.store).join(user("a"));
    expect(links(here)).toEqual(["eth0", "eth0.50"]);
    expect(records(here.store)).toMatchObject([{ body: { state: "made" } }]);
    await process(here, here.store).leave(user("a"));
    nothingLeft(here, here.store);
  });

  test("a leave leaves nothing", async () => {
    const here = await left();
    await process(here, here.store).leave(user("a"));
    nothingLeft(here, here.store);
  });

  test("a GC leaves nothing", async () => {
    const here = await left();
    await process(here, here.store).leaveAll(() => true);
    nothingLeft(here, here.store);
  });
});
