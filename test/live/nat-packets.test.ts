import { beforeAll, describe, expect, test } from "bun:test";
import { disposedAfterAll } from "../ground/cleanup.ts";
import type { TestNetns } from "../ground/netns.ts";
import { type NatScene, network, OUTSIDE, openNatScene } from "./nat-scene.ts";

/** Who reaches whom through the gateway, and from which address. */

const things = disposedAfterAll();
let scene: NatScene;
let web: TestNetns;
let neighbour: TestNetns;
let other: TestNetns;
let hidden: TestNetns;

const { host4, host6, machine4, machine6 } = OUTSIDE;
const [WEB4, WEB6] = ["10.1.0.2", "fd00:1::2"];
const OTHER4 = "10.2.0.2";
const FAILS = /^(timeout|E[A-Z]+)$/;

beforeAll(async () => {
  scene = things.use(await openNatScene());
  scene.bridge("br1", "10.1.0.1/24", "fd00:1::1/64");
  scene.bridge("br2", "10.2.0.1/24");
  scene.bridge("br3", "10.3.0.1/24");
  const of1 = ["10.1.0.1", "fd00:1::1"];
  web = await scene.container("br1", [`${WEB4}/24`, `${WEB6}/64`], of1);
  neighbour = await scene.container("br1", ["10.1.0.3/24", "fd00:1::3/64"], of1);
  other = await scene.container("br2", [`${OTHER4}/24`], ["10.2.0.1"]);
  hidden = await scene.container("br3", ["10.3.0.2/24"], ["10.3.0.1"]);
  await scene.gateway.apply([
    network(
      "br1",
      ["10.1.0.0/24", "fd00:1::/64"],
      [
        `8080 -> ${WEB4}:80/tcp`,
        `8080 -> ${WEB4}:80/udp`,
        `8080 -> [${WEB6}]:80/tcp`,
        `8080 -> [${WEB6}]:80/udp`,
        `${host4} 8081 -> ${WEB4}:80/tcp`,
        `127.0.0.1 8082 -> ${WEB4}:80/tcp`,
        `${host6} 8083 -> [${WEB6}]:80/tcp`,
      ],
    ),
    network("br2", ["10.2.0.0/24"], [`9090 -> ${OTHER4}:80/tcp`]),
    network("br3", ["10.3.0.0/24"], ["7070 -> 10.3.0.2:80/tcp"], { internal: true }),
  ]);
});

describe("outward", () => {
  test.each([
    ["tcp", machine4, host4],
    ["udp", machine4, host4],
    ["tcp", machine6, host6],
    ["udp", machine6, host6],
  ] as const)("%s to %s comes from %s", async (protocol, to, seen) => {
    expect(await scene.ask(web, protocol, to)).toBe(seen);
  });

  test("among each other endpoints are who they are", async () => {
    expect(await scene.ask(neighbour, "tcp", WEB4)).toBe("10.1.0.3");
    expect(await scene.ask(neighbour, "tcp", WEB6)).toBe("fd00:1::3");
  });

  test("nothing of an internal network leaves, and the host is still there for it", async () => {
    expect(await scene.ask(hidden, "tcp", machine4)).toMatch(FAILS);
    expect(await scene.ask(hidden, "tcp", WEB4)).toMatch(FAILS);
    expect(await scene.ask(scene.host, "tcp", "10.3.0.2")).toBe("10.3.0.1");
  });
});

