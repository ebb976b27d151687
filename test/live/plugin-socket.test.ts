import { afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readlinkSync, statSync } from "node:fs";
import { isOurLinkName } from "../../src/lib/ifname.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { until } from "../ground/until.ts";
import { type Answer, type IpLink, type LoneDaemon, startLoneDaemon } from "./lone-daemon.ts";

/**
 * The daemon as dockerd meets it, without a dockerd: calls on the plugin socket, and `ip` to see what the kernel has.
 * `lan0` is the NIC, `lan1` its other end.
 */

const things = disposedAfterAll();
let daemon: LoneDaemon;

beforeAll(async () => {
  daemon = things.use(await startLoneDaemon());
});
beforeEach(async () => {
  await daemon.ip("link add lan0 type veth peer name lan1");
  await daemon.ip("link set lan0 up");
  await daemon.ip("link set lan1 up");
});
afterEach(async () => {
  for (const id of made.splice(0)) await daemon.call("DeleteNetwork", { NetworkID: id });
  const before = await daemon.links();
  // A child of lan0 goes with it.
  for (const name of ["odd0", "lan0"])
    if (before.some(({ ifname }) => ifname === name)) await daemon.ip(`link del ${name}`);
  expect(before.filter(({ ifname }) => isOurLinkName(ifname))).toEqual([]);
});

const made: string[] = [];
const serial = { next: 0 };

function newId(): string {
  serial.next++;
  return serial.next.toString(16).padStart(64, "0");
}

const V4 = { AddressSpace: "LocalDefault", Pool: "10.60.0.0/24", Gateway: "10.60.0.1/24" };
const V6 = { AddressSpace: "LocalDefault", Pool: "fd60::/64", Gateway: "fd60::1/64" };

interface NetworkOptions {
  readonly options?: Readonly<Record<string, string>>;
  readonly internal?: true;
  readonly ipv6?: true;
}

function networkMessage(NetworkID: string, { options = {}, internal, ipv6 }: NetworkOptions = {}) {
  return {
    NetworkID,
    Options: {
      "com.docker.network.enable_ipv4": true,
      "com.docker.network.enable_ipv6": ipv6 ?? false,
      "com.docker.network.generic": { parent: "lan0", ...options },
      ...(internal && { "com.docker.network.internal": true }),
    },
    IPv4Data: [V4],
    IPv6Data: ipv6 ? [V6] : [],
  };
}

async function createNetwork(options?: NetworkOptions): Promise<string> {
  const id = newId();
  made.push(id);
  expect(await daemon.call("CreateNetwork", networkMessage(id, options))).toEqual(DONE);
  return id;
}

/** What is wrong with a network that must be refused; nothing of it may remain. */
async function refusal(options: NetworkOptions): Promise<string> {
  const id = newId();
  const before = await linksInShort();
  const { status, body } = await daemon.call("CreateNetwork", networkMessage(id, options));
  expect([status, body["Err"]]).toEqual([200, body["Error"]]);
  expect(await linksInShort()).toEqual(before);
  expect((await daemon.call("CreateEndpoint", endpointMessage(id, newId(), 2))).body["Err"]).toContain(
    "not known",
  );
  return String(body["Err"]);
}

function endpointMessage(NetworkID: string, EndpointID: string, host: number, MacAddress = "") {
  const Address = `10.60.0.${host}/24`;
  return { NetworkID, EndpointID, Interface: { Address, AddressIPv6: "", MacAddress }, Options: {} };
}

interface Endpoint {
  readonly ids: { readonly NetworkID: string; readonly EndpointID: string };
  readonly created: Answer;
  readonly joined: Answer;
}

async function createEndpoint(network: string, host: number, mac?: string): Promise<Endpoint> {
  const ids = { NetworkID: network, EndpointID: newId() };
  const created = await daemon.call("CreateEndpoint", endpointMessage(network, ids.EndpointID, host, mac));
  const joined = await daemon.call("Join", { ...ids, SandboxKey: "/var/run/docker/netns/x", Options: {} });
  return { ids, created, joined };
}

function macOf({ created }: Endpoint): string {
  return JSON.stringify(created.body).match(/([0-9a-f]{2}:){5}[0-9a-f]{2}/)?.[0] ?? "none";
}

function linkNameOf({ joined }: Endpoint): string {
  return JSON.stringify(joined.body).match(/"SrcName":"([^"]*)"/)?.[1] ?? "none";
}

