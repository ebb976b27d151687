import { describe, expect, test } from "bun:test";
import type { UnderlayError } from "../lib/errors.ts";
import { formatCidr, formatIp } from "../lib/ip.ts";
import { parseMac } from "../lib/mac.ts";
import { cidr, endpointRequest, networkRequest, strangerOn, World } from "./world.fixture.ts";

/** What is other for links that have their parent's MAC, and share its mode. */

async function failure(work: Promise<unknown>): Promise<UnderlayError> {
  return work.then(
    () => {
      throw new Error("it succeeded");
    },
    (error: UnderlayError) => error,
  );
}

const ipvlan = (options: Record<string, string> = {}, owner = "docker:net1") =>
  networkRequest({ owner, kind: "ipvlan", options: { parent: "eth0", ...options } });

async function withNetwork(world = new World(), request = ipvlan()) {
  const engine = world.start();
  await engine.networks.ensure(request);
  return engine;
}

const MAC = parseMac("02:11:22:33:44:55");
if (!MAC) throw new Error("no MAC");
const mac = MAC;

describe("the MAC of an endpoint", () => {
  test("is the parent's: none is chosen, none is answered, and the link is asked for without", async () => {
    const world = new World();
    const engine = await withNetwork(world);
    expect((await engine.endpoints.declare(endpointRequest("a"))).mac).toBeUndefined();
    const { linkName } = await engine.endpoints.provision("docker:net1/a");
    expect(world.links.get(linkName)).not.toHaveProperty("mac");
  });

  test("cannot be chosen by a user, and the refusal names parent and way out", async () => {
    const engine = await withNetwork();
    const error = await failure(engine.endpoints.declare(endpointRequest("a", { mac, macByUser: true })));
    expect([error.code, error.message]).toEqual([
      "invalid_option",
      "containers on ipvlan have the MAC address of their parent eth0 and can be given no other, not " +
        "02:11:22:33:44:55: leave it out, or use a macvlan network",
    ]);
    expect(engine.endpoints.list()).toEqual([]);
  });

  test("that an allocator made up is ignored, also when the call comes twice with another", async () => {
    const world = new World();
    const engine = await withNetwork(world);
    const other = parseMac("02:11:22:33:44:66");
    if (!other) throw new Error("no MAC");
    for (const made of [mac, other]) {
      const { mac: had } = await engine.endpoints.declare(
        endpointRequest("a", { mac: made, macByUser: false }),
      );
      expect(had).toBeUndefined();
    }
    const told = "the MAC address made up for an allocator is not used: the link has its parent's";
    expect(world.logged.filter((line) => line === told)).toHaveLength(1);
  });

  test("is nobody's conflict", async () => {
    const engine = await withNetwork();
    await engine.endpoints.declare(endpointRequest("a"));
    await engine.endpoints.declare(endpointRequest("b", { addresses: [cidr("10.6.0.8/24")] }));
    await engine.endpoints.provision("docker:net1/a");
    await engine.endpoints.provision("docker:net1/b");
    await engine.endpoints.forget("docker:net1/a");
    expect(engine.endpoints.list()).toHaveLength(1);
  });
});

test("an address that a dying container still holds is waited for, and at last told", async () => {
  const world = new World();
  const engine = await withNetwork(world);
  await engine.endpoints.declare(endpointRequest("a"));
  await engine.endpoints.provision("docker:net1/a");
  world.moveIn("docker:net1/a");
  await engine.endpoints.forget("docker:net1/a");
  world.macHeldFor = 3;
  await engine.endpoints.declare(endpointRequest("b"));
  await engine.endpoints.provision("docker:net1/b");
  expect(world.looksAtMac).toBe(4);
  world.moveIn("docker:net1/b");
  await engine.endpoints.forget("docker:net1/b");
  world.macHeldFor = Number.POSITIVE_INFINITY;
  await engine.endpoints.declare(endpointRequest("c"));
  const error = await failure(engine.endpoints.provision("docker:net1/c"));
  expect(error.message).toStartWith(
    "address 10.6.0.7/24 is still held on eth0 by a container that is ending",
  );
});

