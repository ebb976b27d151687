import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { LASTING } from "../ground/dockerd.ts";
import type { PrivateHost } from "../ground/host.ts";
import { NETAVARK_DRIVERS } from "../ground/netavark.ts";
import { PODMAN_IMAGE, type Podman, startPodman, startPodmanHost } from "../ground/podman.ts";

/** Podman 5 with its own netavark, on a private host: networks of ours, whose addresses podman chooses. */

const DRIVER = "underlay-macvlan";
const [ROUTER, ROUTER6] = ["10.77.0.1", "fd77::1"];
const SUBNET = ["--subnet", "10.77.0.0/24", "--gateway", ROUTER, "--ip-range", "10.77.0.64/26"];

const things = disposedAfterAll();
let host: PrivateHost;
let podman: Podman["podman"];
let tryPodman: Podman["tryPodman"];

beforeAll(async () => {
  host = things.use(await startPodmanHost("netavark", [`${ROUTER}/24`, `${ROUTER6}/64`, "10.78.0.1/24"]));
  const plugins = "/usr/local/libexec/netavark";
  await host.must(["mkdir", "-p", plugins]);
  for (const name of NETAVARK_DRIVERS)
    await host.must(["ln", "-s", "/opt/underlay/underlay", `${plugins}/${name}`]);
  ({ podman, tryPodman } = await startPodman(host, "netavark"));
}, 600_000);

const create = (name: string, ...args: string[]) =>
  podman("network", "create", "-d", DRIVER, "-o", "parent=lan0", ...args, name);
const start = (name: string, network: string, ...args: string[]) =>
  podman("run", "-d", "--name", name, "--network", network, ...args, PODMAN_IMAGE, ...LASTING);
const exec = (name: string, ...argv: string[]) => podman("exec", name, ...argv);
const ping = (name: string, address: string) => exec(name, "ping", "-c1", "-W2", address);
const shown = async (name: string, network: string): Promise<Record<string, unknown>> =>
  JSON.parse(
    await podman("inspect", "--format", `{{json (index .NetworkSettings.Networks "${network}")}}`, name),
  );
const linksOfHost = async () =>
  (JSON.parse(await host.must(["ip", "-j", "link"])) as { ifname: string }[])
    .map(({ ifname }) => ifname)
    .sort();

/** Everything of a test is gone when podman was told to remove it; names what is not. */
afterEach(async () => {
  await podman("rm", "-f", "-t", "0", "--all");
  await podman("network", "prune", "-f");
  expect(await podman("network", "ls", "--quiet")).toBe("podman");
  expect(await linksOfHost()).toEqual(["lan0", "lo"]);
  expect(await host.must(["ls", "/run/netns"])).toBe("router");
});

test("podman finds the drivers", async () => {
  const found = await podman("info", "--format", "{{.Plugins.Network}}");
  for (const driver of NETAVARK_DRIVERS) expect(found).toContain(driver);
});

test("create writes down what it decided", async () => {
  await create("lan", ...SUBNET);
  const [network] = JSON.parse(await podman("network", "inspect", "lan"));
  expect(network).toMatchObject({
    driver: DRIVER,
    network_interface: "lan0",
    dns_enabled: false,
    options: { parent: "lan0", mode: "bridge" },
  });
});

test.each([
  [["-o", "parnet=lan0", ...SUBNET], "unknown option parnet, did you mean parent?"],
  [["-o", "parent=nope", ...SUBNET], "no link is called nope"],
  [["-o", "parent=lan0", "-o", "mode=source", ...SUBNET], '"source" is none of bridge'],
  [["-o", "parent=lan0", "-o", "mtu=9000", ...SUBNET], "invalid MTU 9000"],
  [["-o", "parent=lan0"], "the network has no subnet"],
  [["-o", "parent=lan0", "--ipam-driver=dhcp"], "IPAM driver dhcp"],
])("network create %j is refused, and says why", async (args, message) => {
  const { code, stderr } = await tryPodman(["network", "create", "-d", DRIVER, ...args, "lan"]);
  expect({ code, stderr }).toEqual({ code: 125, stderr: expect.stringContaining(message) });
});

test("two containers and the LAN's router reach each other", async () => {
  await create("lan", ...SUBNET, "--subnet", "fd77::/64", "--gateway", ROUTER6);
  await start("one", "lan");
  await start("two", "lan");
  const [one, two] = [await shown("one", "lan"), await shown("two", "lan")];
  expect([one["IPAddress"], two["IPAddress"]]).toEqual(["10.77.0.65", "10.77.0.66"]);
  for (const address of [two["IPAddress"], two["GlobalIPv6Address"], ROUTER, ROUTER6])
    await ping("one", String(address));
  await host.router(["busybox", "ping", "-c1", "-W2", String(one["IPAddress"])]);
});

