import { afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type CniConf, type CniHost, cniHost } from "../ground/cni.ts";
import { libcni, networkOf } from "../ground/libcni.ts";
import { openTestNetns, type TestNetns } from "../ground/netns.ts";
import { chainRules } from "../ground/nft.ts";
import { referencePlugins } from "../ground/reference-cni.ts";
import { run } from "../ground/run.ts";
import { addressesOf, type CniScene, linkOf, openCniScene } from "./cni-scene.ts";

/**
 * What bridge and ptp are for: who reaches whom, from which address. And beside the reference's plugins: what one made,
 * the other takes away.
 */

let referenceFolder: string;
beforeAll(async () => {
  referenceFolder = await referencePlugins();
}, 600_000);

let scene: CniScene;
let undo: DisposableStack;
beforeEach(() => {
  scene = openCniScene();
  undo = new DisposableStack();
});
afterEach(() => {
  undo.dispose();
  scene[Symbol.dispose]();
});

const SUBNET = "10.1.2.0/24";
const ipam = (more: object = { subnet: SUBNET }) => ({
  type: "host-local",
  dataDir: scene.dataDir,
  routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
  ...more,
});
const bridgeOf = (more: object = {}): CniConf => ({
  cniVersion: "1.1.0",
  name: "packets",
  type: "bridge",
  bridge: "br0",
  isGateway: true,
  ipam: ipam(),
  ...more,
});
const ptpOf = (more: object = {}): CniConf => ({
  cniVersion: "1.1.0",
  name: "packets",
  type: "ptp",
  ipam: ipam(),
  ...more,
});

const inNetns = ({ path }: TestNetns, ...argv: readonly string[]) =>
  run(["nsenter", `--net=${path}`, ...argv]);
const reaches = async (from: TestNetns, address: string) =>
  (await inNetns(from, "busybox", "ping", "-c1", "-W1", address)).code === 0;

interface Pod {
  readonly netns: TestNetns;
  readonly id: string;
  readonly address: string;
  check(by: CniHost): Promise<void>;
  del(by?: CniHost): Promise<void>;
}

async function pod(conf: CniConf, id: string, by: CniHost = scene.plugins): Promise<Pod> {
  const netns = undo.use(openTestNetns());
  const attachment = { containerId: id, netns: netns.path, ifname: "eth0" };
  const result = await by.add(conf, attachment);
  return {
    netns,
    id,
    address: String(result.ips?.[0]?.address).replace(/\/.*/, ""),
    check: (other) => other.check({ ...conf, prevResult: result }, attachment),
    del: (other = by) => other.del({ ...conf, prevResult: result }, attachment),
  };
}

/** A machine behind the host, which knows no way to the containers: it answers to none but the host's own addresses. */
function behindHost(): TestNetns {
  const far = undo.use(openTestNetns());
  const { netns } = far;
  // By the path of this process's descriptor, which ip(8) takes as a name of a file.
  scene.host.ip("link", "add", "up0", "type", "veth", "peer", "name", "far0");
  scene.host.ip("link", "set", "far0", "netns", `/proc/${process.pid}/fd/${netns.fd}`);
  scene.host.ip("address", "add", "192.0.2.1/24", "dev", "up0");
  scene.host.ip("-6", "address", "add", "2001:db8:9::1/64", "dev", "up0", "nodad");
  scene.host.ip("link", "set", "up0", "up");
  far.ip("address", "add", "192.0.2.2/24", "dev", "far0");
  far.ip("-6", "address", "add", "2001:db8:9::2/64", "dev", "far0", "nodad");
  far.ip("link", "set", "far0", "up");
  return far;
}

const DUAL = { ranges: [[{ subnet: SUBNET }], [{ subnet: "fd00:1::/64" }]] };
const masquerades = () => chainRules(scene.host, "inet cni_plugins_masquerade masq_checks");