async function linkOf(endpoint: Endpoint): Promise<IpLink | undefined> {
  const name = linkNameOf(endpoint);
  return (await daemon.links()).find(({ ifname }) => ifname === name);
}

const DONE: Answer = { status: 200, body: {} };

async function forget({ ids }: Endpoint): Promise<void> {
  expect(await daemon.call("DeleteEndpoint", ids)).toEqual(DONE);
}

async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/** What a refused request could have changed; carrier and state settle in their own time. */
async function linksInShort(): Promise<unknown> {
  return (await daemon.links()).map(({ ifname, link, address, mtu }) => [ifname, link, address, mtu]);
}

describe("from CreateNetwork to DeleteNetwork", () => {
  test("a link is made at Join and gone when DeleteEndpoint answers", async () => {
    const network = await createNetwork();
    const endpoint = await createEndpoint(network, 7);
    expect(endpoint.created).toEqual({ status: 200, body: { Interface: { MacAddress: macOf(endpoint) } } });
    expect(endpoint.joined).toEqual({
      status: 200,
      body: {
        InterfaceName: { SrcName: linkNameOf(endpoint), DstPrefix: "eth" },
        Gateway: "10.60.0.1",
        DisableGatewayService: true,
      },
    });
    expect(await linkOf(endpoint)).toMatchObject({
      link: "lan0",
      address: macOf(endpoint),
      linkinfo: { info_kind: "macvlan", info_data: { mode: "bridge" } },
      mtu: 1500,
      ifalias: expect.stringContaining(endpoint.ids.EndpointID),
    });
    for (const method of ["ProgramExternalConnectivity", "RevokeExternalConnectivity", "Leave"])
      expect(await daemon.call(method, endpoint.ids)).toEqual(DONE);
    expect(await daemon.call("EndpointOperInfo", endpoint.ids)).toEqual({ status: 200, body: { Value: {} } });
    expect(await linkOf(endpoint)).toBeDefined();
    expect(await daemon.call("DeleteEndpoint", endpoint.ids)).toEqual(DONE);
    expect(await linkOf(endpoint)).toBeUndefined();
    expect(await daemon.call("DeleteNetwork", endpoint.ids)).toEqual(DONE);
  });

  test("every call may come twice, one after the other or at once", async () => {
    const network = newId();
    const ids = { NetworkID: network, EndpointID: newId() };
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
      const first = await daemon.call(method, message);
      const links = await linksInShort();
      expect([method, first.status, first.body["Err"]]).toEqual([method, 200, undefined]);
      const again = await Promise.all([1, 2, 3].map(() => daemon.call(method, message)));
      expect([method, ...again]).toEqual([method, first, first, first]);
      expect(await linksInShort()).toEqual(links);
    }
  });

  const orders = [
    "DeleteNetwork Leave DeleteEndpoint",
    "DeleteEndpoint Leave DeleteNetwork",
    "Leave Leave DeleteNetwork",
  ];
  test.each(orders)("teardown in the order %s leaves nothing", async (order) => {
    const network = await createNetwork();
    const endpoint = await createEndpoint(network, 7);
    expect(await linkOf(endpoint)).toBeDefined();
    for (const method of order.split(" "))
      expect([method, await daemon.call(method, endpoint.ids)]).toEqual([method, DONE]);
    expect(await linkOf(endpoint)).toBeUndefined();
  });

  test("what was never made is not known, and deleting it is success", async () => {
    const ids = { NetworkID: newId(), EndpointID: newId() };
    const say = async (method: string, message: object) => (await daemon.call(method, message)).body["Err"];
    expect(await say("CreateEndpoint", endpointMessage(ids.NetworkID, ids.EndpointID, 7))).toContain(
      "not known",
    );
    expect(await say("Join", ids)).toContain("not known");
    for (const method of ["Leave", "DeleteEndpoint", "DeleteNetwork"])
      expect(await daemon.call(method, ids)).toEqual(DONE);
  });

  test("a Join that lost its link makes it anew", async () => {
    const endpoint = await createEndpoint(await createNetwork(), 7);
    await daemon.ip(`link del ${linkNameOf(endpoint)}`);
    expect(await daemon.call("Join", endpoint.ids)).toEqual(endpoint.joined);
    expect((await linkOf(endpoint))?.address).toBe(macOf(endpoint));
  });

  test("an id that exists and differs is a conflict", async () => {
    const network = await createNetwork();
    const other = networkMessage(network, { options: { macvlan_mode: "private" } });
    expect((await daemon.call("CreateNetwork", other)).body["Err"]).toContain("exists already");
    const { ids } = await createEndpoint(network, 7);
    const moved = endpointMessage(network, ids.EndpointID, 8);
    expect((await daemon.call("CreateEndpoint", moved)).body["Err"]).toBeString();
  });
});