describe("the way out", () => {
  const wayOut = async (request: ReturnType<typeof ipvlan>) => {
    const engine = await withNetwork(new World(), request);
    const addresses = [cidr("10.6.0.7/24"), ...(request.ipv6 ? [cidr("fd06::7/64")] : [])];
    await engine.endpoints.declare(endpointRequest("a", { addresses }));
    const { gateways, onLink } = await engine.endpoints.provision("docker:net1/a");
    return { gateways: gateways.map(formatIp), onLink: onLink.map(formatCidr) };
  };
  const dual = (mode: string) => {
    const request = ipvlan({ ipvlan_mode: mode });
    const v6 = { pool: cidr("fd06::/64"), aux: {} };
    return { ...request, subnets: [...request.subnets, v6], ipv6: true };
  };

  test("of l2 is the gateway", async () => {
    expect(await wayOut(ipvlan())).toEqual({ gateways: ["10.6.0.1"], onLink: [] });
  });

  test.each(["l3", "l3s"])("of %s is the link, in each family; the gateway has no use", async (mode) => {
    expect(await wayOut(ipvlan({ mode }))).toEqual({ gateways: [], onLink: ["0.0.0.0/0"] });
    expect(await wayOut(dual(mode))).toEqual({ gateways: [], onLink: ["0.0.0.0/0", "::/0"] });
  });

  test("of an internal network is none, but for its other subnets in l3", async () => {
    for (const mode of ["l2", "l3"]) {
      expect(await wayOut({ ...ipvlan({ mode }), internal: true })).toEqual({ gateways: [], onLink: [] });
    }
    const { subnets, ...request } = dual("l3");
    const more = ["10.7.0.0/24", "10.8.0.0/24"].map((pool) => ({ pool: cidr(pool), aux: {} }));
    const inside = { ...request, subnets: [...subnets, ...more], internal: true };
    expect(await wayOut(inside)).toEqual({ gateways: [], onLink: ["10.7.0.0/24", "10.8.0.0/24"] });
  });

  test("a gateway without use is told when the network is made", async () => {
    const world = new World();
    await withNetwork(world, ipvlan({ mode: "l3" }));
    expect(world.logged).toContain("ipvlan in mode l3 sends everything to its link: the gateway has no use");
  });
});

describe("a shared parent", () => {
  test("takes networks that agree on mode and flag", async () => {
    const engine = await withNetwork();
    await engine.networks.ensure(ipvlan({ ipvlan_mode: "l2", ipvlan_flag: "bridge" }, "docker:net2"));
    expect(engine.networks.list()).toHaveLength(2);
  });

  test.each([
    [{ ipvlan_mode: "l3" }, "ipvlan mode is per parent: eth0 runs l2, not l3 (network docker:net1)"],
    [{ ipvlan_flag: "vepa" }, "ipvlan flag is per parent: eth0 runs bridge, not vepa (network docker:net1)"],
  ])("refuses %j, and names the network that stands against it", async (options, message) => {
    const engine = await withNetwork();
    const error = await failure(engine.networks.ensure(ipvlan(options, "docker:net2")));
    expect(error.code).toBe("refused");
    expect(error.message).toContain("UL-P09");
    expect(error.message).toContain(message);
  });

  test("refuses another mode than that of links somebody else made", async () => {
    const world = new World();
    world.children.push({ ...strangerOn("l3"), kind: "ipvlan", flag: "bridge" });
    const error = await failure(world.start().networks.ensure(ipvlan()));
    expect(error.message).toContain("ipvlan mode is per parent: eth0 runs l3, not l2 (mv0 in this netns)");
    await world.start().networks.ensure(ipvlan({ mode: "l3" }));
  });

  test("is macvlan's or ipvlan's: networks refuse each other both ways", async () => {
    const macvlan = networkRequest({ owner: "docker:mac" });
    const onIpvlan = await failure((await withNetwork()).networks.ensure(macvlan));
    expect(onIpvlan.message).toContain(
      "eth0 cannot carry macvlan: it carries ipvlan already (network docker:net1)",
    );
    const onMacvlan = await failure((await withNetwork(new World(), macvlan)).networks.ensure(ipvlan()));
    expect(onMacvlan.message).toContain(
      "eth0 cannot carry ipvlan: it carries macvlan already (network docker:mac)",
    );
  });

  test("a macvlan stands against ipvlan, whoever made it: no trial link would tell", async () => {
    for (const ours of [false, true]) {
      const world = new World();
      world.children.push({ ...strangerOn("bridge"), ours });
      const error = await failure(world.start().networks.ensure(ipvlan()));
      expect(error.message).toContain("UL-P07");
    }
  });

  test("a kernel without ipvlan is told with the module", async () => {
    const world = new World();
    world.trial = { outcome: "failed", errno: "EOPNOTSUPP", text: "Unknown device type" };
    const error = await failure(world.start().networks.ensure(ipvlan()));
    expect(error.message).toContain("UL-K01");
    expect(error.message).toContain("modprobe ipvlan");
  });
});