test.each([
  ["bridge", bridgeOf],
  ["ptp", ptpOf],
] as const)(
  "%s: with masquerade a container reaches who knows no way back, over IPv4 and IPv6",
  async (_, confOf) => {
    behindHost();
    const plain = await pod(confOf({ ipam: ipam(DUAL) }), "plain");
    const hidden = await pod(confOf({ ipam: ipam(DUAL), ipMasq: true }), "hidden");
    expect(await reaches(plain.netns, "192.0.2.2")).toBe(false);
    for (const address of ["192.0.2.2", "2001:db8:9::2"])
      expect(await reaches(hidden.netns, address)).toBe(true);
    // Among each other they are who they are.
    expect(await reaches(plain.netns, hidden.address)).toBe(true);
    await hidden.del();
    expect(await masquerades()).toEqual([]);
    await plain.del();
  },
);

test("bridge: a container that sends from another MAC address is not heard", async () => {
  const honest = await pod(bridgeOf({ macspoofchk: true }), "honest");
  expect(await reaches(honest.netns, "10.1.2.1")).toBe(true);
  honest.netns.ip("link", "set", "eth0", "address", "02:00:00:00:00:99");
  expect(await reaches(honest.netns, "10.1.2.1")).toBe(false);
  await honest.del();
});

test("bridge: isolated ports reach the gateway and not each other", async () => {
  const [one, two] = [await pod(bridgeOf(), "one"), await pod(bridgeOf(), "two")];
  expect(await reaches(one.netns, two.address)).toBe(true);
  const isolated = bridgeOf({ portIsolation: true });
  const [three, four] = [await pod(isolated, "three"), await pod(isolated, "four")];
  expect(await reaches(three.netns, four.address)).toBe(false);
  expect(await reaches(three.netns, "10.1.2.1")).toBe(true);
  expect(await reaches(three.netns, one.address)).toBe(true);
});

test("bridge: frames pass as soon as an ADD has answered", async () => {
  for (const id of ["a", "b", "c"]) {
    const { netns } = await pod(bridgeOf(), id);
    expect((await inNetns(netns, "busybox", "ping", "-c1", "-W1", "10.1.2.1")).stdout).toContain(
      "1 packets received",
    );
  }
});

test("bridge: with enabledad an address that somebody has is refused, and nothing is left", async () => {
  const six = { ipam: ipam({ ranges: [[{ subnet: "fd00:1::/64" }]], routes: [] }), enabledad: true };
  const first = await pod(bridgeOf({ ...six, isGateway: false }), "first");
  expect(addressesOf(first.netns, "eth0", 6)).toHaveLength(1);
  // Somebody who asked nobody.
  first.netns.ip("-6", "address", "add", "fd00:1::3/64", "dev", "eth0", "nodad");
  await expect(pod(bridgeOf({ ...six, isGateway: false }), "second")).rejects.toThrow(
    "address fd00:1::3 is somebody else's already",
  );
  expect(scene.host.ipJson("link", "show").map((link) => link["ifname"])).toHaveLength(3);
}, 20_000);

test("20 ADDs at once, and 20 DELs: one bridge, no address twice, and nothing is left", async () => {
  const conf = bridgeOf({ ipMasq: true, macspoofchk: true });
  const pods = await Promise.all(Array.from({ length: 20 }, (_, i) => pod(conf, `c${i}`)));
  expect(new Set(pods.map(({ address }) => address)).size).toBe(20);
  expect(await masquerades()).toHaveLength(20);
  expect(await chainRules(scene.host, "bridge nat PREROUTING")).toHaveLength(20);
  await Promise.all(pods.map((each) => each.del()));
  expect([await masquerades(), await chainRules(scene.host, "bridge nat PREROUTING")]).toEqual([[], []]);
  expect(scene.host.ipJson("link", "show").map((link) => link["ifname"])).toEqual(["lo", "br0"]);
}, 60_000);

test.each([
  ["bridge", bridgeOf],
  ["ptp", ptpOf],
] as const)("%s: what the reference's plugin made, ours finds right and takes away", async (_, confOf) => {
  const theirs = cniHost({ folders: [referenceFolder], netns: scene.host.path });
  const one = await pod(confOf(), "theirs", theirs);
  expect(await reaches(one.netns, "10.1.2.1")).toBe(true);
  await one.check(scene.plugins);
  await one.del(scene.plugins);
  expect(linkOf(one.netns, "eth0")).toBeUndefined();
  expect(
    scene.host.ipJson("link", "show").filter((link) => String(link["ifname"]).startsWith("veth")),
  ).toEqual([]);
  expect(reserved()).toEqual([]);
});

