import { describe, expect, test } from "bun:test";
import { HOST_LINK_GROUP, hostLinkNameOf } from "../lib/ifname.ts";
import { formatIp } from "../lib/ip.ts";
import { HOST_STEPS, type StepName } from "./steps.ts";
import { cidr, endpointRequest, networkRequest, parentLink, World } from "./world.fixture.ts";

/** Which link the host has for which network, on a kernel in memory; test/live has a real one. */

const NAME = hostLinkNameOf("docker:net1");

function hostWorld(addresses: readonly string[] = ["10.6.0.2/24"]): World {
  const world = new World();
  world.parents.set("eth0", { ...parentLink("eth0", 2), addresses: addresses.map(cidr) });
  return world;
}

const open = (options: Record<string, string> = {}, owner = "docker:net1") =>
  networkRequest({ owner, options: { parent: "eth0", host_access: "true", ...options } });

/** What the host's links route, by link: `container from source`. */
function routesOf(world: World): Record<string, string[]> {
  return Object.fromEntries(
    [...world.hostLinks].map(([name, { peers }]) => [
      name,
      peers.map(({ ip, source }) => `${formatIp(ip)} from ${formatIp(source)}`),
    ]),
  );
}

async function begin(world: World, options: Record<string, string> = {}) {
  const engine = world.start();
  await engine.networks.ensure(open(options));
  await engine.endpoints.declare(endpointRequest("a"));
  await engine.endpoints.provision("docker:net1/a");
  return engine;
}

async function messageOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "it succeeded",
    (error: Error) => error.message,
  );
}

