import { describe, expect, test } from "bun:test";
import { UnderlayError } from "../lib/errors.ts";
import { linkNameOf } from "../lib/ifname.ts";
import { formatIp } from "../lib/ip.ts";
import { memoryStore } from "../store/memory.ts";
import type { Engine } from "./engine.ts";
import { cidr, endpointRequest, networkRequest, World } from "./world.fixture.ts";

/** Networks on a bridge of a switch: it is a parent that we make, and links have ports in it. */

const ON_SWITCH = networkRequest({ kind: "ovs", options: { bridge: "ovsbr0" } });
const OWNER = "docker:net1/a";
const LINK = linkNameOf(OWNER);

async function withEndpoint(world: World, options: Record<string, string> = {}): Promise<Engine> {
  const engine = world.start();
  await engine.networks.ensure(ON_SWITCH);
  await engine.endpoints.declare(endpointRequest("a", { options }));
  await engine.endpoints.provision(OWNER);
  return engine;
}

describe("the bridge", () => {
  test("is made with its first network and removed with its last", async () => {
    const world = new World();
    const engine = world.start();
    await engine.networks.ensure(ON_SWITCH);
    await engine.networks.ensure({ ...ON_SWITCH, owner: "docker:net2" });
    expect(world.parents.has("ovsbr0")).toBe(true);
    await engine.networks.remove("docker:net1");
    expect(world.parents.has("ovsbr0")).toBe(true);
    await engine.networks.remove("docker:net2");
    expect(world.parents.has("ovsbr0")).toBe(false);
  });

  test("is ours under whichever index its link has after a restart of the switch", async () => {
    const world = new World();
    const engine = world.start();
    await engine.networks.ensure(ON_SWITCH);
    const link = world.parents.get("ovsbr0");
    if (!link) throw new Error("no bridge");
    world.parents.set("ovsbr0", { ...link, ifindex: 99 });
    world.marked.add(99);
    await engine.networks.remove("docker:net1");
    expect(world.parents.has("ovsbr0")).toBe(false);
  });

  test("somebody else's is used and stays", async () => {
    const world = new World();
    const made = world.parents.get("eth0");
    if (!made) throw new Error("no link");
    world.parents.set("ovsbr0", { ...made, name: "ovsbr0", ifindex: 77 });
    const engine = world.start();
    await engine.networks.ensure(ON_SWITCH);
    await engine.networks.remove("docker:net1");
    expect(world.parents.has("ovsbr0")).toBe(true);
  });
});

describe("what a network has on its bridge beside endpoints", () => {
  test("is made with it, and taken away with it; the last one is told so", async () => {
    const world = new World();
    const engine = world.start();
    await engine.networks.ensure(ON_SWITCH);
    await engine.networks.ensure({ ...ON_SWITCH, owner: "docker:net2" });
    expect([...world.prepared.keys()]).toEqual(["docker:net1", "docker:net2"]);
    for (const owner of ["docker:net1", "docker:net2"]) await engine.networks.remove(owner);
    expect(world.dismantled).toEqual([
      ["docker:net1", false],
      ["docker:net2", true],
    ]);
  });

  test("that cannot be made is refused, and neither record nor bridge stays", async () => {
    const world = new World();
    world.prepareFailure = new UnderlayError("conflict", "eth9 holds the host's address");
    const engine = world.start();
    await expect(engine.networks.ensure(ON_SWITCH)).rejects.toThrow("holds the host's address");
    expect([engine.networks.list(), world.parents.has("ovsbr0"), world.nat]).toEqual([[], false, []]);
  });

  test("goes again when the way out cannot be made", async () => {
    const world = new World();
    world.natFailure = new UnderlayError("kernel", "EOPNOTSUPP");
    const engine = world.start();
    await expect(engine.networks.ensure(ON_SWITCH)).rejects.toThrow("EOPNOTSUPP");
    expect(world.dismantled).toEqual([["docker:net1", true]]);
  });

  test("what was learnt of it is remembered, and links are made so", async () => {
    const world = new World();
    await withEndpoint(world);
    expect(world.links.get(LINK)?.spec.parent).toMatchObject({ mtu: 1400 });
    expect(world.start().networks.list()[0]?.mtu).toBe(1400);
  });

  test("is made again at a start, and what cannot be is told once and keeps nothing else from being seen to", async () => {
    const world = new World();
    await world.start().networks.ensure(ON_SWITCH);
    world.prepared.clear();
    world.prepareFailure = new UnderlayError("unreachable", "no ovsdb-server");
    const engine = world.start();
    await engine.refresh();
    await engine.refresh();
    expect(world.logged.filter((line) => line.includes("made whole"))).toHaveLength(1);
    expect(world.nat.map(({ id }) => id)).toEqual(["docker:net1"]);
    world.prepareFailure = undefined;
    await engine.refresh();
    expect([...world.prepared.keys()]).toEqual(["docker:net1"]);
  });
});

