import { afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CniConf, type CniHost, cniHost } from "../ground/cni.ts";
import { findNetwork, type Libcni, libcni, networkOf } from "../ground/libcni.ts";
import { openTestNetns, type TestNetns } from "../ground/netns.ts";
import { referencePlugins } from "../ground/reference-cni.ts";
import { addressesOf, type CniScene, linkOf, openCniScene } from "./cni-scene.ts";

/** Our plugins and the reference's, of Debian, in one list and in one another, by the hands of a runtime. */

let reference: string;
beforeAll(async () => {
  reference = await referencePlugins();
}, 600_000);

let scene: CniScene;
let folder: string;
beforeEach(() => {
  scene = openCniScene();
  folder = mkdtempSync(join(tmpdir(), "underlay-cni-chained-"));
});
afterEach(() => {
  scene[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

/** A folder with some plugins of ours and some of theirs. */
function mixed(theirs: readonly string[], ours: readonly string[]): CniHost {
  const bin = join(folder, "mixed");
  mkdirSync(bin);
  for (const name of theirs) symlinkSync(join(reference, name), join(bin, name));
  for (const name of ours) symlinkSync(join(String(scene.plugins.folders[0]), name), join(bin, name));
  return cniHost({ folders: [bin], netns: scene.host.path });
}

const IFNAME = "foobar0";
const sysctl = (name: string) => {
  const { stdout } = Bun.spawnSync(["nsenter", `--net=${scene.container.path}`, "sysctl", "-n", name]);
  return stdout.toString().trim();
};
const reserved = () =>
  readdirSync(join(scene.dataDir, "mixed")).filter((name) => /^\d+\.\d+\.\d+\.\d+$/.test(name));

/** The whole life of one list. */
async function throughLife(
  plugins: CniHost,
  cniVersion: string,
  list: readonly CniConf[],
  meanwhile: () => void,
) {
  const runtime: Libcni = libcni(plugins, join(folder, "cache"));
  const network = networkOf(JSON.stringify({ name: "mixed", cniVersion, plugins: list }));
  const rt = { ...scene.attachment, capabilityArgs: { mac: "02:00:00:00:00:09" } };
  await runtime.validate(network);
  await runtime.status(network);
  const result = await runtime.add(network, rt);
  expect(result.cniVersion).toBe(cniVersion);
  expect(result.interfaces?.[0]).toMatchObject({ name: IFNAME, mac: "02:00:00:00:00:09" });
  expect(addressesOf(scene.container, IFNAME)).toEqual([String(result.ips?.[0]?.address)]);
  expect(reserved()).toHaveLength(1);
  meanwhile();
  await runtime.check(network, rt);
  await runtime.gc(network, [rt]);
  await runtime.check(network, rt);
  await runtime.del(network, rt);
  expect([linkOf(scene.container, IFNAME), reserved()]).toEqual([undefined, []]);
  await runtime.del(network, { ...rt, netns: "" });
}

const macvlan = (master: string): CniConf => ({
  type: "macvlan",
  master,
  capabilities: { mac: true },
  ipam: {
    type: "host-local",
    subnet: "10.1.2.0/24",
    dataDir: scene.dataDir,
    routes: [{ dst: "0.0.0.0/0" }, { dst: "10.9.0.0/16", gw: "10.1.2.9" }],
  },
});

describe.each(["0.4.0", "1.0.0", "1.1.0"])("in version %s", (cniVersion) => {
  test("our macvlan, then their tuning", async () => {
    const plugins = mixed(["tuning"], ["macvlan", "host-local"]);
    const tuning = { type: "tuning", sysctl: { "net.ipv4.conf.IFNAME.log_martians": "1" } };
    await throughLife(plugins, cniVersion, [macvlan(scene.master()), tuning], () => {
      expect(sysctl(`net.ipv4.conf.${IFNAME}.log_martians`)).toBe("1");
    });
  });

  test("our macvlan asks their host-local", () =>
    throughLife(mixed(["host-local"], ["macvlan"]), cniVersion, [macvlan(scene.master())], () => undefined));

  test("their macvlan asks our host-local", () =>
    throughLife(mixed(["macvlan"], ["host-local"]), cniVersion, [macvlan(scene.master())], () => undefined));

  test("what theirs attached ours takes away, and the other way round", async () => {
    const conf = { ...macvlan(scene.master()), name: "mixed", cniVersion };
    const theirs = cniHost({ folders: [reference], netns: scene.host.path });
    const { attachment, plugins } = scene;
    for (const [maker, remover] of [
      [theirs, plugins],
      [plugins, theirs],
    ] as const) {
      const prevResult = await maker.add(conf, attachment);
      await remover.check({ ...conf, prevResult }, attachment);
      await remover.del({ ...conf, prevResult }, attachment);
      expect([linkOf(scene.container, IFNAME), reserved()]).toEqual([undefined, []]);
    }
  });
});

describe("20-lannet.conf, as somebody has it since years", () => {
  let other: TestNetns;
  beforeEach(() => {
    other = openTestNetns();
  });
  afterEach(() => other[Symbol.dispose]());

  test("two containers get addresses, the gateway is kept back, no default route, and they ping each other", async () => {
    const net = join(folder, "net.d");
    mkdirSync(net);
    copyFileSync(join(import.meta.dir, "net.d/20-lannet.conf"), join(net, "20-lannet.conf"));
    chmodSync(join(net, "20-lannet.conf"), 0o644);
    expect(scene.master()).toBe("eth0");
    // It says nothing of where reservations are kept, and the machine has its own there.
    const wrap = [
      "unshare",
      "--mount",
      "--propagation",
      "private",
      "sh",
      "-c",
      'mount --bind "$0" /var/lib && exec "$@"',
      folder,
    ];
    const plugins = cniHost({ folders: scene.plugins.folders, netns: scene.host.path, wrap });
    const runtime = libcni(plugins, join(folder, "cache"));
    const network = findNetwork(net, "lannet");
    const pods = [scene.container, other].map((netns, i) => ({
      netns,
      rt: { containerId: `pod${i}`, netns: netns.path, ifname: "eth0" },
    }));
    for (const { rt } of pods) await runtime.add(network, rt);
    expect(pods.map(({ netns }) => addressesOf(netns, "eth0"))).toEqual([["20.1.1.2/24"], ["20.1.1.3/24"]]);
    expect((await runtime.add(network, { ...scene.attachment, ifname: "eth1" })).ip4).toEqual({
      ip: "20.1.1.4/24",
      gateway: "20.1.1.1",
    });
    expect(scene.container.ip("route", "show", "default")).toBe("");
    const files = join(folder, "cni/networks/lannet");
    expect(statSync(files).isDirectory()).toBe(true);
    for (const address of ["20.1.1.2", "20.1.1.3"]) {
      const from = address === "20.1.1.3" ? scene.container : other;
      const { exitCode, stdout } = Bun.spawnSync([
        "nsenter",
        `--net=${from.path}`,
        "busybox",
        "ping",
        "-c1",
        "-W5",
        address,
      ]);
      expect([exitCode, stdout.toString()]).toEqual([0, expect.stringContaining("1 packets received")]);
    }
    for (const { rt } of pods) await runtime.del(network, { ...rt, netns: "" });
    expect(existsSync(join(files, "20.1.1.2"))).toBe(false);
    expect(existsSync(join(files, "20.1.1.4"))).toBe(true);
  });
});
