import { describe, expect, test } from "bun:test";
import type { UnderlayError } from "../lib/errors.ts";
import type { NetworkRecord } from "./records.ts";
import { busy, cidr, networkRequest, parentLink, strangerOn, World } from "./world.fixture.ts";

async function failure(work: Promise<unknown>): Promise<UnderlayError> {
  return work.then(
    () => {
      throw new Error("it succeeded");
    },
    (error: UnderlayError) => error,
  );
}

describe("networks.ensure", () => {
  test("makes a network once, however often it is asked", async () => {
    const engine = new World().start();
    await Promise.all([engine.networks.ensure(networkRequest()), engine.networks.ensure(networkRequest())]);
    await engine.networks.ensure(networkRequest());
    expect(engine.networks.list()).toHaveLength(1);
    expect(engine.networks.list()[0]).toMatchObject({ parent: "eth0", mode: "bridge", healthy: true });
  });

  test("refuses the same owner with other options", async () => {
    const engine = new World().start();
    await engine.networks.ensure(networkRequest());
    const error = await failure(engine.networks.ensure(networkRequest({ internal: true })));
    expect(error.code).toBe("conflict");
  });

  test("tells all wrong options at once", async () => {
    const engine = new World().start();
    const error = await failure(
      engine.networks.ensure(networkRequest({ options: { parnet: "eth0", macvlan_mode: "brigde" } })),
    );
    expect(error.code).toBe("invalid_option");
    expect(error.message).toContain("did you mean parent?");
    expect(error.message).toContain("did you mean bridge?");
  });

  test("refuses a missing parent by name", async () => {
    const engine = new World().start();
    const error = await failure(engine.networks.ensure(networkRequest({ options: { parent: "eth7" } })));
    expect(error.code).toBe("refused");
    expect(error.message).toContain("UL-P01");
    expect(engine.networks.list()).toEqual([]);
  });

  test("never hands on a bare EBUSY of the trial link", async () => {
    const world = new World();
    world.trial = { outcome: "failed", errno: "EBUSY", text: "" };
    const error = await failure(world.start().networks.ensure(networkRequest()));
    expect(error.code).toBe("refused");
    expect(error.message).toMatch(/^UL-/);
  });

  test("passthru is exclusive between two creates at the same moment", async () => {
    const engine = new World().start();
    const options = { parent: "eth0", macvlan_mode: "passthru" };
    const outcomes = await Promise.allSettled([
      engine.networks.ensure(networkRequest({ options })),
      engine.networks.ensure(networkRequest({ owner: "docker:net2", subnets: [] })),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect(engine.networks.list()).toHaveLength(1);
  });

  test("passthru is refused beside a link that somebody made by hand", async () => {
    const world = new World();
    world.children.push(strangerOn("bridge"));
    const options = { parent: "eth0", macvlan_mode: "passthru" };
    const error = await failure(world.start().networks.ensure(networkRequest({ options })));
    expect(error.message).toContain("UL-P08");
  });

  test("several modes share a parent", async () => {
    const engine = new World().start();
    await engine.networks.ensure(networkRequest());
    const options = { parent: "eth0", macvlan_mode: "private" };
    await engine.networks.ensure(networkRequest({ owner: "docker:net2", options }));
    expect(engine.networks.list()).toHaveLength(2);
  });
});

describe("networks.remove", () => {
  test("an unknown network is success", async () => {
    await new World().start().networks.remove("docker:nope");
  });

  test("takes its endpoints along, even when a link cannot be deleted", async () => {
    const world = new World();
    const engine = world.start();
    await engine.networks.ensure(networkRequest());
    await engine.endpoints.declare({
      owner: "docker:net1/a",
      network: "docker:net1",
      addresses: [cidr("10.6.0.7/24")],
      publishes: [],
    });
    world.deleteFailure = busy;
    expect((await failure(engine.networks.remove("docker:net1"))).message).toContain("EBUSY");
    expect(engine.networks.list()).toEqual([]);
    expect(engine.endpoints.list()).toEqual([]);
  });
});

test("a restart knows all that was acknowledged", async () => {
  const world = new World();
  await world.start().networks.ensure(networkRequest());
  const again = world.start();
  expect(again.networks.list().map(({ owner }) => owner)).toEqual(["docker:net1"]);
});

test("a network is degraded while its parent is away, and heals", async () => {
  const world = new World();
  const engine = world.start();
  await engine.networks.ensure(networkRequest());
  await engine.networks.ensure(networkRequest({ owner: "docker:net2" }));
  world.parents.delete("eth0");
  await engine.refresh();
  expect(engine.networks.list().map(({ healthy }) => healthy)).toEqual([false, false]);
  const [finding, ...more] = engine.findings();
  expect([finding?.id, more]).toEqual(["UL-P01", []]);
  expect(finding?.fix[0]?.say).toStartWith("the network heals by itself");
  world.parents.set("eth0", parentLink("eth0", 12));
  await engine.refresh();
  expect(engine.networks.list()[0]?.healthy).toBe(true);
  expect(world.logged.filter((line) => line.startsWith("condition ended"))).toHaveLength(1);
});

test("what is known of a network that is made while parents are looked at is not lost", async () => {
  const world = new World();
  const engine = world.start();
  await engine.networks.ensure(networkRequest());
  const vepa = networkRequest({ owner: "docker:net2", options: { parent: "eth0", mode: "vepa" } });
  world.onLook = async () => {
    world.onLook = async () => undefined;
    await engine.networks.ensure(vepa);
  };
  await engine.refresh();
  expect(engine.findings().map(({ id }) => id)).toEqual(["UL-P17"]);
  expect(world.logged.filter((line) => line.startsWith("condition"))).toHaveLength(1);
});

test("a parent that was made anew is remembered, so that it is known after a rename, also by the next process", async () => {
  const world = new World();
  const engine = world.start();
  await engine.networks.ensure(networkRequest());
  world.parents.set("eth0", parentLink("eth0", 12));
  await engine.refresh();
  const { parent } = world.store.table<NetworkRecord>("networks").get("docker:net1")?.body ?? {};
  expect(parent).toMatchObject({ name: "eth0", ifindex: 12, bootId: "boot-1" });
  world.bootId = "boot-2";
  await world.start().refresh();
  const after = world.store.table<NetworkRecord>("networks").get("docker:net1");
  expect(after?.body.parent).toMatchObject({ name: "eth0", ifindex: 12, bootId: "boot-2" });
  const version = after?.version;
  await world.start().refresh();
  expect(world.store.table("networks").get("docker:net1")?.version).toBe(version ?? 0);
});

test("only a parent, what hangs on it, or anything while one is missing is worth a look", async () => {
  const world = new World();
  const engine = world.start();
  await engine.networks.ensure(networkRequest());
  expect(engine.concerns({ name: "eth0", ifindex: 2 })).toBe(true);
  expect(engine.concerns({ name: "mv0", ifindex: 9, parentIfindex: 2 })).toBe(true);
  expect(engine.concerns({ name: "veth1", ifindex: 9, parentIfindex: 8 })).toBe(false);
  world.parents.delete("eth0");
  await engine.refresh();
  expect(engine.concerns({ name: "eth9", ifindex: 12 })).toBe(true);
});