test("a network that goes while all are looked at is not made again", async () => {
  const world = new World();
  const engine = world.start();
  await engine.networks.ensure(ON_SWITCH);
  await engine.networks.ensure({ ...ON_SWITCH, owner: "docker:net2" });
  world.onPrepare = async (owner) => {
    if (owner === "docker:net1") await engine.networks.remove("docker:net2");
  };
  await engine.refresh();
  expect([...world.prepared.keys()]).toEqual(["docker:net1"]);
  expect(engine.networks.list().map(({ owner }) => owner)).toEqual(["docker:net1"]);
});

describe("a network that names no bridge", () => {
  test("has the default one when it is the first, and else one of its own", async () => {
    const world = new World();
    const engine = world.start();
    for (const owner of ["docker:net1", "docker:net2"]) {
      await engine.networks.ensure({ ...ON_SWITCH, owner, options: { bridge: "default" } });
    }
    const parents = () => engine.networks.list().map(({ parent }) => parent);
    expect(parents()).toEqual(["default", "own of docker:net2"]);
    await engine.networks.remove("docker:net1");
    expect(parents()).toEqual(["own of docker:net2"]);
  });

  test("the host is its gateway or not, as its options say; such that cannot be read say nothing", () => {
    const { networks } = new World().start();
    expect(networks.hostIsGateway("ovs", {})).toBe(true);
    expect(networks.hostIsGateway("ovs", { mode: "flat" })).toBe(false);
    expect(networks.hostIsGateway("macvlan", { parent: "eth0" })).toBe(false);
    expect(networks.hostIsGateway("macvlan", { nonsense: "1" })).toBe(false);
  });
});

describe("an endpoint", () => {
  test("loses its port with its link", async () => {
    const world = new World();
    const engine = await withEndpoint(world);
    expect([...world.ports]).toEqual([OWNER]);
    await engine.endpoints.forget(OWNER);
    expect([world.ports.size, world.links.size]).toEqual([0, 0]);
  });

  test("is forgotten although the switch does not answer, and its port goes when it does", async () => {
    const world = new World();
    const engine = await withEndpoint(world);
    world.detachFailure = new UnderlayError("timeout", "ovsdb-server does not answer");
    await expect(engine.endpoints.forget(OWNER)).rejects.toThrow("does not answer");
    await engine.reconcile({ dryRun: false });
    expect([engine.endpoints.list().length, world.links.size, world.ports.size]).toEqual([0, 0, 1]);
    world.detachFailure = undefined;
    const pass = async () => (await engine.reconcile({ dryRun: false })).actions.map(({ what }) => what);
    expect(await pass()).toEqual(["suspect"]);
    world.now += 60_000;
    expect(await pass()).toEqual(["drop-port"]);
    expect(world.ports.size).toBe(0);
  });

  test("a port that got a record between two looks stays", async () => {
    const world = new World();
    const engine = world.start();
    await engine.networks.ensure(ON_SWITCH);
    world.ports.add(OWNER);
    await engine.reconcile({ dryRun: false });
    await engine.endpoints.declare(endpointRequest("a"));
    world.now += 60_000;
    await engine.reconcile({ dryRun: false });
    expect([...world.ports]).toEqual([OWNER]);
  });

  test("a port whose link somebody has stays, although no record speaks of it", async () => {
    const world = new World();
    const engine = await withEndpoint(world);
    world.moveIn(OWNER);
    world.store = memoryStore();
    const other = world.start();
    for (let pass = 0; pass < 3; pass++) {
      world.now += 60_000;
      await other.reconcile({ dryRun: false });
    }
    expect([engine.endpoints.list().length, [...world.ports]]).toEqual([1, [OWNER]]);
  });

  test("has options of its own, which are judged when it is declared and come to its link", async () => {
    const world = new World();
    const engine = await withEndpoint(world, { vlan: "7" });
    expect(world.links.get(LINK)?.endpoint).toMatchObject({ owner: OWNER, spec: { kind: "ovs" } });
    const wrong = endpointRequest("b", { options: { vlan: "0" } });
    await expect(engine.endpoints.declare(wrong)).rejects.toThrow("no VLAN 0");
    const changed = endpointRequest("a");
    await expect(engine.endpoints.declare(changed)).rejects.toThrow("exists already with another");
  });

  test("of a kind without such options is refused with any", async () => {
    const world = new World();
    const engine = world.start();
    await engine.networks.ensure(networkRequest());
    const wrong = endpointRequest("a", { options: { vlan: "7" } });
    await expect(engine.endpoints.declare(wrong)).rejects.toThrow("no option vlan");
  });

  test("publishes where the host is the gateway, and only there its ports are not told to do nothing", async () => {
    const world = new World();
    const engine = world.start();
    await engine.networks.ensure(ON_SWITCH);
    const request = endpointRequest("a", { publishes: ["8080:80/tcp"] });
    await engine.endpoints.declare(request);
    expect(world.logged.filter((line) => line.includes("published"))).toEqual([]);
    await engine.networks.ensure({
      ...ON_SWITCH,
      owner: "docker:net3",
      options: { mode: "flat" },
      subnets: [],
    });
    await engine.endpoints.declare({
      ...request,
      owner: "docker:net3/b",
      network: "docker:net3",
      addresses: [],
    });
    expect(world.logged.filter((line) => line.includes("published"))).toHaveLength(1);
  });
});

