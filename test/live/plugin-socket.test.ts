import { describe, expect, test } from "bun:test";
import { existsSync, statSync } from "node:fs";
import { isOurLinkName } from "../../src/lib/ifname.ts";
import { until } from "../ground/until.ts";
import { DONE, endpointMessage, linkNameOf, macOf, networkMessage, pluginScene } from "./plugin-scene.ts";

const scene = pluginScene();

describe("from CreateNetwork to DeleteNetwork", () => {
  test("a link is made at Join and gone when DeleteEndpoint answers", async () => {
    const network = await scene.createNetwork();
    const endpoint = await scene.createEndpoint(network, 7);
    expect(endpoint.created).toEqual({ status: 200, body: { Interface: { MacAddress: macOf(endpoint) } } });
    expect(endpoint.joined).toEqual({
      status: 200,
      body: {
        InterfaceName: { SrcName: linkNameOf(endpoint), DstPrefix: "eth" },
        Gateway: "10.60.0.1",
        DisableGatewayService: true,
      },
    });
    expect(await scene.linkOf(endpoint)).toMatchObject({
      link: "lan0",
      address: macOf(endpoint),
      linkinfo: { info_kind: "macvlan", info_data: { mode: "bridge" } },
      mtu: 1500,
      ifalias: expect.stringContaining(endpoint.ids.EndpointID),
    });
    for (const method of ["ProgramExternalConnectivity", "RevokeExternalConnectivity", "Leave"])
      expect(await scene.daemon.call(method, endpoint.ids)).toEqual(DONE);
    expect(await scene.daemon.call("EndpointOperInfo", endpoint.ids)).toEqual({
      status: 200,
      body: { Value: {} },
    });
    expect(await scene.linkOf(endpoint)).toBeDefined();
    expect(await scene.daemon.call("DeleteEndpoint", endpoint.ids)).toEqual(DONE);
    expect(await scene.linkOf(endpoint)).toBeUndefined();
    expect(await scene.daemon.call("DeleteNetwork", endpoint.ids)).toEqual(DONE);
  });

  test("every call may come twice, one after the other or at once", async () => {
    const network = scene.newId();
    const ids = { NetworkID: network, EndpointID: scene.newId() };
    const calls: readonly [string, object][] = [
      ["CreateNetwork", networkMessage(network)],
      ["CreateEndpoint", endpointMessage(network, ids.EndpointID, 7)],
      ["Join", { ...ids, SandboxKey: "/x", Options: {} }],
      ["ProgramExternalConnectivity", ids],
      ["EndpointOperInfo", ids],
      ["RevokeExternalConnectivity", ids],
      ["Leave", ids],
      ["DeleteEndpoint", ids],
      ["DeleteNetwork", ids],
    ];
    for (const [method, message] of calls) {
      const first = await scene.daemon.call(method, message);
      const links = await scene.linksInShort();
      expect([method, first.status, first.body["Err"]]).toEqual([method, 200, undefined]);
      const again = await Promise.all([1, 2, 3].map(() => scene.daemon.call(method, message)));
      expect([method, ...again]).toEqual([method, first, first, first]);
      expect(await scene.linksInShort()).toEqual(links);
    }
  });

  const orders = [
    "DeleteNetwork Leave DeleteEndpoint",
    "DeleteEndpoint Leave DeleteNetwork",
    "Leave Leave DeleteNetwork",
  ];
  test.each(orders)("teardown in the order %s leaves nothing", async (order) => {
    const network = await scene.createNetwork();
    const endpoint = await scene.createEndpoint(network, 7);
    expect(await scene.linkOf(endpoint)).toBeDefined();
    for (const method of order.split(" "))
      expect([method, await scene.daemon.call(method, endpoint.ids)]).toEqual([method, DONE]);
    expect(await scene.linkOf(endpoint)).toBeUndefined();
  });

  test("what was never made is not known, and deleting it is success", async () => {
    const ids = { NetworkID: scene.newId(), EndpointID: scene.newId() };
    const say = async (method: string, message: object) =>
      (await scene.daemon.call(method, message)).body["Err"];
    expect(await say("CreateEndpoint", endpointMessage(ids.NetworkID, ids.EndpointID, 7))).toContain(
      "not known",
    );
    expect(await say("Join", ids)).toContain("not known");
    for (const method of ["Leave", "DeleteEndpoint", "DeleteNetwork"])
      expect(await scene.daemon.call(method, ids)).toEqual(DONE);
  });

  test("a Join that lost its link makes it anew", async () => {
    const endpoint = await scene.createEndpoint(await scene.createNetwork(), 7);
    await scene.daemon.ip(`link del ${linkNameOf(endpoint)}`);
    expect(await scene.daemon.call("Join", endpoint.ids)).toEqual(endpoint.joined);
    expect((await scene.linkOf(endpoint))?.address).toBe(macOf(endpoint));
  });

  test("an id that exists and differs is a conflict", async () => {
    const network = await scene.createNetwork();
    const other = networkMessage(network, { options: { macvlan_mode: "private" } });
    expect((await scene.daemon.call("CreateNetwork", other)).body["Err"]).toContain("exists already");
    const { ids } = await scene.createEndpoint(network, 7);
    const moved = endpointMessage(network, ids.EndpointID, 8);
    expect((await scene.daemon.call("CreateEndpoint", moved)).body["Err"]).toBeString();
  });
});

