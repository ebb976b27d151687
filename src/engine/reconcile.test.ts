import { describe, expect, test } from "bun:test";
import { endpointRequest, networkRequest, World } from "./world.fixture.ts";

const MINUTE = 60_000;

/** With an endpoint whose link was made and waits for Docker to fetch it. */
async function withEndpoint(world: World) {
  const engine = world.start();
  await engine.networks.ensure(networkRequest());
  await engine.endpoints.declare(endpointRequest("a"));
  await engine.endpoints.provision("docker:net1/a");
  return engine;
}

/** The same after its container died and took the link along. */
async function withDeadEndpoint(world: World) {
  const engine = await withEndpoint(world);
  world.links.clear();
  return engine;
}

describe("reconcile", () => {
  test("leaves an endpoint alone whose link a container has, however long", async () => {
    const world = new World();
    const engine = await withEndpoint(world);
    world.moveIn("docker:net1/a");
    for (let pass = 0; pass < 5; pass++) {
      world.now += MINUTE;
      expect((await engine.reconcile({ dryRun: false })).actions).toEqual([]);
    }
    expect(engine.endpoints.list()).toHaveLength(1);
  });

  test("drops one that no container has, on two passes a minute apart and not before", async () => {
    const world = new World();
    const engine = await withDeadEndpoint(world);
    world.now += 10 * MINUTE;
    expect((await engine.reconcile({ dryRun: false })).actions[0]?.what).toBe("suspect");
    world.now += MINUTE / 2;
    expect((await engine.reconcile({ dryRun: false })).actions[0]?.what).toBe("suspect");
    world.now += MINUTE / 2;
    expect((await engine.reconcile({ dryRun: false })).actions[0]?.what).toBe("drop-endpoint");
    expect(world.links.size).toBe(0);
    expect(engine.endpoints.list()).toEqual([]);
  });

  test("a clock that is set by years makes nothing stale, and what is told is of the new one", async () => {
    const world = new World();
    const engine = await withDeadEndpoint(world);
    await engine.reconcile({ dryRun: false });
    const years = 20 * 365 * 24 * 60 * MINUTE;
    world.now += years;
    world.setForward += years;
    expect((await engine.reconcile({ dryRun: false })).actions[0]?.what).toBe("suspect");
    const since = new Date(world.now).toISOString();
    world.now += MINUTE / 2;
    await engine.refresh();
    expect(engine.findings()[0]?.evidence[0]?.value).toEndWith(`since ${since}`);
    world.now += MINUTE / 2;
    expect((await engine.reconcile({ dryRun: false })).actions[0]?.what).toBe("drop-endpoint");
  });

  test("a link that Docker has not fetched yet has ten times as long", async () => {
    const world = new World();
    const engine = await withEndpoint(world);
    await engine.reconcile({ dryRun: false });
    world.now += 9 * MINUTE;
    expect((await engine.reconcile({ dryRun: false })).actions[0]?.what).toBe("suspect");
    world.now += MINUTE;
    expect((await engine.reconcile({ dryRun: false })).actions[0]?.what).toBe("drop-endpoint");
    expect(world.links.size).toBe(0);
  });

  test("status tells of an endpoint without a container, and of its release, until its address is taken", async () => {
    const world = new World();
    const engine = await withDeadEndpoint(world);
    const messages = () => engine.findings().flatMap(({ id, message }) => (id === "UL-R05" ? [message] : []));
    await engine.reconcile({ dryRun: false });
    expect(messages()).toEqual([]);
    world.now += MINUTE / 2;
    expect(messages()).toEqual(["the endpoint 10.6.0.7/24 has no container"]);
    world.now += MINUTE;
    await engine.reconcile({ dryRun: false });
    expect(messages()).toEqual(["the endpoint 10.6.0.7/24 had no container and was released"]);
    await engine.endpoints.declare(endpointRequest("b"));
    expect(messages()).toEqual([]);
  });

  test("drops none of which it cannot know whether a container has its link", async () => {
    const world = new World();
    const engine = await withDeadEndpoint(world);
    world.surveyComplete = false;
    for (let pass = 0; pass < 3; pass++) {
      world.now += MINUTE;
      expect((await engine.reconcile({ dryRun: false })).actions).toEqual([]);
    }
    expect(world.logged.join()).toContain("cannot be looked into");
    world.surveyComplete = true;
    expect((await engine.reconcile({ dryRun: false })).actions[0]?.what).toBe("suspect");
  });

  test("a call in between begins the minute anew", async () => {
    const world = new World();
    const engine = await withEndpoint(world);
    await engine.reconcile({ dryRun: false });
    world.now += 10 * MINUTE;
    await engine.endpoints.provision("docker:net1/a");
    expect((await engine.reconcile({ dryRun: false })).actions[0]?.what).toBe("suspect");
  });

  test("a link that came back to a container clears the suspicion", async () => {
    const world = new World();
    const engine = await withEndpoint(world);
    await engine.reconcile({ dryRun: false });
    world.moveIn("docker:net1/a");
    world.now += MINUTE;
    await engine.reconcile({ dryRun: false });
    world.held.clear();
    expect((await engine.reconcile({ dryRun: false })).actions[0]?.what).toBe("suspect");
  });

  test("a former boot's endpoints are released at once, its networks stay", async () => {
    const world = new World();
    await withEndpoint(world);
    world.links.clear();
    world.bootId = "boot-2";
    const engine = world.start();
    const { actions } = await engine.reconcile({ dryRun: false });
    expect(actions.map(({ what }) => what)).toEqual(["drop-endpoint"]);
    expect(engine.networks.list()).toHaveLength(1);
    expect(engine.endpoints.list()).toEqual([]);
  });

  test("finishes a removal that was interrupted", async () => {
    const world = new World();
    const engine = await withEndpoint(world);
    world.onStep = (step) => {
      if (step === "endpoint.forget.after-intent") throw new Error("killed here");
    };
    world.deleteFailure = undefined;
    await engine.networks.remove("docker:net1").catch(() => undefined);
    const again = world.start();
    world.onStep = () => undefined;
    await again.reconcile({ dryRun: false });
    expect(again.endpoints.list()).toEqual([]);
    expect(world.links.size).toBe(0);
  });

  test("drops a network that its owner forgot, but none that is young or has endpoints", async () => {
    const world = new World();
    const engine = await withEndpoint(world);
    await engine.networks.ensure(networkRequest({ owner: "docker:lost", subnets: [] }));
    const forgotten = { dryRun: false, isForgotten: () => true };
    expect((await engine.reconcile(forgotten)).actions.map(({ what }) => what)).toEqual(["suspect"]);
    world.now += MINUTE;
    world.moveIn("docker:net1/a");
    expect((await engine.reconcile({ dryRun: false })).actions).toEqual([]);
    expect((await engine.reconcile(forgotten)).actions).toMatchObject([
      { what: "drop-network", subject: "docker:lost" },
    ]);
    expect(engine.networks.list().map(({ owner }) => owner)).toEqual(["docker:net1"]);
  });

  test("what could not be done is told as failed", async () => {
    const world = new World();
    await withEndpoint(world);
    world.bootId = "boot-2";
    const engine = world.start();
    world.onStep = (step) => {
      if (step === "endpoint.forget.after-link") throw new Error("disk full");
    };
    const failed = await engine.reconcile({ dryRun: false });
    expect(failed.actions).toMatchObject([{ what: "drop-endpoint", failure: "internal error: disk full" }]);
  });

  test("an endpoint that its owner forgot need not be watched, unless a container has its link", async () => {
    const world = new World();
    const engine = await withEndpoint(world);
    const forgotten = { dryRun: false, isForgotten: (owner: string) => owner === "docker:net1/a" };
    expect((await engine.reconcile(forgotten)).actions.map(({ what }) => what)).toEqual(["suspect"]);
    world.moveIn("docker:net1/a");
    world.now += MINUTE;
    expect((await engine.reconcile(forgotten)).actions).toEqual([]);
    world.held.clear();
    expect((await engine.reconcile(forgotten)).actions).toMatchObject([{ what: "drop-endpoint" }]);
    expect(engine.endpoints.list()).toEqual([]);
  });

  test("a dry run tells and changes nothing", async () => {
    const world = new World();
    await withEndpoint(world);
    world.bootId = "boot-2";
    const engine = world.start();
    const report = await engine.reconcile({ dryRun: true });
    expect(report).toMatchObject({ dryRun: true, actions: [{ what: "drop-endpoint" }] });
    expect(engine.endpoints.list()).toHaveLength(1);
    expect(world.links.size).toBe(1);
  });

  test("a link of our name without a record goes; one of another name stays", async () => {
    const world = new World();
    const engine = await withEndpoint(world);
    const [link] = [...world.links.values()];
    if (!link) throw new Error("no link");
    world.links.set("ul-aaaaaaaaaaaa", { ...link, name: "ul-aaaaaaaaaaaa" });
    world.links.set("ul-mine", { ...link, name: "ul-mine" });
    await engine.reconcile({ dryRun: false });
    expect(world.links.size).toBe(3);
    world.now += 10 * MINUTE;
    await engine.endpoints.provision("docker:net1/a");
    await engine.reconcile({ dryRun: false });
    expect([...world.links.keys()].sort()).toEqual([link.name, "ul-mine"].sort());
  });
});
