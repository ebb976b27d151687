import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { PROGRAM } from "../ground/daemon.ts";
import { LASTING } from "../ground/dockerd.ts";
import type { PrivateHost } from "../ground/host.ts";
import { PODMAN_IMAGE, type Podman, startPodman, startPodmanHost } from "../ground/podman.ts";

/**
 * Podman 4 with CNI, on a private host: our plugins before Debian's of the same names. Its own network `podman` is a
 * bridge of Debian's plugin, chained with portmap, firewall and tuning.
 */

const [ROUTER, ROUTER6] = ["10.77.0.1", "fd77::1"];
const SUBNET = ["--subnet", "10.77.0.0/24", "--gateway", ROUTER, "--ip-range", "10.77.0.64/26"];
const PLUGINS = "/usr/local/libexec/cni";
const STATE = "/var/lib/cni";

const things = disposedAfterAll();
let host: PrivateHost;
let podman: Podman["podman"];
let tryPodman: Podman["tryPodman"];

beforeAll(async () => {
  host = things.use(await startPodmanHost("cni", [`${ROUTER}/24`, `${ROUTER6}/64`, "10.78.0.1/24"]));
  await host.must([
    ...[PROGRAM, "cni", "install", "--bin-dir", PLUGINS],
    ...["--plugins", "macvlan,ipvlan,host-local,static"],
  ]);
  // Podman makes it with its first container.
  await host.must(["mkdir", "-p", STATE]);
  ({ podman, tryPodman } = await startPodman(host, "cni"));
}, 600_000);

const create = (name: string, ...args: string[]) =>
  podman("network", "create", "-d", "macvlan", "-o", "parent=lan0", ...args, name);
const start = (name: string, network: string, ...args: string[]) =>
  podman("run", "-d", "--name", name, "--network", network, ...args, PODMAN_IMAGE, ...LASTING);
const exec = (name: string, ...argv: string[]) => podman("exec", name, ...argv);
const ping = (name: string, address: string) => exec(name, "ping", "-c1", "-W2", address);
const shown = async (name: string, network: string): Promise<Record<string, unknown>> =>
  JSON.parse(
    await podman("inspect", "--format", `{{json (index .NetworkSettings.Networks "${network}")}}`, name),
  );
const kindsOf = async (name: string): Promise<unknown[]> => {
  const pid = await podman("inspect", "--format", "{{.State.Pid}}", name);
  const links: { ifalias?: string; linkinfo?: { info_kind: string } }[] = JSON.parse(
    await host.must(["nsenter", `--net=/proc/${pid}/ns/net`, "ip", "-j", "-d", "link"]),
  );
  return links.flatMap(({ ifalias, linkinfo }) =>
    linkinfo ? [`${linkinfo.info_kind}${ifalias?.startsWith("underlay cni:") ? " of ours" : ""}`] : [],
  );
};
/** Files of reservations, and results that podman's library keeps. */
const kept = async () =>
  (
    await host.must([
      ...["find", STATE, "-type", "f"],
      ...["!", "-name", "lock", "!", "-name", "last_reserved_ip.*", "!", "-name", ".*"],
    ])
  ).split("\n");

/** Everything of a test is gone when podman was told to remove it; names what is not. */
afterEach(async () => {
  await podman("rm", "-f", "-t", "0", "--all");
  for (const network of (await podman("network", "ls", "--format", "{{.Name}}")).split("\n"))
    if (network !== "podman") await podman("network", "rm", network);
  expect(await kept()).toEqual([""]);
  expect(await host.must(["ls", "/run/netns"])).toBe("router");
});

test("two containers and the LAN's router reach each other, by links of ours", async () => {
  await create("lan", ...SUBNET, "--subnet", "fd77::/64", "--gateway", ROUTER6);
  await start("one", "lan");
  await start("two", "lan");
  expect(await kindsOf("one")).toEqual(["macvlan of ours"]);
  const [one, two] = [await shown("one", "lan"), await shown("two", "lan")];
  expect([one["IPAddress"], two["IPAddress"]]).toEqual(["10.77.0.65", "10.77.0.66"]);
  for (const address of [two["IPAddress"], two["GlobalIPv6Address"], ROUTER, ROUTER6])
    await ping("one", String(address));
  await host.router(["busybox", "ping", "-c1", "-W2", String(one["IPAddress"])]);
});

