import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { attaching, created } from "../../src/netavark/messages.fixture.ts";
import { getLink } from "../../src/netlink/link.ts";
import { type NetavarkHost, netavarkHost } from "../ground/netavark.ts";
import { addParent, openTestNetns, type TestNetns } from "../ground/netns.ts";
import { addressesOf, linkOf } from "./cni-scene.ts";

/** The built program as netavark calls it: verbs in arguments, messages on stdin, links in a container's netns. */

const DRIVER = "underlay-macvlan";

let scene: DisposableStack;
let host: TestNetns;
let container: TestNetns;
let plugin: NetavarkHost;
beforeEach(() => {
  scene = new DisposableStack();
  const folder = scene.adopt(mkdtempSync(join(tmpdir(), "underlay-netavark-")), (path) =>
    rmSync(path, { recursive: true }),
  );
  host = scene.use(openTestNetns());
  container = scene.use(openTestNetns());
  addParent(host, "eth0");
  plugin = netavarkHost(join(folder, "bin"), host.path);
});
afterEach(() => scene.dispose());

const setup = (...parts: Parameters<typeof attaching>) =>
  plugin.setup(DRIVER, container.path, attaching(...parts));
const teardown = (...parts: Parameters<typeof attaching>) =>
  plugin.teardown(DRIVER, container.path, attaching(...parts));
const linkNames = (netns: TestNetns) => netns.ipJson("link", "show").map((link) => link["ifname"]);
const sysctl = (name: string) =>
  Bun.spawnSync(["nsenter", `--net=${container.path}`, "cat", `/proc/sys/net/${name}`])
    .stdout.toString()
    .trim();

const DUAL = {
  subnets: [
    { subnet: "10.90.0.0/24", gateway: "10.90.0.1" },
    { subnet: "fd90::/64", gateway: "fd90::1" },
  ],
};
const BOTH = { static_ips: ["10.90.0.7", "fd90::7"] };

describe("create", () => {
  test("finds the link of the default route and writes it down", async () => {
    host.ip("address", "add", "192.0.2.2/24", "dev", "eth0");
    host.ip("route", "add", "default", "via", "192.0.2.1");
    expect(await plugin.create(DRIVER, created({ options: {} }))).toMatchObject({
      network_interface: "eth0",
      options: { mode: "bridge" },
      dns_enabled: false,
    });
  });

  test.each([
    [{ options: { parent: "nope" } }, "no link is called nope"],
    [{ options: {} }, "no default route interface found"],
    [{ options: { parent: "eth0", mtu: "9000" } }, "MTU"],
  ])("%j is refused, and nothing is made", async (more, message) => {
    await expect(plugin.create(DRIVER, created(more))).rejects.toThrow(message);
    expect(linkNames(host)).toEqual(["lo", "eth0-peer", "eth0"]);
  });
});

describe("setup", () => {
  test("makes the link that podman asked for", async () => {
    const network = { options: { parent: "eth0", mode: "private", mtu: "1400", metric: "7" } };
    const routes = [{ destination: "10.1.0.0/16", gateway: "10.90.0.2", metric: 9 }];
    const status = await setup(
      { ...network, ...DUAL, routes, network_dns_servers: ["10.90.0.53"] },
      { ...BOTH, static_mac: "02:11:22:33:44:55", interface_name: "lan7" },
    );
    expect(status.dns_server_ips).toEqual(["10.90.0.53"]);
    expect(status.interfaces).toEqual({
      lan7: {
        mac_address: "02:11:22:33:44:55",
        subnets: [
          { gateway: "10.90.0.1", ipnet: "10.90.0.7/24" },
          { gateway: "fd90::1", ipnet: "fd90::7/64" },
        ],
      },
    });
    expect(linkOf(container, "lan7")).toMatchObject({
      mtu: 1400,
      address: "02:11:22:33:44:55",
      linkinfo: { info_kind: "macvlan", info_data: { mode: "private" } },
      flags: expect.arrayContaining(["UP"]),
    });
    expect([addressesOf(container, "lan7"), addressesOf(container, "lan7", 6)]).toEqual([
      ["10.90.0.7/24"],
      ["fd90::7/64"],
    ]);
    expect(container.ipJson("route")).toMatchObject([
      { dst: "default", gateway: "10.90.0.1", metric: 7 },
      { dst: "10.1.0.0/16", gateway: "10.90.0.2", metric: 9 },
      { dst: "10.90.0.0/24", prefsrc: "10.90.0.7" },
    ]);
    expect(container.ipJson("-6", "route", "show", "default")).toMatchObject([
      { gateway: "fd90::1", metric: 7 },
    ]);
  });

  test("routers give the link no addresses, and it announces its own", async () => {
    await setup();
    expect([sysctl("ipv6/conf/eth0/autoconf"), sysctl("ipv4/conf/eth0/arp_notify")]).toEqual(["0", "1"]);
  });

  test("bclim reaches the kernel", async () => {
    await setup({ options: { parent: "eth0", bclim: "-1" } });
    const link = await getLink(container.conversation, { name: "eth0" });
    expect(link?.attrs.info).toMatchObject({ kind: "macvlan", data: { bcCutoff: -1 } });
  });

  test("again is the same: one link, the same MAC address, also after it went away", async () => {
    const first = await setup();
    expect(await setup()).toEqual(first);
    expect(linkNames(container)).toEqual(["lo", "eth0"]);
    await teardown();
    expect(await setup()).toEqual(first);
  });

  test("several networks of one container", async () => {
    addParent(host, "eth1");
    await setup();
    const second = {
      id: "77",
      options: { parent: "eth1" },
      subnets: [{ subnet: "10.91.0.0/24", gateway: "10.91.0.1" }],
    };
    await setup(second, { interface_name: "eth1", static_ips: ["10.91.0.9"], options: { metric: "50" } });
    expect(container.ipJson("route", "show", "default")).toMatchObject([
      { gateway: "10.91.0.1", metric: 50 },
      { gateway: "10.90.0.1", metric: 100 },
    ]);
    await teardown(second, { interface_name: "eth1" });
    expect(linkNames(container)).toEqual(["lo", "eth0"]);
  });

  test("a network without addresses, and an internal one", async () => {
    const bare = await setup({ subnets: null, ipam_options: { driver: "none" } }, { static_ips: null });
    expect(bare.interfaces["eth0"]?.subnets).toEqual([]);
    await teardown();
    const internal = await setup({ internal: true });
    expect(internal.interfaces["eth0"]?.subnets).toEqual([{ ipnet: "10.90.0.65/24" }]);
    expect(container.ipJson("route", "show", "default")).toEqual([]);
  });

  test("a name that somebody else's link has is refused, and the link stays", async () => {
    container.ip("link", "add", "eth0", "type", "veth", "peer", "name", "other");
    await expect(setup()).rejects.toThrow("the container has a link eth0 already");
    expect(linkNames(container).sort()).toEqual(["eth0", "lo", "other"]);
  });

  test.each([
    ["the parent is gone", () => setup({ options: { parent: "nope" } }), "no link is called nope"],
    [
      "the kernel refuses a route",
      () => setup({ routes: [{ destination: "10.1.0.0/16", gateway: "10.90.0.255" }] }),
      "add a route",
    ],
    [
      "there is no netns",
      () => plugin.setup(DRIVER, "/run/netns/underlay-none", attaching()),
      "no network namespace at",
    ],
    [
      "it is the host's netns",
      () => plugin.setup(DRIVER, host.path, attaching()),
      "the host's network namespace",
    ],
  ])("when %s, nothing is left", async (_, failing, message) => {
    await expect(failing()).rejects.toThrow(message);
    expect([linkNames(container), linkNames(host)]).toEqual([["lo"], ["lo", "eth0-peer", "eth0"]]);
  });
});