describe("what a container asks for", () => {
  test("address, MAC address and name of the link", async () => {
    await create("lan", ...SUBNET);
    const mac = "02:11:22:33:44:55";
    await start("one", `lan:ip=10.77.0.9,mac=${mac},interface_name=lan7`);
    expect(await exec("one", "ip", "address", "show", "lan7")).toContain("inet 10.77.0.9/24");
    expect(await shown("one", "lan")).toMatchObject({ IPAddress: "10.77.0.9", MacAddress: mac });
    await ping("one", ROUTER);
    expect(await host.router(["ip", "neighbour", "show", "10.77.0.9"])).toContain(mac);
  });

  test("options of its own, and those that nobody knows", async () => {
    await create("lan", ...SUBNET);
    await start("one", "lan:mtu=1400,no_default_route=true");
    expect(await exec("one", "ip", "link", "show", "eth0")).toContain("mtu 1400");
    expect(await exec("one", "ip", "route")).not.toContain("default");
    const { code, stderr } = await tryPodman([
      "run",
      "--rm",
      "--network",
      "lan:mtx=1400",
      PODMAN_IMAGE,
      "true",
    ]);
    expect({ code, stderr }).toEqual({
      code: 126,
      stderr: expect.stringContaining("unknown option mtx, did you mean mtu?"),
    });
  });

  test("ports, which are not published: it is told", async () => {
    await create("lan", ...SUBNET);
    const { code, stderr } = await tryPodman([
      "run",
      "--rm",
      "-p",
      "8080:80",
      "--network",
      "lan",
      PODMAN_IMAGE,
      "true",
    ]);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringContaining("network lan publishes no ports (8080:80/tcp)"),
    });
  });
});

test("a restart, a reload, and a container that was killed", async () => {
  await create("lan", ...SUBNET);
  await start("one", "lan:ip=10.77.0.9");
  const { MacAddress: mac } = await shown("one", "lan");
  for (const again of [
    ["restart", "-t", "1", "one"],
    ["network", "reload", "one"],
    ["network", "reload", "--all"],
  ]) {
    await podman(...again);
    expect(await shown("one", "lan")).toMatchObject({ IPAddress: "10.77.0.9", MacAddress: mac });
    await ping("one", ROUTER);
  }
  await podman("kill", "one");
  await podman("wait", "one");
  await podman("start", "one");
  await ping("one", ROUTER);
});

test("two networks, connected and disconnected while it runs", async () => {
  await create("lan", ...SUBNET);
  await create("lab", "--subnet", "10.78.0.0/24", "--gateway", "10.78.0.1", "-o", "metric=50");
  await start("one", "lan");
  await podman("network", "connect", "lab", "one");
  const { IPAddress: address } = await shown("one", "lab");
  await host.router(["busybox", "ping", "-c1", "-W2", String(address)]);
  const routes = (await exec("one", "ip", "route"))
    .split("\n")
    .map((line) => line.replace(/\s+/g, " ").trim());
  expect(routes.filter((line) => line.startsWith("default"))).toEqual([
    "default via 10.78.0.1 dev eth1 metric 50",
    "default via 10.77.0.1 dev eth0 metric 100",
  ]);
  await podman("network", "disconnect", "lab", "one");
  expect(await exec("one", "ip", "-o", "link")).not.toContain("eth1");
  await ping("one", ROUTER);
});

test("an internal network, one with routes and name servers of its own, and one without addresses", async () => {
  await create("inside", ...SUBNET, "--internal");
  await start("one", "inside");
  expect(await exec("one", "ip", "route")).not.toContain("default");

  await create(
    "lab",
    "--subnet",
    "10.78.0.0/24",
    "--route",
    "10.99.0.0/16,10.78.0.7,40",
    "--dns",
    "10.78.0.53",
  );
  await start("two", "lab");
  expect(await exec("two", "ip", "route")).toMatch(/10\.99\.0\.0\/16 via 10\.78\.0\.7 dev eth0\s+metric 40/);
  expect(await exec("two", "cat", "/etc/resolv.conf")).toContain("nameserver 10.78.0.53");

  await create("bare", "--ipam-driver=none");
  await start("three", "bare");
  expect(await exec("three", "ip", "-4", "address", "show", "eth0")).toBe("");
});

test("beside a network of podman's own, and beside its built-in macvlan on the same parent", async () => {
  await create("lan", ...SUBNET);
  await podman(
    "network",
    "create",
    "-d",
    "macvlan",
    "-o",
    "parent=lan0",
    "--subnet",
    "10.77.0.0/24",
    "--gateway",
    ROUTER,
    "--ip-range",
    "10.77.0.128/26",
    "builtin",
  );
  await start("one", "lan");
  await start("two", "builtin");
  await ping("one", String((await shown("two", "builtin"))["IPAddress"]));
});

test("a port of a bridge that the host has", async () => {
  await host.must([
    "sh",
    "-c",
    "ip link add br0 type bridge; ip link set lan0 master br0; ip link set br0 up",
  ]);
  try {
    await podman("network", "create", "-d", "underlay-bridge", "-o", "bridge=br0", ...SUBNET, "lan");
    await start("one", "lan");
    await start("two", "lan");
    await ping("one", ROUTER);
    await ping("one", String((await shown("two", "lan"))["IPAddress"]));
    await podman("restart", "-t", "1", "one");
    await ping("one", ROUTER);
    await podman("rm", "-f", "-t", "0", "--all");
    const ports: { ifname: string }[] = JSON.parse(
      await host.must(["ip", "-j", "link", "show", "master", "br0"]),
    );
    expect(ports.map(({ ifname }) => ifname)).toEqual(["lan0"]);
  } finally {
    await host.must(["ip", "link", "del", "br0"]);
  }
});

test("a parent that is gone is told, and keeps no container from going", async () => {
  await create("lan", ...SUBNET);
  await start("one", "lan");
  await host.unplug();
  try {
    const { code, stderr } = await tryPodman(["run", "--rm", "--network", "lan", PODMAN_IMAGE, "true"]);
    expect({ code, stderr }).toEqual({
      code: 126,
      stderr: expect.stringContaining("no link is called lan0"),
    });
    await podman("rm", "-f", "-t", "0", "one");
  } finally {
    await host.plugIn();
  }
  await start("one", "lan");
  await ping("one", ROUTER);
});