test.each([
  ["bridge", bridgeOf],
  ["ptp", ptpOf],
] as const)("%s: what ours made, the reference's plugin finds right and takes away", async (_, confOf) => {
  const theirs = cniHost({ folders: [referenceFolder], netns: scene.host.path });
  const one = await pod(confOf(), "ours");
  await one.check(theirs);
  await one.del(theirs);
  expect(linkOf(one.netns, "eth0")).toBeUndefined();
  expect(
    scene.host.ipJson("link", "show").filter((link) => String(link["ifname"]).startsWith("veth")),
  ).toEqual([]);
  expect(reserved()).toEqual([]);
});

function reserved(): string[] {
  const folder = join(scene.dataDir, "packets");
  return existsSync(folder) ? readdirSync(folder).filter((name) => /^\d+\.\d+\.\d+\.\d+$/.test(name)) : [];
}

test.each([
  ["bridge", bridgeOf],
  ["ptp", ptpOf],
] as const)(
  "%s, then the reference's bandwidth and tuning, who ask for the host's end",
  async (_, confOf) => {
    const network = networkOf(
      JSON.stringify({
        name: "packets",
        cniVersion: "1.0.0",
        plugins: [
          { ...confOf(), cniVersion: undefined, name: undefined },
          { type: "bandwidth", ingressRate: 8_000_000, ingressBurst: 8_000_000 },
          { type: "tuning", sysctl: { "net.ipv4.conf.IFNAME.log_martians": "1" } },
        ],
      }),
    );
    const folders = [...scene.plugins.folders, referenceFolder];
    const runtime = libcni(cniHost({ folders, netns: scene.host.path }), join(scene.dataDir, "../cache"));
    const result = await runtime.add(network, scene.attachment);
    const port = String(result.interfaces?.find(({ name }) => name.startsWith("veth"))?.name);
    const { stdout } = await inNetns(scene.host, "tc", "qdisc", "show", "dev", port);
    expect(stdout).toContain("rate 8Mbit");
    await runtime.check(network, scene.attachment);
    await runtime.del(network, scene.attachment);
    expect(reserved()).toEqual([]);
  },
);

test("STATUS says why an ADD could not be: the link is no bridge, the pool is used up", async () => {
  await scene.plugins.status(bridgeOf({ ipMasq: true }));
  await scene.plugins.status(ptpOf({ ipMasq: true }));
  scene.host.ip("link", "add", "br0", "type", "veth", "peer", "name", "br1");
  await expect(scene.plugins.status(bridgeOf())).rejects.toThrow('"br0" already exists but is not a bridge');
  await expect(pod(bridgeOf(), "none")).rejects.toThrow('"br0" already exists but is not a bridge');
  const full = ipam({ ranges: [[{ subnet: SUBNET, rangeStart: "10.1.2.5", rangeEnd: "10.1.2.5" }]] });
  await scene.inhabit();
  await scene.plugins.add(ptpOf({ ipam: full }), scene.attachment);
  await expect(scene.plugins.status(ptpOf({ ipam: full }))).rejects.toMatchObject({ code: 50 });
});

test("CHECK is not confused by a listener on the bridge, and sees a port that left it", async () => {
  const conf = bridgeOf();
  const result = await scene.plugins.add(conf, scene.attachment);
  const checked = () => scene.plugins.check({ ...conf, prevResult: result }, scene.attachment);
  scene.host.ip("link", "set", "br0", "promisc", "on");
  await checked();
  const port = String(result.interfaces?.[1]?.name);
  scene.host.ip("link", "set", port, "nomaster");
  await expect(checked()).rejects.toThrow(`bridge br0 of the host: ${port} is no port of it`);
  scene.host.ip("link", "set", port, "master", "br0");
  await checked();
  scene.host.ip("address", "del", "10.1.2.1/24", "dev", "br0");
  await expect(checked()).rejects.toThrow("br0 lacks address 10.1.2.1/24");
});