describe("addresses", () => {
  test("an internal network has no gateway", async () => {
    const { joined } = await scene.createEndpoint(await scene.createNetwork({ internal: true }), 7);
    expect([joined.body["Gateway"], joined.body["DisableGatewayService"]]).toEqual([undefined, true]);
  });

  test("each family has its own gateway, and an endpoint only those of its addresses", async () => {
    const network = await scene.createNetwork({ ipv6: true });
    const gateways = async (Address: string, AddressIPv6: string) => {
      const ids = { NetworkID: network, EndpointID: scene.newId() };
      await scene.daemon.call("CreateEndpoint", { ...ids, Interface: { Address, AddressIPv6 }, Options: {} });
      const { Gateway, GatewayIPv6 } = (await scene.daemon.call("Join", ids)).body;
      return [Gateway, GatewayIPv6];
    };
    expect(await gateways("10.60.0.7/24", "fd60::7/64")).toEqual(["10.60.0.1", "fd60::1"]);
    expect(await gateways("10.60.0.8/24", "")).toEqual(["10.60.0.1", undefined]);
    expect(await gateways("", "fd60::9/64")).toEqual([undefined, "fd60::1"]);
  });

  test("the MAC of an address stays the same: new endpoint, new network, new daemon", async () => {
    const network = await scene.createNetwork();
    const first = await scene.createEndpoint(network, 7);
    const other = await scene.createEndpoint(network, 8);
    expect(macOf(first)).not.toBe(macOf(other));
    await scene.daemon.call("DeleteEndpoint", first.ids);
    const second = await scene.createEndpoint(network, 7);
    await scene.daemon.call("DeleteNetwork", second.ids);
    expect(await scene.daemon.stop()).toBe(0);
    await scene.daemon.start();
    const third = await scene.createEndpoint(await scene.createNetwork(), 7);
    expect([macOf(second), macOf(third)]).toEqual([macOf(first), macOf(first)]);
    expect(macOf(first)).toMatch(/^.[26ae]/);
  });

  test("a user's MAC is on the link and not in the answer", async () => {
    const endpoint = await scene.createEndpoint(await scene.createNetwork(), 7, "02:11:22:33:44:77");
    expect(endpoint.created).toEqual(DONE);
    expect((await scene.linkOf(endpoint))?.address).toBe("02:11:22:33:44:77");
  });
});