test("address, MAC address and name of the link as asked for", async () => {
  await create("lan", ...SUBNET);
  const mac = "02:11:22:33:44:55";
  await start("one", `lan:ip=10.77.0.70,mac=${mac},interface_name=lan7`);
  expect(await exec("one", "ip", "address", "show", "lan7")).toContain("inet 10.77.0.70/24");
  expect(await shown("one", "lan")).toMatchObject({ IPAddress: "10.77.0.70", MacAddress: mac });
  await ping("one", ROUTER);
});

describe("an address that cannot be had", () => {
  test.each([
    ["outside of the range", "10.77.0.9"],
    ["taken", "10.77.0.70"],
  ])("%s: podman says why, and nothing is kept", async (_, address) => {
    await create("lan", ...SUBNET);
    await start("one", "lan:ip=10.77.0.70");
    const before = await kept();
    const { code, stderr } = await tryPodman([
      ...["run", "--rm", "--network", `lan:ip=${address}`],
      ...[PODMAN_IMAGE, "true"],
    ]);
    expect({ code, stderr }).toEqual({ code: 126, stderr: expect.stringContaining(address) });
    expect(await kept()).toEqual(before);
  });
});

test("a restart, a reload, and a container that was killed", async () => {
  await create("lan", ...SUBNET);
  await start("one", "lan:ip=10.77.0.70");
  for (const again of [
    ["restart", "-t", "1", "one"],
    ["network", "reload", "one"],
    ["network", "reload", "--all"],
  ]) {
    await podman(...again);
    expect(await shown("one", "lan")).toMatchObject({ IPAddress: "10.77.0.70" });
    await ping("one", ROUTER);
  }
  await podman("kill", "one");
  await podman("wait", "one");
  await podman("start", "one");
  await ping("one", ROUTER);
});

test("two networks, connected and disconnected while it runs", async () => {
  await create("lan", ...SUBNET);
  await create("lab", "--subnet", "10.78.0.0/24", "--gateway", "10.78.0.1");
  await start("one", "lan");
  await podman("network", "connect", "lab", "one");
  const { IPAddress: address } = await shown("one", "lab");
  await host.router(["busybox", "ping", "-c1", "-W2", String(address)]);
  await podman("network", "disconnect", "lab", "one");
  expect(await exec("one", "ip", "-o", "link")).not.toContain("eth1");
  await ping("one", ROUTER);
});

test("an internal network has no way out", async () => {
  await create("inside", ...SUBNET, "--internal");
  await start("one", "inside");
  await start("two", "inside");
  expect(await exec("one", "ip", "route")).not.toContain("default");
  await ping("one", String((await shown("two", "inside"))["IPAddress"]));
});

test("Debian's bridge and its chain, with our host-local behind", async () => {
  await start("one", "podman");
  await start("two", "podman");
  expect(await kindsOf("one")).toEqual(["veth"]);
  await ping("one", String((await shown("two", "podman"))["IPAddress"]));
});

test("a parent that is gone is told, and keeps no container from going", async () => {
  await create("lan", ...SUBNET);
  await start("one", "lan");
  await host.unplug();
  try {
    const { code, stderr } = await tryPodman(["run", "--rm", "--network", "lan", PODMAN_IMAGE, "true"]);
    expect({ code, stderr }).toEqual({ code: 126, stderr: expect.stringContaining("lan0") });
    await podman("rm", "-f", "-t", "0", "one");
    expect(await kept()).toEqual([""]);
  } finally {
    await host.plugIn();
  }
});

test("a configuration of somebody's own, of 1.0.0", async () => {
  const conflist = {
    cniVersion: "1.0.0",
    name: "hand",
    plugins: [
      {
        type: "macvlan",
        master: "lan0",
        capabilities: { ips: true, mac: true },
        ipam: { type: "host-local", ranges: [[{ subnet: "10.77.0.0/24", rangeStart: "10.77.0.200" }]] },
      },
      { type: "tuning", sysctl: { "net.ipv4.conf.IFNAME.rp_filter": "2" } },
    ],
  };
  await Bun.write(host.outside("/etc/cni/net.d/hand.conflist"), JSON.stringify(conflist));
  expect(await podman("network", "ls", "--format", "{{.Name}} {{.Driver}}")).toContain("hand macvlan");
  await start("one", "hand");
  expect(await shown("one", "hand")).toMatchObject({ IPAddress: "10.77.0.200" });
  await ping("one", ROUTER);
});