describe("addresses", () => {
  test("an internal network has no gateway", async () => {
    const { joined } = await createEndpoint(await createNetwork({ internal: true }), 7);
    expect([joined.body["Gateway"], joined.body["DisableGatewayService"]]).toEqual([undefined, true]);
  });

  test("each family has its own gateway, and an endpoint only those of its addresses", async () => {
    const network = await createNetwork({ ipv6: true });
    const gateways = async (Address: string, AddressIPv6: string) => {
      const ids = { NetworkID: network, EndpointID: newId() };
      await daemon.call("CreateEndpoint", { ...ids, Interface: { Address, AddressIPv6 }, Options: {} });
      const { Gateway, GatewayIPv6 } = (await daemon.call("Join", ids)).body;
      return [Gateway, GatewayIPv6];
    };
    expect(await gateways("10.60.0.7/24", "fd60::7/64")).toEqual(["10.60.0.1", "fd60::1"]);
    expect(await gateways("10.60.0.8/24", "")).toEqual(["10.60.0.1", undefined]);
    expect(await gateways("", "fd60::9/64")).toEqual([undefined, "fd60::1"]);
  });

  test("the MAC of an address stays the same: new endpoint, new network, new daemon", async () => {
    const network = await createNetwork();
    const first = await createEndpoint(network, 7);
    const other = await createEndpoint(network, 8);
    expect(macOf(first)).not.toBe(macOf(other));
    await daemon.call("DeleteEndpoint", first.ids);
    const second = await createEndpoint(network, 7);
    await daemon.call("DeleteNetwork", second.ids);
    expect(await daemon.stop()).toBe(0);
    await daemon.start();
    const third = await createEndpoint(await createNetwork(), 7);
    expect([macOf(second), macOf(third)]).toEqual([macOf(first), macOf(first)]);
    expect(macOf(first)).toMatch(/^.[26ae]/);
  });

  test("a user's MAC is on the link and not in the answer", async () => {
    const endpoint = await createEndpoint(await createNetwork(), 7, "02:11:22:33:44:77");
    expect(endpoint.created).toEqual(DONE);
    expect((await linkOf(endpoint))?.address).toBe("02:11:22:33:44:77");
  });
});

describe("many at once", () => {
  const HOSTS = Array.from({ length: 100 }, (_, i) => i + 2);

  test("100 endpoints: each a link and a MAC of its own, deleted in a few grace periods", async () => {
    const network = await createNetwork();
    const endpoints = await Promise.all(HOSTS.map((host) => createEndpoint(network, host)));
    const links = (await daemon.links()).filter(({ ifname }) => isOurLinkName(ifname));
    expect(new Set(links.map(({ ifname }) => ifname))).toEqual(new Set(endpoints.map(linkNameOf)));
    expect(new Set(links.map(({ address }) => address))).toEqual(new Set(endpoints.map(macOf)));
    expect(new Set(endpoints.map(macOf)).size).toBe(100);
    const oneByOne = endpoints.splice(0, 5);
    const each =
      (await milliseconds(async () => {
        for (const endpoint of oneByOne) await forget(endpoint);
      })) / oneByOne.length;
    const together = await milliseconds(() => Promise.all(endpoints.map(forget)));
    expect((await daemon.links()).filter(({ ifname }) => isOurLinkName(ifname))).toEqual([]);
    // Each waits for a grace period of the kernel; those that wait together share it.
    expect(together).toBeLessThan((each * endpoints.length) / 3);
  });

  test("endpoints that come while the former ones with their addresses go", async () => {
    const network = await createNetwork();
    const some = HOSTS.slice(0, 20);
    const former = await Promise.all(some.map((host) => createEndpoint(network, host)));
    const [deleted, later] = await Promise.all([
      Promise.all(former.map(({ ids }) => daemon.call("DeleteEndpoint", ids))),
      Promise.all(some.map((host) => createEndpoint(network, host))),
    ]);
    expect(deleted).toEqual(some.map(() => DONE));
    expect(later.map(macOf)).toEqual(former.map(macOf));
    const names = new Set((await daemon.links()).map(({ ifname }) => ifname));
    expect(later.map(linkNameOf).filter((name) => !names.has(name))).toEqual([]);
    expect(former.map(linkNameOf).filter((name) => names.has(name))).toEqual([]);
    // Two links with one MAC on one parent cannot both be up.
    for (const endpoint of later) await daemon.ip(`link set ${linkNameOf(endpoint)} up`);
  });
});