describe("teardown", () => {
  test("needs neither link, nor parent, nor netns", async () => {
    await teardown();
    await setup();
    host.ip("link", "del", "eth0");
    await teardown();
    await plugin.teardown(DRIVER, "/run/netns/underlay-none", attaching());
    await plugin.teardown(DRIVER, "/dev/null", attaching());
    expect(linkNames(container)).toEqual(["lo"]);
  });

  test("needs no network that is sound", async () => {
    await setup();
    await plugin.teardown(DRIVER, container.path, {
      network_options: { interface_name: "eth0" },
      network: 7,
    });
    expect(linkNames(container)).toEqual(["lo"]);
  });

  test("never touches the host's links", async () => {
    await expect(plugin.teardown(DRIVER, host.path, attaching())).rejects.toThrow(
      "the host's network namespace",
    );
    expect(linkNames(host)).toContain("eth0");
  });
});

describe("what nobody should send", () => {
  const message = JSON.stringify(attaching());
  test.each([
    ["nothing", ""],
    ["a text that ends too early", message.slice(0, -9)],
    ["10 MB", `${message.slice(0, -1)},"x":"${"x".repeat(10_000_000)}"}`],
    ["depth", `{"network":${"[".repeat(200_000)}${"]".repeat(200_000)}}`],
    ["a list", `[${message}]`],
    ["a name with path parts", JSON.stringify(attaching({}, { interface_name: "../../../etc/passwd" }))],
    ["a name of the kernel's patterns", JSON.stringify(attaching({}, { interface_name: "eth%d" }))],
    ["keys of the prototype", message.replace('"options":{', '"options":{"__proto__":"x",')],
    ["a lie about types", message.replace('"eth0"', "7")],
  ])("%s is refused in one JSON document, and nothing is made", async (_, stdin) => {
    const { code, stdout, stderr } = await plugin.raw(DRIVER, ["setup", container.path], new Blob([stdin]));
    expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
    expect(JSON.parse(stdout)).toEqual({ error: expect.any(String) });
    expect(stdout.length).toBeLessThan(5000);
    expect(linkNames(container)).toEqual(["lo"]);
  });

  test("bytes that are no UTF-8 break nothing", async () => {
    const bytes = Buffer.from(message.replace('"lan"', '"l\u00ffn"'), "latin1");
    const { code } = await plugin.raw(DRIVER, ["setup", container.path], new Blob([bytes]));
    expect(code).toBe(0);
    expect(linkNames(container)).toEqual(["lo", "eth0"]);
  });
});

test("an ipvlan is asked of the kernel, and a kernel without them says so", async () => {
  const mode = { options: { parent: "eth0", mode: "l3" } };
  await expect(
    plugin.setup("underlay-ipvlan", container.path, attaching(mode, { static_mac: "02:11:22:33:44:55" })),
  ).rejects.toThrow("an ipvlan has the MAC address of its parent");
  const outcome = await plugin.setup("underlay-ipvlan", container.path, attaching(mode)).catch(String);
  if (typeof outcome === "string") expect(outcome).toContain("ipvlan");
  else expect(container.ipJson("route", "show", "default")).toMatchObject([{ dst: "default", dev: "eth0" }]);
});

test("setup and teardown end before any function has been called often enough to be compiled", async () => {
  const env = { BUN_JSC_reportBaselineCompileTimes: "1" };
  for (const verb of ["setup", "teardown"]) {
    const message = JSON.stringify(attaching());
    const { code, stdout, stderr } = await plugin.raw(DRIVER, [verb, container.path], message, env);
    expect(code).toBe(0);
    expect([...(stdout + stderr).matchAll(/^Optimized (\S*)/gm)].map(([, name]) => name)).toEqual([]);
  }
});
