import { describe, expect, test } from "bun:test";
import type { UnderlayError } from "../lib/errors.ts";
import { linkNameOf } from "../lib/ifname.ts";
import { formatIp, parseIp } from "../lib/ip.ts";
import { deriveMac, parseMac } from "../lib/mac.ts";
import { STEPS } from "./steps.ts";
import { busy, cidr, endpointRequest, networkRequest, parentLink, World } from "./world.fixture.ts";

async function withNetwork(world = new World(), request = networkRequest()) {
  const engine = world.start();
  await engine.networks.ensure(request);
  return engine;
}

async function failure(work: Promise<unknown>): Promise<UnderlayError> {
  return work.then(
    () => {
      throw new Error("it succeeded");
    },
    (error: UnderlayError) => error,
  );
}

describe("endpoints.declare", () => {
  test("an address keeps its MAC when the container and the network are made anew", async () => {
    const engine = await withNetwork();
    const first = await engine.endpoints.declare(endpointRequest("a"));
    await engine.networks.remove("docker:net1");
    await engine.networks.ensure(networkRequest({ owner: "docker:net9" }));
    const second = await engine.endpoints.declare(
      endpointRequest("b", { owner: "docker:net9/b", network: "docker:net9" }),
    );
    expect(second.mac).toBe(first.mac);
    expect(second.linkName).not.toBe(first.linkName);
  });

  test("another address has another MAC, and so has another host", async () => {
    const engine = await withNetwork();
    const a = await engine.endpoints.declare(endpointRequest("a"));
    const b = await engine.endpoints.declare(endpointRequest("b", { addresses: [cidr("10.6.0.8/24")] }));
    expect(b.mac).not.toBe(a.mac);
  });

  test("a repeated call answers the same; one with another address is a conflict", async () => {
    const engine = await withNetwork();
    const [a, again] = await Promise.all([
      engine.endpoints.declare(endpointRequest("a")),
      engine.endpoints.declare(endpointRequest("a")),
    ]);
    expect(again).toEqual(a);
    const error = await failure(
      engine.endpoints.declare(endpointRequest("a", { addresses: [cidr("10.6.0.9/24")] })),
    );
    expect(error.code).toBe("conflict");
  });

  test("the new owner of an address supersedes a record that a crash left", async () => {
    const engine = await withNetwork();
    await engine.endpoints.declare(endpointRequest("old"));
    await engine.endpoints.provision("docker:net1/old");
    await engine.endpoints.declare(endpointRequest("new"));
    expect(engine.endpoints.list().map(({ owner }) => owner)).toEqual(["docker:net1/new"]);
  });

  test("two that claim one address, again and again at once, wait for each other and not for ever", async () => {
    const engine = await withNetwork();
    await engine.endpoints.declare(endpointRequest("b"));
    const claims = ["a", "b", "a", "b"].map((id) => engine.endpoints.declare(endpointRequest(id)));
    expect((await Promise.all(claims)).map(({ owner }) => owner.slice(-1))).toEqual(["a", "b", "a", "b"]);
    expect(engine.endpoints.list().map(({ owner }) => owner)).toEqual(["docker:net1/b"]);
  }, 2000);

  test("a MAC that a living endpoint has is a conflict that names it", async () => {
    const engine = await withNetwork();
    const mac = parseMac("02:11:22:33:44:55");
    if (!mac) throw new Error("no MAC");
    await engine.endpoints.declare(endpointRequest("a", { mac }));
    const error = await failure(
      engine.endpoints.declare(endpointRequest("b", { mac, addresses: [cidr("10.6.0.8/24")] })),
    );
    expect(error.code).toBe("conflict");
    expect(error.message).toContain("docker:net1/a");
  });

  test("a MAC whose endpoint died with its container is free again", async () => {
    const world = new World();
    const engine = await withNetwork(world);
    const mac = parseMac("02:11:22:33:44:55");
    if (!mac) throw new Error("no MAC");
    await engine.endpoints.declare(endpointRequest("a", { mac }));
    await engine.endpoints.provision("docker:net1/a");
    world.moveIn("docker:net1/a");
    const again = endpointRequest("b", { mac, addresses: [cidr("10.6.0.8/24")] });
    expect((await failure(engine.endpoints.declare(again))).code).toBe("conflict");
    world.held.clear();
    await engine.endpoints.declare(again);
    expect(engine.endpoints.list().map(({ owner }) => owner)).toEqual(["docker:net1/b"]);
  });

  test("a passthru endpoint is its parent to the LAN, and a second one is not refused for its MAC", async () => {
    const world = new World();
    const options = { parent: "eth0", macvlan_mode: "passthru" };
    const engine = await withNetwork(world, networkRequest({ options }));
    const { mac } = await engine.endpoints.declare(endpointRequest("a"));
    expect(mac).toBe(world.parents.get("eth0")?.mac ?? "");
    await engine.endpoints.declare(endpointRequest("b", { addresses: [cidr("10.6.0.8/24")] }));
  });

  test("an unknown network and a foreign address are told", async () => {
    const engine = await withNetwork();
    const unknown = await failure(engine.endpoints.declare(endpointRequest("a", { network: "docker:nope" })));
    expect(unknown.code).toBe("not_found");
    const foreign = await failure(
      engine.endpoints.declare(endpointRequest("a", { addresses: [cidr("10.7.0.7/24")] })),
    );
    expect(foreign.message).toContain("10.7.0.7/24 is in no subnet");
    const otherPrefix = await failure(
      engine.endpoints.declare(endpointRequest("a", { addresses: [cidr("10.6.0.7/16")] })),
    );
    expect(otherPrefix.code).toBe("invalid_option");
  });
});