describe("the parent", () => {
  test("passthru is exclusive against a network of ours, both ways", async () => {
    const bridge = await createNetwork();
    expect(await refusal({ options: { macvlan_mode: "passthru" } })).toContain("passthru");
    await daemon.call("DeleteNetwork", { NetworkID: bridge });
    await createNetwork({ options: { macvlan_mode: "passthru" } });
    for (const macvlan_mode of ["bridge", "passthru"])
      expect(await refusal({ options: { macvlan_mode } })).toContain("passthru");
  });

  test("passthru is exclusive against links that others made, both ways", async () => {
    await daemon.ip("link add odd0 link lan0 type macvlan mode bridge");
    expect(await refusal({ options: { macvlan_mode: "passthru" } })).toContain("passthru");
    await daemon.ip("link del odd0");
    await daemon.ip("link add odd0 link lan0 type macvlan mode passthru");
    expect(await refusal({})).toContain("passthru");
  });

  test("passthru is exclusive against a link in a container, which no list of the host's links shows", async () => {
    await using undo = new AsyncDisposableStack();
    const child = Bun.spawn(["unshare", "--net", "cat"], { stdin: "pipe", stdout: "ignore" });
    undo.defer(async () => {
      child.stdin.end();
      await child.exited;
    });
    const other = () => readlinkSync(`/proc/${child.pid}/ns/net`) !== readlinkSync("/proc/self/ns/net");
    await until("unshare has made a namespace", other);
    await daemon.ip(`link add odd0 link lan0 netns ${child.pid} type macvlan mode passthru`);
    expect(await refusal({})).toContain("passthru");
  });

  test("all other modes share it", async () => {
    const modes = ["bridge", "private", "vepa"];
    const networks = await Promise.all(modes.map((mode) => createNetwork({ options: { mode } })));
    const endpoints = await Promise.all(networks.map((network, i) => createEndpoint(network, i + 2)));
    const found = await Promise.all(endpoints.map(linkOf));
    expect(found.map((link) => link?.linkinfo?.info_data?.mode)).toEqual(modes);
  });

  test("that is a bridge port is refused at create, with the bridge's name", async () => {
    await daemon.ip("link add odd0 type bridge");
    await daemon.ip("link set lan0 master odd0");
    const text = await refusal({});
    expect(text).toContain("odd0");
    expect(text).not.toMatch(/EBUSY|busy/i);
  });

  test.each([
    [{ parent: "lan9" }, "UL-P01 no link is called lan9 "],
    [{ parent: "a-name-of-more-than-15" }, "UL-P01 no link is called a-name-of-more-than-15 "],
    [{ parent: "lo" }, "UL-P04 lo is the loopback link: it cannot carry macvlan "],
    [{ parent: "a/b" }, 'parent: link name "a/b" has a slash, colon, NUL or white space in it'],
    [{ parent: "lan0.4095" }, "no link is called lan0.4095, and as a VLAN: VLAN id must be 1 to 4094"],
    [
      { "com.docker.network.driver.mtu": "67" },
      'com.docker.network.driver.mtu: "67" is no MTU from 68 to 65535',
    ],
    [{ mtu: "9000" }, "UL-P12 mtu 9000 is more than the 1500 of lan0 "],
    [{ mode: "bridged" }, 'mode: "bridged" is none of bridge, private, vepa, passthru, did you mean bridge?'],
    [{ parnet: "lan0" }, "unknown option parnet, did you mean parent?"],
    [{ mode: "bridge", macvlan_mode: "vepa" }, "mode=bridge and macvlan_mode=vepa are the same option"],
    [
      { parnet: "lan0", mode: "x", mtu: "67" },
      'unknown option parnet, did you mean parent?; mode: "x" is none of bridge, private, vepa, passthru; mtu: "67" is no MTU from 68 to 65535',
    ],
  ])("options %j are refused in words", async (options, words) => {
    expect(await refusal({ options })).toStartWith(words);
  });

  test("an MTU too small for IPv6 is refused with IPv6 alone", async () => {
    const options = { mtu: "1000" };
    expect(await refusal({ options, ipv6: true })).toBe(
      'mtu: "1000" is no MTU (with IPv6) from 1280 to 65535',
    );
    await createNetwork({ options });
  });

  test("that is down is brought up, and the log says so", async () => {
    await daemon.ip("link set lan0 down");
    const endpoint = await createEndpoint(await createNetwork(), 7);
    expect(endpoint.joined.status).toBe(200);
    expect((await daemon.links()).find(({ ifname }) => ifname === "lan0")?.flags).toContain("UP");
    expect(daemon.lines().filter((line) => line.includes("brought up"))).not.toEqual([]);
  });

  test("gives its MTU unless the network has one of its own", async () => {
    await daemon.ip("link set lan0 mtu 1450");
    const inherits = await createEndpoint(await createNetwork(), 7);
    const own = await createEndpoint(await createNetwork({ options: { mtu: "1400" } }), 8);
    expect([(await linkOf(inherits))?.mtu, (await linkOf(own))?.mtu]).toEqual([1450, 1400]);
  });

  test("may be named by an altname", async () => {
    await daemon.ip("link property add dev lan0 altname the-long-name-of-the-lan");
    const endpoint = await createEndpoint(
      await createNetwork({ options: { parent: "the-long-name-of-the-lan" } }),
      7,
    );
    expect((await linkOf(endpoint))?.link).toBe("lan0");
  });

  test("that went and came back serves again", async () => {
    const network = await createNetwork();
    await daemon.ip("link del lan0");
    expect((await createEndpoint(network, 7)).joined.body["Err"]).toContain("lan0");
    await daemon.ip("link add lan0 type veth peer name lan1");
    await daemon.ip("link set lan0 up");
    const endpoint = await createEndpoint(network, 8);
    expect((await linkOf(endpoint))?.link).toBe("lan0");
  });
});