describe("a network that brings no subnets", () => {
  const OWN = { ...ON_SWITCH, subnets: [] };
  const without = (id: string) => endpointRequest(id, { addresses: [] });

  test("has the kind's, and gives addresses out of it, the gateway's and those in use left out", async () => {
    const world = new World();
    const engine = world.start();
    await engine.networks.ensure(OWN);
    await engine.networks.ensure(OWN);
    const given: (readonly string[])[] = [];
    for (const id of ["a", "b"]) {
      given.push((await engine.endpoints.declare(without(id))).addresses);
      world.now += 1;
    }
    expect(given).toEqual([["172.18.40.2/29"], ["172.18.40.3/29"]]);
    expect((await engine.endpoints.declare(without("a"))).addresses).toEqual(["172.18.40.2/29"]);
    expect((await engine.endpoints.provision("docker:net1/a")).gateways.map(formatIp)).toEqual([
      "172.18.40.1",
    ]);
  });

  test("a restart forgets none; what was given back is given again last; when all are taken it says so", async () => {
    const world = new World();
    await world.start().networks.ensure(OWN);
    for (const id of ["a", "b", "c"]) {
      await world.start().endpoints.declare(without(id));
      world.now += 1;
    }
    const engine = world.start();
    await engine.endpoints.forget("docker:net1/a");
    expect((await engine.endpoints.declare(without("d"))).addresses).toEqual(["172.18.40.5/29"]);
    world.now += 1;
    expect((await engine.endpoints.declare(without("e"))).addresses).toEqual(["172.18.40.6/29"]);
    world.now += 1;
    expect((await engine.endpoints.declare(without("f"))).addresses).toEqual(["172.18.40.2/29"]);
    await expect(engine.endpoints.declare(without("g"))).rejects.toThrow(
      "subnet 172.18.40.0/29 of network docker:net1 has no address left",
    );
  });

  test("a second one is refused, and the holder is named", async () => {
    const engine = new World().start();
    await engine.networks.ensure(OWN);
    await expect(engine.networks.ensure({ ...OWN, owner: "docker:net2" })).rejects.toThrow(
      "172.18.40.0/29, is in use by network docker:net1; give this one a subnet of its own",
    );
  });

  test("a subnet without a gateway has its first address for one, which no endpoint gets", async () => {
    const engine = new World().start();
    await engine.networks.ensure({ ...ON_SWITCH, subnets: [{ pool: cidr("10.6.0.0/24"), aux: {} }] });
    await engine.networks.ensure({ ...ON_SWITCH, subnets: [{ pool: cidr("10.6.0.0/24"), aux: {} }] });
    expect(engine.networks.list()[0]?.subnets[0]?.gateway).toEqual(cidr("10.6.0.1/32").ip);
    const first = endpointRequest("a", { addresses: [cidr("10.6.0.1/24")] });
    await expect(engine.endpoints.declare(first)).rejects.toThrow("10.6.0.1 is the gateway of this network");
  });

  test("that somebody has set, and an allocator's counts: the log says so", async () => {
    const world = new World();
    const engine = world.start();
    const said = () => world.logged.filter((line) => line.includes("do not count"));
    await engine.networks.ensure(ON_SWITCH);
    expect(said()).toEqual([]);
    const options = { bridge: "ovsbr0", chosen: "172.18.40.0/29" };
    await engine.networks.ensure({ ...ON_SWITCH, owner: "docker:net2", options });
    expect(said()).toEqual([
      "subnet and gateway of [ovs] do not count: Docker's IPAM gives others; --ipam-driver null does not",
    ]);
    await engine.networks.ensure({ ...ON_SWITCH, owner: "docker:net3", options, subnets: [] });
    expect(said()).toHaveLength(1);
  });

  test("where an allocator brings addresses those are used, and none is made up", async () => {
    const engine = new World().start();
    await engine.networks.ensure(ON_SWITCH);
    expect((await engine.endpoints.declare(endpointRequest("a"))).addresses).toEqual(["10.6.0.7/24"]);
    expect((await engine.endpoints.declare(without("b"))).addresses).toEqual([]);
  });
});