describe("endpoints.provision", () => {
  test("each address has the gateway of its own subnet", async () => {
    const gateway = (text: string) =>
      ({ gateway: parseIp(text) ?? { family: 4, bytes: new Uint8Array(4) } }) as const;
    const subnets = [
      { pool: cidr("10.6.0.0/24"), ...gateway("10.6.0.1"), aux: {} },
      { pool: cidr("10.8.0.0/24"), ...gateway("10.8.0.254"), aux: {} },
      { pool: cidr("fd06::/64"), aux: {} },
    ];
    const engine = await withNetwork(new World(), networkRequest({ subnets, ipv6: true }));
    await engine.endpoints.declare(
      endpointRequest("a", { addresses: [cidr("10.8.0.7/24"), cidr("fd06::7/64")] }),
    );
    const { gateways } = await engine.endpoints.provision("docker:net1/a");
    expect(gateways.map(formatIp)).toEqual(["10.8.0.254"]);
  });

  test("an internal network gives no gateway", async () => {
    const engine = await withNetwork(new World(), networkRequest({ internal: true }));
    await engine.endpoints.declare(endpointRequest("a"));
    expect((await engine.endpoints.provision("docker:net1/a")).gateways).toEqual([]);
  });

  test("a parent that is down is brought up, and the log says so", async () => {
    const world = new World();
    world.parents.set("eth0", { ...parentLink("eth0", 2), up: false });
    const engine = await withNetwork(world);
    await engine.endpoints.declare(endpointRequest("a"));
    await engine.endpoints.provision("docker:net1/a");
    expect(world.parents.get("eth0")?.up).toBe(true);
    expect(world.logged).toContain("the parent was down and was brought up");
  });

  test("a kernel error is told as the condition behind it", async () => {
    const world = new World();
    const engine = await withNetwork(world);
    await engine.endpoints.declare(endpointRequest("a"));
    world.createFailure = busy;
    world.parents.set("eth0", {
      ...parentLink("eth0", 2),
      master: { ifindex: 5, name: "br0", kind: "bridge" },
    });
    const error = await failure(engine.endpoints.provision("docker:net1/a"));
    expect(error.message).toContain("UL-P06");
    expect(error.message).toContain("br0");
  });

  test("a missing parent is told, and its return mends it", async () => {
    const world = new World();
    const engine = await withNetwork(world);
    await engine.endpoints.declare(endpointRequest("a"));
    world.parents.delete("eth0");
    expect((await failure(engine.endpoints.provision("docker:net1/a"))).message).toContain("UL-P01");
    world.parents.set("eth0", parentLink("eth0", 33));
    expect((await engine.endpoints.provision("docker:net1/a")).linkName).toBe(linkNameOf("docker:net1/a"));
  });

  test("waits for a link of the same name that is being deleted", async () => {
    const world = new World();
    const engine = await withNetwork(world);
    await engine.endpoints.declare(endpointRequest("a"));
    const deleting = Promise.withResolvers<void>();
    world.deleting = deleting.promise;
    const provisioned = engine.endpoints.provision("docker:net1/a");
    await Promise.resolve();
    expect(world.links.size).toBe(0);
    deleting.resolve();
    await provisioned;
    expect(world.links.size).toBe(1);
  });

  test("waits for a MAC that a dying container still holds, and gives up in words", async () => {
    const world = new World();
    const engine = await withNetwork(world);
    await engine.endpoints.declare(endpointRequest("a"));
    await engine.endpoints.provision("docker:net1/a");
    world.moveIn("docker:net1/a");
    await engine.endpoints.declare(endpointRequest("b"));
    world.macHeldFor = 3;
    await engine.endpoints.provision("docker:net1/b");
    expect(world.looksAtMac).toBe(4);
    world.moveIn("docker:net1/b");
    await engine.endpoints.forget("docker:net1/b");
    await engine.endpoints.declare(endpointRequest("c"));
    world.macHeldFor = Number.POSITIVE_INFINITY;
    const error = await failure(engine.endpoints.provision("docker:net1/c"));
    expect(error.code).toBe("conflict");
    expect(error.message).toContain("is still held on eth0");
  });

  test("an endpoint that went in order is not looked for", async () => {
    const world = new World();
    const engine = await withNetwork(world);
    await engine.endpoints.declare(endpointRequest("a"));
    await engine.endpoints.provision("docker:net1/a");
    await engine.endpoints.forget("docker:net1/a");
    await engine.endpoints.declare(endpointRequest("b"));
    await engine.endpoints.provision("docker:net1/b");
    expect(world.looksAtMac).toBe(0);
  });

  test("calls at the same moment make one link", async () => {
    const world = new World();
    const engine = await withNetwork(world);
    await engine.endpoints.declare(endpointRequest("a"));
    const [a, b] = await Promise.all([
      engine.endpoints.provision("docker:net1/a"),
      engine.endpoints.provision("docker:net1/a"),
    ]);
    expect(a).toEqual(b);
    expect(world.steps.filter((step) => step === "endpoint.provision.after-link")).toHaveLength(1);
  });
});