describe("the host's link", () => {
  test("is there while a container is, with a route for each", async () => {
    const world = hostWorld();
    const engine = await begin(world);
    await engine.endpoints.declare(endpointRequest("b", { addresses: [cidr("10.6.0.8/24")] }));
    expect(routesOf(world)).toEqual({ [NAME]: ["10.6.0.7 from 10.6.0.2"] });
    await engine.endpoints.provision("docker:net1/b");
    expect(routesOf(world)[NAME]).toEqual(["10.6.0.7 from 10.6.0.2", "10.6.0.8 from 10.6.0.2"]);
    await engine.endpoints.forget("docker:net1/a");
    expect(routesOf(world)[NAME]).toEqual(["10.6.0.8 from 10.6.0.2"]);
    await engine.networks.remove("docker:net1");
    expect(routesOf(world)).toEqual({});
    expect([...world.links.keys()]).toEqual([]);
  });

  test("has an address only when one was given", async () => {
    const world = hostWorld();
    await begin(world, { host_address: "10.6.0.9" });
    const link = world.hostLinks.get(NAME);
    expect(link?.addresses.map(formatIp)).toEqual(["10.6.0.9"]);
    expect(routesOf(world)[NAME]).toEqual(["10.6.0.7 from 10.6.0.9"]);
    const shared = hostWorld();
    await begin(shared);
    expect(shared.hostLinks.get(NAME)?.addresses).toEqual([]);
  });

  test("is no other network's, on whichever parent", async () => {
    const world = hostWorld();
    const engine = await begin(world);
    await engine.networks.ensure(open({}, "docker:net2"));
    const other = { network: "docker:net2", owner: "docker:net2/b", addresses: [cidr("10.6.0.8/24")] };
    await engine.endpoints.declare(endpointRequest("b", other));
    await engine.endpoints.provision("docker:net2/b");
    expect(Object.keys(routesOf(world))).toHaveLength(2);
    await engine.endpoints.forget("docker:net2/b");
    expect(Object.keys(routesOf(world))).toEqual([NAME]);
  });

  test("is not made without host_access", async () => {
    const world = hostWorld();
    const engine = world.start();
    await engine.networks.ensure(networkRequest());
    await engine.endpoints.declare(endpointRequest("a"));
    await engine.endpoints.provision("docker:net1/a");
    await engine.refresh();
    expect(routesOf(world)).toEqual({});
  });

  test("that was deleted is worth a look, and made again by it; no other name is", async () => {
    const world = hostWorld();
    const engine = await begin(world);
    const link = { name: NAME, ifindex: 70, parentIfindex: 9 };
    expect(engine.concerns({ ...link })).toBe(true);
    world.links.delete(NAME);
    world.hostLinks.delete(NAME);
    await engine.refresh();
    expect(routesOf(world)).toEqual({ [NAME]: ["10.6.0.7 from 10.6.0.2"] });
    expect(world.links.has(NAME)).toBe(true);
    await engine.endpoints.forget("docker:net1/a");
    expect(engine.concerns({ ...link, name: `ul-${"a".repeat(12)}` })).toBe(false);
  });

  test("is made again in the next boot with the first container, not before", async () => {
    const world = hostWorld();
    await begin(world);
    world.bootId = "boot-2";
    world.links.clear();
    world.hostLinks.clear();
    const engine = world.start();
    await engine.reconcile({ dryRun: false });
    await engine.refresh();
    expect(routesOf(world)).toEqual({});
    await engine.endpoints.declare(endpointRequest("a"));
    await engine.endpoints.provision("docker:net1/a");
    expect(routesOf(world)[NAME]).toEqual(["10.6.0.7 from 10.6.0.2"]);
  });

  test("of no record goes when two passes saw it so", async () => {
    const world = hostWorld();
    world.hostLinks.set(hostLinkNameOf("docker:lost"), { addresses: [], ipv6: false, peers: [] });
    const engine = world.start();
    await engine.reconcile({ dryRun: false });
    expect(world.hostLinks.size).toBe(1);
    world.now += 600_000;
    const { actions } = await engine.reconcile({ dryRun: false });
    expect(actions).toMatchObject([{ what: "delete-link", subject: hostLinkNameOf("docker:lost") }]);
    expect(world.hostLinks.size).toBe(0);
  });

  test("without an address to speak from is told once, and no container waits for it", async () => {
    const world = hostWorld();
    const engine = world.start();
    await engine.networks.ensure(open());
    await engine.endpoints.declare(endpointRequest("a"));
    world.parents.set("eth0", parentLink("eth0", 2));
    await engine.endpoints.provision("docker:net1/a");
    await engine.refresh();
    expect(routesOf(world)[NAME]).toEqual([]);
    const found = () => engine.findings().filter(({ id }) => id === "UL-R06");
    expect(found()).toMatchObject([
      { severity: "warn", message: expect.stringContaining("parent eth0 has no address in the network's") },
    ]);
    world.parents.set("eth0", { ...parentLink("eth0", 2), addresses: [cidr("10.6.0.2/24")] });
    await engine.refresh();
    expect(found()).toEqual([]);
    expect(routesOf(world)[NAME]).toEqual(["10.6.0.7 from 10.6.0.2"]);
    const told = world.logged.filter((text) => text.includes("the host may not reach the containers"));
    expect(told.map((text) => text.split(":")[0])).toEqual(["condition begins", "condition ended"]);
  });

  test("that somebody changed is mended, and that is told; a container more is nobody's doing", async () => {
    const world = hostWorld();
    const engine = await begin(world);
    await engine.endpoints.declare(endpointRequest("b", { addresses: [cidr("10.6.0.8/24")] }));
    await engine.endpoints.provision("docker:net1/b");
    await engine.refresh();
    const told = () => world.logged.filter((text) => text.startsWith("somebody changed the host's own link"));
    expect(told()).toEqual([]);
    world.links.delete(NAME);
    world.hostLinks.delete(NAME);
    await engine.refresh();
    await engine.refresh();
    expect(told()).toHaveLength(1);
  });
});