describe("many at once", () => {
  const HOSTS = Array.from({ length: 100 }, (_, i) => i + 2);

  test("100 endpoints: each a link and a MAC of its own, deleted in a few grace periods", async () => {
    const network = await scene.createNetwork();
    const endpoints = await Promise.all(HOSTS.map((host) => scene.createEndpoint(network, host)));
    const links = (await scene.daemon.links()).filter(({ ifname }) => isOurLinkName(ifname));
    expect(new Set(links.map(({ ifname }) => ifname))).toEqual(new Set(endpoints.map(linkNameOf)));
    expect(new Set(links.map(({ address }) => address))).toEqual(new Set(endpoints.map(macOf)));
    expect(new Set(endpoints.map(macOf)).size).toBe(100);
    const oneByOne = endpoints.splice(0, 5);
    const each =
      (await milliseconds(async () => {
        for (const endpoint of oneByOne) await scene.forget(endpoint);
      })) / oneByOne.length;
    const together = await milliseconds(() =>
      Promise.all(endpoints.map((endpoint) => scene.forget(endpoint))),
    );
    expect((await scene.daemon.links()).filter(({ ifname }) => isOurLinkName(ifname))).toEqual([]);
    // Each waits for a grace period of the kernel; those that wait together share it.
    expect(together).toBeLessThan((each * endpoints.length) / 3);
  });

  test("endpoints that come while the former ones with their addresses go", async () => {
    const network = await scene.createNetwork();
    const some = HOSTS.slice(0, 20);
    const former = await Promise.all(some.map((host) => scene.createEndpoint(network, host)));
    const [deleted, later] = await Promise.all([
      Promise.all(former.map(({ ids }) => scene.daemon.call("DeleteEndpoint", ids))),
      Promise.all(some.map((host) => scene.createEndpoint(network, host))),
    ]);
    expect(deleted).toEqual(some.map(() => DONE));
    expect(later.map(macOf)).toEqual(former.map(macOf));
    const names = new Set((await scene.daemon.links()).map(({ ifname }) => ifname));
    expect(later.map(linkNameOf).filter((name) => !names.has(name))).toEqual([]);
    expect(former.map(linkNameOf).filter((name) => names.has(name))).toEqual([]);
    // Two links with one MAC on one parent cannot both be up.
    for (const endpoint of later) await scene.daemon.ip(`link set ${linkNameOf(endpoint)} up`);
  });
});

describe("the process", () => {
  test("keeps its sockets and state from other users", () => {
    expect(statSync(scene.daemon.socket).mode & 0o777).toBe(0o600);
    expect(statSync(`${scene.daemon.runDir}/underlay.sock`).mode & 0o777).toBe(0o600);
    expect(statSync(scene.daemon.stateDir).mode & 0o777).toBe(0o700);
    expect(statSync(`${scene.daemon.stateDir}/underlay.db`).mode & 0o077).toBe(0);
  });

  test("killed, it knows its networks and endpoints again", async () => {
    const network = await scene.createNetwork();
    const endpoint = await scene.createEndpoint(network, 7);
    await scene.daemon.kill9();
    await scene.daemon.start();
    expect(await scene.daemon.call("CreateNetwork", networkMessage(network))).toEqual(DONE);
    expect(await scene.daemon.call("Join", endpoint.ids)).toEqual(endpoint.joined);
    expect((await scene.createEndpoint(network, 8)).joined.body["Err"]).toBeUndefined();
    expect(await scene.daemon.call("DeleteEndpoint", endpoint.ids)).toEqual(DONE);
    expect(await scene.linkOf(endpoint)).toBeUndefined();
  });

  test("asked to end, it finishes what is in hand and takes its socket with it", async () => {
    const network = await scene.createNetwork();
    const endpoints = await Promise.all([2, 3, 4, 5].map((host) => scene.createEndpoint(network, host)));
    const deletes = endpoints.map(({ ids }) => scene.daemon.call("DeleteEndpoint", ids));
    await until("the first link is gone", async () => {
      const names = (await scene.daemon.links()).map(({ ifname }) => ifname);
      return endpoints.some((endpoint) => !names.includes(linkNameOf(endpoint)));
    });
    expect(await scene.daemon.stop()).toBe(0);
    expect(await Promise.all(deletes)).toEqual(endpoints.map(() => DONE));
    expect(existsSync(scene.daemon.socket)).toBe(false);
    await scene.daemon.start();
  });

  test("logs one line a call", async () => {
    const network = await scene.createNetwork();
    const lines = scene.daemon.lines().filter((line) => line.includes(network));
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { op: "NetworkDriver.CreateNetwork", network, outcome: "ok", duration_seconds: expect.any(Number) },
    ]);
  });
});

async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}