describe("endpoints.forget", () => {
  test("takes link and record, twice, and of one that never was", async () => {
    const world = new World();
    const engine = await withNetwork(world);
    await engine.endpoints.declare(endpointRequest("a"));
    await engine.endpoints.provision("docker:net1/a");
    await Promise.all([engine.endpoints.forget("docker:net1/a"), engine.endpoints.forget("docker:net1/a")]);
    await engine.endpoints.forget("docker:net1/nope");
    expect(world.links.size).toBe(0);
    expect(engine.endpoints.list()).toEqual([]);
  });

  test("a store that cannot be written does not keep the link alive", async () => {
    const world = new World();
    const engine = await withNetwork(world);
    await engine.endpoints.declare(endpointRequest("a"));
    await engine.endpoints.provision("docker:net1/a");
    world.onStep = (step) => {
      if (step === "endpoint.forget.after-intent") throw busy;
    };
    await failure(engine.endpoints.forget("docker:net1/a"));
    expect(world.links.size).toBe(0);
  });
});

describe("endpoints.unprovision", () => {
  async function inContainer() {
    const world = new World();
    const engine = await withNetwork(world);
    await engine.endpoints.declare(endpointRequest("a"));
    await engine.endpoints.provision("docker:net1/a", "/run/docker/netns/x");
    world.moveIn("docker:net1/a");
    return { world, engine };
  }

  test("takes the link where its container has it, twice, and of one that never was", async () => {
    const { world, engine } = await inContainer();
    await engine.endpoints.unprovision("docker:net1/a");
    await engine.endpoints.unprovision("docker:net1/a");
    await engine.endpoints.unprovision("docker:net1/nope");
    expect(world.held.size).toBe(0);
    expect(engine.endpoints.list().map(({ state }) => state)).toEqual(["declared"]);
    await engine.endpoints.forget("docker:net1/a");
    expect(engine.endpoints.list()).toEqual([]);
  });

  test("leaves the link of a container that runs to its runtime, which brings it back", async () => {
    const { world, engine } = await inContainer();
    world.inhabited.add("/run/docker/netns/x");
    await engine.endpoints.unprovision("docker:net1/a");
    expect(world.held.size).toBe(1);
    expect(engine.endpoints.list().map(({ state }) => state)).toEqual(["provisioned"]);
    world.inhabited.clear();
    await engine.endpoints.unprovision("docker:net1/a");
    expect(world.held.size).toBe(0);
  });

  test("leaves to forget what it does not find, and what it cannot delete", async () => {
    const { world, engine } = await inContainer();
    world.insideFailure = busy;
    await engine.endpoints.unprovision("docker:net1/a");
    expect(world.logged).toContain("a link could not be deleted in its container");
    world.insideFailure = undefined;
    world.held.clear();
    await engine.endpoints.unprovision("docker:net1/a");
    expect(engine.endpoints.list().map(({ state }) => state)).toEqual(["provisioned"]);
    await engine.endpoints.forget("docker:net1/a");
    expect(engine.endpoints.list()).toEqual([]);
  });

  test("frees the MAC: another endpoint may ask for it at once, and nothing is waited for", async () => {
    const world = new World();
    const engine = await withNetwork(world);
    const mac = deriveMac("one");
    await engine.endpoints.declare(endpointRequest("a", { mac }));
    await engine.endpoints.provision("docker:net1/a", "/run/docker/netns/x");
    world.moveIn("docker:net1/a");
    await engine.endpoints.unprovision("docker:net1/a");
    world.macHeldFor = 1000;
    await engine.endpoints.declare(endpointRequest("b", { mac, addresses: [cidr("10.6.0.8/24")] }));
    await engine.endpoints.provision("docker:net1/b");
    expect(engine.endpoints.list().map(({ owner }) => owner)).toEqual(["docker:net1/b"]);
  });

  test("asks nobody about a container whose netns it was not told", async () => {
    const world = new World();
    const engine = await withNetwork(world);
    await engine.endpoints.declare(endpointRequest("a"));
    await engine.endpoints.provision("docker:net1/a");
    world.moveIn("docker:net1/a");
    await engine.endpoints.unprovision("docker:net1/a");
    expect(world.held.size).toBe(1);
  });
});

test("one life of a network and an endpoint passes every step", async () => {
  const world = new World();
  const engine = await withNetwork(world);
  await engine.endpoints.declare(endpointRequest("a"));
  await engine.endpoints.provision("docker:net1/a", "/run/docker/netns/x");
  world.moveIn("docker:net1/a");
  await engine.endpoints.unprovision("docker:net1/a");
  await engine.endpoints.forget("docker:net1/a");
  await engine.networks.remove("docker:net1");
  expect(new Set(world.steps)).toEqual(new Set(STEPS));
});