describe("on ipvlan", () => {
  const ipvlan = (options: Record<string, string>) => ({ ...open(options), kind: "ipvlan" as const });

  async function beginIpvlan(world: World, options: Record<string, string>) {
    const engine = world.start();
    await engine.networks.ensure(ipvlan(options));
    await engine.endpoints.declare(endpointRequest("a"));
    await engine.endpoints.provision("docker:net1/a");
    return engine;
  }

  test("l2: an address of the host's own, links without a MAC, and the parent's as every neighbour's", async () => {
    const world = hostWorld();
    await beginIpvlan(world, { host_address: "10.6.0.9" });
    expect(routesOf(world)).toEqual({ [NAME]: ["10.6.0.7 from 10.6.0.9"] });
    expect(world.links.get(NAME)?.mac).toBeUndefined();
    expect(world.links.get(NAME)?.group).toBe(HOST_LINK_GROUP);
    expect(world.hostLinks.get(NAME)?.peers.map(({ mac }) => mac)).toEqual([world.parents.get("eth0")?.mac]);
  });

  test.each(["l3", "l3s"])(
    "%s: the parent's own address, in whichever subnet, and no neighbours",
    async (mode) => {
      const world = hostWorld(["fe80::2/64", "192.168.9.2/24"]);
      await beginIpvlan(world, { mode });
      expect(routesOf(world)).toEqual({ [NAME]: ["10.6.0.7 from 192.168.9.2"] });
      expect(world.hostLinks.get(NAME)).toMatchObject({ addresses: [], peers: [{}] });
      expect(world.hostLinks.get(NAME)?.peers[0]).not.toHaveProperty("mac");
    },
  );

  test.each([
    [["10.6.0.2/24"], { mode: "l2" }, "on ipvlan in mode l2 the parent's own address cannot be shared"],
    [["10.6.0.2/24"], { mode: "l2", host_address: "10.6.0.2" }, "give one that nobody has"],
    [[], { mode: "l3" }, "parent eth0 has no IPv4 address; give the host one of the subnet's"],
  ])("parent %p with %p is refused", async (addresses, options, words) => {
    expect(await messageOf(hostWorld(addresses).start().networks.ensure(ipvlan(options)))).toContain(words);
  });
});

describe("refused at create", () => {
  test.each([
    [["10.7.0.2/24"], {}, "parent eth0 has no address in the network's IPv4 subnet"],
    [["10.6.0.2/24"], { host_address: "10.7.0.9" }, "10.7.0.9 is in no subnet of the network"],
    [["10.6.0.2/24"], { host_address: "10.6.0.1" }, "10.6.0.1 is the gateway's"],
    [["10.6.0.2/24"], { host_address: "10.6.0.2" }, "10.6.0.2 is the parent's own"],
  ])("parent %p with %p", async (addresses, options, words) => {
    expect(await messageOf(hostWorld(addresses).start().networks.ensure(open(options)))).toContain(words);
  });

  test("IPv6 without an address of the host's own, whatever the parent has", async () => {
    const request = { ...open(), ipv6: true, subnets: [{ pool: cidr("fd00::/64"), aux: {} }] };
    const engine = hostWorld(["fd00::2/64"]).start();
    expect(await messageOf(engine.networks.ensure(request))).toContain("IPv6 address cannot be shared");
  });

  test("the host's address for a container", async () => {
    const engine = hostWorld().start();
    await engine.networks.ensure(open({ host_address: "10.6.0.7" }));
    expect(await messageOf(engine.endpoints.declare(endpointRequest("a")))).toContain(
      "--aux-address host=10.6.0.7",
    );
  });
});

describe.each([...HOST_STEPS])("killed at %s", (fault: StepName) => {
  test("a new start makes it as the records have it", async () => {
    const world = hostWorld();
    world.onStep = (step) => {
      if (step === fault) throw new Error("killed");
    };
    const engine = await begin(world);
    if (fault.startsWith("host.drop")) await engine.endpoints.forget("docker:net1/a");
    world.onStep = () => undefined;
    const again = world.start();
    await again.reconcile({ dryRun: false });
    await again.refresh();
    const isThere = again.endpoints.list().length > 0;
    expect(routesOf(world)).toEqual(isThere ? { [NAME]: ["10.6.0.7 from 10.6.0.2"] } : {});
    expect(isThere).toBe(fault.startsWith("host.make"));
  });
});