describe("published", () => {
  test.each([
    ["tcp", host4, 8080, machine4],
    ["udp", host4, 8080, machine4],
    ["tcp", host6, 8080, machine6],
    ["udp", host6, 8080, machine6],
    ["tcp", host4, 8081, machine4],
    ["tcp", host6, 8083, machine6],
    ["tcp", host4, 9090, machine4],
  ] as const)("%s %s %d from outside, by its own address", async (protocol, to, port, seen) => {
    expect(await scene.ask(scene.outside, protocol, to, port)).toBe(seen);
  });

  test.each([
    ["tcp", host4, 8080],
    ["udp", host4, 8080],
    ["tcp", host6, 8080],
    ["udp", host6, 8080],
    ["tcp", "127.0.0.1", 8080],
    ["udp", "127.0.0.1", 8080],
    ["tcp", "127.0.0.1", 8082],
    ["tcp", "10.1.0.1", 8080],
    ["tcp", "10.1.0.1", 9090],
    ["tcp", host4, 8081],
  ] as const)("%s %s %d from the host", async (protocol, to, port) => {
    expect(await scene.ask(scene.host, protocol, to, port)).not.toMatch(FAILS);
  });

  test.each([
    ["the endpoint itself", () => web],
    ["its neighbour", () => neighbour],
    ["another network", () => other],
  ] as const)("from %s, by an address of the host's", async (_, from) => {
    for (const to of [host4, "10.1.0.1"]) {
      for (const protocol of ["tcp", "udp"] as const)
        expect(await scene.ask(from(), protocol, to, 8080)).not.toMatch(FAILS);
    }
  });

  test.each([
    ["the endpoint itself", () => web],
    ["its neighbour", () => neighbour],
  ] as const)("over IPv6 from %s", async (_, from) => {
    for (const protocol of ["tcp", "udp"] as const)
      expect(await scene.ask(from(), protocol, host6, 8080)).not.toMatch(FAILS);
  });

  test("what is published on one address is not on others", async () => {
    expect(await scene.ask(scene.host, "tcp", "10.1.0.1", 8081)).toMatch(FAILS);
    expect(await scene.ask(scene.host, "tcp", "127.0.0.1", 8081)).toMatch(FAILS);
    expect(await scene.ask(scene.outside, "tcp", host4, 8082)).toMatch(FAILS);
  });

  test("::1 is refused at once, so that who tried it first goes on to 127.0.0.1", async () => {
    expect(await scene.ask(scene.host, "tcp", "::1", 8080)).toBe("ECONNREFUSED");
  });

  test("an internal network publishes nothing", async () => {
    expect(await scene.ask(scene.outside, "tcp", host4, 7070)).toMatch(FAILS);
  });
});

describe("not published", () => {
  test("who has a route to the subnet reaches nobody by it, whether a port is published or not", async () => {
    scene.outside.ip("route", "add", "10.1.0.0/24", "via", host4);
    scene.outside.ip("-6", "route", "add", "fd00:1::/64", "via", host6);
    expect(await scene.ask(scene.outside, "tcp", WEB4)).toBe("timeout");
    expect(await scene.ask(scene.outside, "udp", WEB4)).toBe("timeout");
    expect(await scene.ask(scene.outside, "tcp", WEB6)).toBe("timeout");
    expect(await scene.ask(scene.host, "tcp", WEB4)).toBe("10.1.0.1");
    scene.outside.ip("route", "del", "10.1.0.0/24");
    scene.outside.ip("-6", "route", "del", "fd00:1::/64");
  });

  test("networks do not reach each other", async () => {
    expect(await scene.ask(other, "tcp", WEB4)).toBe("timeout");
    expect(await scene.ask(web, "tcp", OTHER4)).toBe("timeout");
  });

  test("the host's loopback is out of reach, although the bridge lets answers to it in", async () => {
    await scene.serve(scene.host, 6060);
    expect(await scene.ask(scene.host, "tcp", "127.0.0.1", 6060)).toBe("127.0.0.1");
    expect(scene.sysctls.read("ipv4/conf/br1/route_localnet")).toBe("1");
    // A machine that sends what is for 127.0.0.2 to the host, whoever has that address by standard.
    scene.host.ip("address", "add", "127.0.0.2/8", "dev", "lo");
    web.ip("route", "add", "127.0.0.2", "via", "10.1.0.1", "table", "100");
    web.ip("rule", "add", "to", "127.0.0.2", "lookup", "100", "pref", "0");
    web.ip("address", "del", "127.0.0.1/8", "dev", "lo");
    Bun.spawnSync(["nsenter", `--net=${web.path}`, "sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1"]);
    Bun.spawnSync(["nsenter", `--net=${web.path}`, "sysctl", "-qw", "net.ipv4.conf.eth0.route_localnet=1"]);
    expect(await scene.ask(web, "tcp", "127.0.0.2", 6060)).toMatch(FAILS);
  });
});

test("what the host's log and settings have become", () => {
  expect(scene.logged.filter((line) => line.startsWith("warn"))).toEqual([
    expect.stringContaining("net.ipv4.ip_forward"),
    expect.stringContaining("net.ipv6.conf.all.forwarding"),
  ]);
  expect(scene.sysctls.read("ipv4/conf/br2/route_localnet")).toBe("1");
  expect(scene.sysctls.read("ipv4/conf/br3/route_localnet")).toBe("0");
  expect(scene.sysctls.read("ipv6/conf/up0/accept_ra")).toBe("2");
});