describe("the process", () => {
  test("keeps its sockets and state from other users", () => {
    expect(statSync(daemon.socket).mode & 0o777).toBe(0o600);
    expect(statSync(`${daemon.runDir}/underlay.sock`).mode & 0o777).toBe(0o600);
    expect(statSync(daemon.stateDir).mode & 0o777).toBe(0o700);
    expect(statSync(`${daemon.stateDir}/underlay.db`).mode & 0o077).toBe(0);
  });

  test("killed, it knows its networks and endpoints again", async () => {
    const network = await createNetwork();
    const endpoint = await createEndpoint(network, 7);
    await daemon.kill9();
    await daemon.start();
    expect(await daemon.call("CreateNetwork", networkMessage(network))).toEqual(DONE);
    expect(await daemon.call("Join", endpoint.ids)).toEqual(endpoint.joined);
    expect((await createEndpoint(network, 8)).joined.body["Err"]).toBeUndefined();
    expect(await daemon.call("DeleteEndpoint", endpoint.ids)).toEqual(DONE);
    expect(await linkOf(endpoint)).toBeUndefined();
  });

  test("asked to end, it finishes what is in hand and takes its socket with it", async () => {
    const network = await createNetwork();
    const endpoints = await Promise.all([2, 3, 4, 5].map((host) => createEndpoint(network, host)));
    const deletes = endpoints.map(({ ids }) => daemon.call("DeleteEndpoint", ids));
    await until("the first link is gone", async () => {
      const names = (await daemon.links()).map(({ ifname }) => ifname);
      return endpoints.some((endpoint) => !names.includes(linkNameOf(endpoint)));
    });
    expect(await daemon.stop()).toBe(0);
    expect(await Promise.all(deletes)).toEqual(endpoints.map(() => DONE));
    expect(existsSync(daemon.socket)).toBe(false);
    await daemon.start();
  });

  test("logs one line a call", async () => {
    const network = await createNetwork();
    const lines = daemon.lines().filter((line) => line.includes(network));
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { op: "NetworkDriver.CreateNetwork", network, outcome: "ok", duration_seconds: expect.any(Number) },
    ]);
  });
});
