import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deriveMac } from "../../src/lib/mac.ts";
import { attaching, created } from "../../src/netavark/messages.fixture.ts";
import { type NetavarkHost, netavarkHost } from "../ground/netavark.ts";
import { openTestNetns, type TestNetns } from "../ground/netns.ts";
import { addressesOf, linkOf } from "./cni-scene.ts";

/** The driver for bridges that are there: the container's other end is one more port, and nothing else of the host changes. */

const DRIVER = "underlay-bridge";
const OURS = { options: { bridge: "br0" } };

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
  host.ip("link", "add", "br0", "mtu", "1450", "type", "bridge");
  host.ip("address", "add", "10.90.0.1/24", "dev", "br0");
  host.ip("link", "set", "br0", "up");
  plugin = netavarkHost(join(folder, "bin"), host.path);
});
afterEach(() => scene.dispose());

const setup = (network: object = OURS, options: object = {}) =>
  plugin.setup(DRIVER, container.path, attaching({ ...OURS, ...network }, options));
const teardown = () => plugin.teardown(DRIVER, container.path, attaching(OURS));
const namesIn = (netns: TestNetns) => netns.ipJson("link", "show").map((link) => link["ifname"]);
function expectPing(): void {
  const ping = ["busybox", "ping", "-c1", "-W2", "10.90.0.1"];
  expect(Bun.spawnSync(["nsenter", `--net=${container.path}`, ...ping]).exitCode).toBe(0);
}
const ports = () => host.ipJson("link", "show", "master", "br0");

test("create finds the bridge", async () => {
  expect(await plugin.create(DRIVER, created(OURS))).toMatchObject({
    network_interface: "br0",
    options: { bridge: "br0", mode: "unmanaged" },
  });
});

describe("create refuses", () => {
  const create = (more: object) => plugin.create(DRIVER, created(more));

  test("what is no bridge, is not there, or has no name", async () => {
    host.ip("link", "add", "veth0", "type", "veth", "peer", "name", "veth1");
    await expect(create({ options: { bridge: "veth0" } })).rejects.toThrow(
      "already exists but is not a bridge",
    );
    await expect(create({ options: { bridge: "br7" } })).rejects.toThrow(
      "bridge br7 of the host: it is not there",
    );
    await expect(create({ options: {} })).rejects.toThrow("which bridge?");
  });

  test("one that is down, and VLANs on one that does not filter them", async () => {
    await expect(create({ options: { bridge: "br0", vlan: "50" } })).rejects.toThrow(
      "it does not filter VLANs",
    );
    host.ip("link", "set", "br0", "down");
    await expect(create(OURS)).rejects.toThrow("it is down");
  });
});

test("setup makes a port, which reaches the bridge, and leaves the bridge as it was", async () => {
  // Its MAC address is the lowest of its ports', as of any bridge that was not told one.
  host.ip("link", "add", "nic0", "mtu", "1450", "type", "veth", "peer", "name", "nic1");
  host.ip("link", "set", "nic0", "master", "br0");
  const ofBridge = () => [addressesOf(host, "br0"), linkOf(host, "br0")?.["address"]];
  const before = ofBridge();
  const status = await setup({}, { static_mac: "02:11:22:33:44:55" });
  expect(status.interfaces["eth0"]).toEqual({
    mac_address: "02:11:22:33:44:55",
    subnets: [{ gateway: "10.90.0.1", ipnet: "10.90.0.65/24" }],
  });
  expect(ports()).toHaveLength(2);
  expect(ofBridge()).toEqual(before);
  expect(linkOf(container, "eth0")).toMatchObject({ mtu: 1450, linkinfo: { info_kind: "veth" } });
  expect(container.ipJson("route", "show", "default")).toMatchObject([{ gateway: "10.90.0.1", metric: 100 }]);
  expectPing();
  await teardown();
  expect([namesIn(host), namesIn(container)]).toEqual([["lo", "br0", "nic1", "nic0"], ["lo"]]);
  expect(ofBridge()).toEqual(before);
});

test("a MAC address that begins as those of ports do is not the port's own, for which the bridge would keep all", async () => {
  const { network } = attaching(OURS);
  const ids = Array.from({ length: 1000 }, (_, i) => `c${i}`);
  const id = ids.find((each) => deriveMac(`netavark:${network.id}/${each}/eth0`).startsWith("fe:"));
  const message = attaching(OURS, {}, { container_id: String(id) });
  await plugin.setup(DRIVER, container.path, message);
  const [port] = ports();
  const inside = String(linkOf(container, "eth0")?.["address"]);
  expect([String(port?.["address"]).slice(0, 3), inside.slice(0, 3)]).toEqual(["fe:", "fe:"]);
  expect(port?.["address"]).not.toBe(inside);
  expectPing();
  await plugin.teardown(DRIVER, container.path, message);
});

test("again is the same, and so is the MAC address", async () => {
  const first = await setup();
  expect(await setup()).toEqual(first);
  expect(ports()).toHaveLength(1);
  await teardown();
  await teardown();
  expect(await setup()).toEqual(first);
});

test("a bridge that is gone is told, and keeps no container from going", async () => {
  await setup();
  host.ip("link", "del", "br0");
  await teardown();
  expect([namesIn(host), namesIn(container)]).toEqual([["lo"], ["lo"]]);
  await expect(setup()).rejects.toThrow("bridge br0 of the host: it is not there");
  expect([namesIn(host), namesIn(container)]).toEqual([["lo"], ["lo"]]);
});
