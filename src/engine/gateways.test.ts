import { describe, expect, test } from "bun:test";
import { UnderlayError } from "../lib/errors.ts";
import { formatCidr, formatIp } from "../lib/ip.ts";
import type { Engine } from "./engine.ts";
import type { NetworkRecord } from "./records.ts";
import { cidr, endpointRequest, networkRequest, World } from "./world.fixture.ts";

/** The host as the gateway: addresses, the way out, and ports of the host. */

const NETWORK = networkRequest({ kind: "ovs", options: { bridge: "ovsbr0" } });
const OWNER = "docker:net1/a";

async function withEndpoint(world: World, publishes: readonly string[], addresses = ["10.6.0.7/24"]) {
  const engine = world.start();
  await engine.networks.ensure(NETWORK);
  await start(engine, "a", publishes, addresses);
  return engine;
}

async function start(engine: Engine, id: string, publishes: readonly string[], addresses = ["10.6.0.7/24"]) {
  await engine.endpoints.declare(endpointRequest(id, { publishes, addresses: addresses.map(cidr) }));
  await engine.endpoints.provision(`docker:net1/${id}`);
}

/** `8080>10.6.0.7:80/tcp` */
function leading(world: World): string[] {
  return world.nat.flatMap(({ ports }) =>
    ports.map(({ hostAddress, hostPort, containerAddress, containerPort, protocol }) => {
      const host = hostAddress ? `${formatIp(hostAddress)}:` : "";
      return `${host}${hostPort}>${formatIp(containerAddress)}:${containerPort}/${protocol}`;
    }),
  );
}

describe("a network", () => {
  test("has its gateway on the bridge and its way out as long as it is there", async () => {
    const world = new World();
    const engine = world.start();
    await engine.networks.ensure(NETWORK);
    const six = { pool: cidr("fd60::/64"), gateway: cidr("fd60::1/128").ip, aux: {} };
    await engine.networks.ensure({ ...NETWORK, owner: "docker:net2", subnets: [six], ipv6: true });
    expect(world.gateways.get("ovsbr0")).toEqual(["10.6.0.1/24", "fd60::1/64"]);
    expect(world.nat.map(({ id, bridge, subnets }) => [id, bridge, ...subnets.map(formatCidr)])).toEqual([
      ["docker:net1", "ovsbr0", "10.6.0.0/24"],
      ["docker:net2", "ovsbr0", "fd60::/64"],
    ]);
    await engine.networks.remove("docker:net1");
    expect([world.gateways.get("ovsbr0"), world.nat.map(({ id }) => id)]).toEqual([
      ["fd60::1/64"],
      ["docker:net2"],
    ]);
    await engine.networks.remove("docker:net2");
    expect([world.gateways.get("ovsbr0"), world.nat]).toEqual([[], []]);
  });

  test("of a process that was killed while it went leaves nothing to the next", async () => {
    const world = new World();
    await withEndpoint(world, ["8080:80/tcp"]);
    const left = world.nat;
    const other = new World();
    other.nat = left;
    await other.start().refresh();
    expect(other.nat).toEqual([]);
  });

  test("on which the host is no gateway has nothing of it", async () => {
    const world = new World();
    await world.start().networks.ensure({ ...NETWORK, options: { bridge: "ovsbr0", mode: "flat" } });
    await world.start().networks.ensure(networkRequest({ owner: "docker:net2" }));
    expect([world.gateways.size, world.nat.length]).toEqual([0, 0]);
  });

  test("in a subnet that the host reaches elsewhere is refused, with its holder and a free one", async () => {
    const world = new World();
    const engine = world.start();
    const through = (destination: string, link: string) => ({ destination: cidr(destination), link });
    world.routes = [
      through("172.16.0.0/12", "tun0"),
      through("10.0.0.0/8", "tun0"),
      through("10.6.0.0/24", "eth0"),
    ];
    await expect(engine.networks.ensure(NETWORK)).rejects.toThrow(
      "subnet 10.6.0.0/24 overlaps 10.6.0.0/24, which this host reaches through eth0",
    );
    world.routes = [through("172.16.0.0/16", "tun0"), through("10.6.0.128/25", "eth0")];
    await expect(engine.networks.ensure(NETWORK)).rejects.toThrow(
      "172.17.40.0/24 is free: --subnet 172.17.40.0/24",
    );
    expect([engine.networks.list(), world.parents.has("ovsbr0")]).toEqual([[], false]);
    world.routes = [through("10.0.0.0/8", "tun0")];
    await engine.networks.ensure(NETWORK);
    await engine.networks.ensure(networkRequest({ owner: "docker:net2" }));
  });

  test("that is internal says so, and publishes nothing", async () => {
    const world = new World();
    const engine = world.start();
    await engine.networks.ensure({ ...NETWORK, internal: true });
    await start(engine, "a", ["8080:80/tcp"]);
    expect(world.nat).toMatchObject([{ internal: true, ports: [] }]);
    expect(world.heldPorts.size).toBe(0);
  });

  test("whose removal was interrupted loses all of it when that is done by another process", async () => {
    const world = new World();
    await world.start().networks.ensure(NETWORK);
    const records = world.store.table<NetworkRecord>("networks");
    for (const { id, body, version } of records.list()) {
      await records.put(id, { ...body, state: "removing" }, version);
    }
    await world.start().reconcile({ dryRun: false });
    expect([world.gateways.get("ovsbr0"), world.nat, records.list()]).toEqual([[], [], []]);
  });

  test("cannot be made when the way out cannot, and nothing stays of it", async () => {
    const world = new World();
    world.natFailure = new UnderlayError("kernel", "EOPNOTSUPP");
    const engine = world.start();
    await expect(engine.networks.ensure(NETWORK)).rejects.toThrow("EOPNOTSUPP");
    world.natFailure = undefined;
    expect([engine.networks.list(), world.parents.has("ovsbr0")]).toEqual([[], false]);
    await engine.networks.ensure({ ...NETWORK, options: { bridge: "ovsbr1" } });
    expect(world.nat.map(({ bridge }) => bridge)).toEqual(["ovsbr1"]);
  });
});

describe("published ports", () => {
  test("lead to the endpoint while it lives", async () => {
    const world = new World();
    const engine = await withEndpoint(world, ["8080:80/tcp", "127.0.0.1:53:53/udp"]);
    expect(leading(world)).toEqual(["8080>10.6.0.7:80/tcp", "127.0.0.1:53>10.6.0.7:53/udp"]);
    await engine.endpoints.forget(OWNER);
    expect([leading(world), world.heldPorts.size]).toEqual([[], 0]);
  });

  test("of both families are the same; an address of the host's says which is meant", async () => {
    const world = new World();
    const engine = world.start();
    const six = { pool: cidr("fd60::/64"), gateway: cidr("fd60::1/128").ip, aux: {} };
    await engine.networks.ensure({ ...NETWORK, subnets: [...NETWORK.subnets, six], ipv6: true });
    await start(
      engine,
      "a",
      ["80/tcp", "127.0.0.1:81:80/tcp", "[::1]:82:80/tcp"],
      ["10.6.0.7/24", "fd60::7/64"],
    );
    expect(leading(world)).toEqual([
      "40000>10.6.0.7:80/tcp",
      "40000>fd60::7:80/tcp",
      "127.0.0.1:81>10.6.0.7:80/tcp",
      "::1:82>fd60::7:80/tcp",
    ]);
  });

  test("one that somebody has fails the start, and leaves nothing to others", async () => {
    const world = new World();
    const engine = await withEndpoint(world, ["8080:80/tcp"]);
    await expect(start(engine, "b", ["8080:80/tcp"], ["10.6.0.8/24"])).rejects.toThrow(
      `port 8080 is held by ${OWNER}`,
    );
    await engine.endpoints.forget("docker:net1/b");
    expect([leading(world), [...world.heldPorts]]).toEqual([["8080>10.6.0.7:80/tcp"], [[8080, OWNER]]]);
  });

  test("what cannot be published is told in words", async () => {
    const world = new World();
    const engine = world.start();
    await engine.networks.ensure(NETWORK);
    await expect(start(engine, "a", ["8080:80/icmp"])).rejects.toThrow(
      "-p 8080:80/icmp: only tcp, udp and sctp ports can be published",
    );
  });

  test("that were chosen stay through a restart and a repeated call, and are held again", async () => {
    const world = new World();
    await withEndpoint(world, ["80/tcp"]);
    world.heldPorts.clear();
    world.nat = [];
    const engine = world.start();
    await engine.refresh();
    expect([leading(world), [...world.heldPorts]]).toEqual([["40000>10.6.0.7:80/tcp"], [[40_000, OWNER]]]);
    await engine.endpoints.provision(OWNER);
    expect(leading(world)).toEqual(["40000>10.6.0.7:80/tcp"]);
  });

  test("that another program took meanwhile are told, once, and the rest is made all the same", async () => {
    const world = new World();
    await withEndpoint(world, ["8080:80/tcp"]);
    world.heldPorts.set(8080, "another");
    world.nat = [];
    const engine = world.start();
    await engine.refresh();
    await engine.refresh();
    expect(world.logged.filter((line) => line.startsWith("the host is not"))).toHaveLength(1);
    expect(world.nat.map(({ id }) => id)).toEqual(["docker:net1"]);
  });

  test("of a former boot lead nowhere", async () => {
    const world = new World();
    await withEndpoint(world, ["8080:80/tcp"]);
    world.bootId = "boot-2";
    world.heldPorts.clear();
    await world.start().refresh();
    expect([leading(world), world.heldPorts.size]).toEqual([[], 0]);
  });
});
