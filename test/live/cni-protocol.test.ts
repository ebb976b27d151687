import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PLUGIN_NAMES } from "../../src/cni/plugins.ts";
import { VERSIONS } from "../../src/cni/versions.ts";
import {
  type Attachment,
  type CniConf,
  CniFailure,
  type CniHost,
  cniHost,
  linkPlugins,
} from "../ground/cni.ts";
import { libcni, networkOf } from "../ground/libcni.ts";
import { addParent, openTestNetns, type TestNetns } from "../ground/netns.ts";
import type { Output } from "../ground/run.ts";

/** The protocol, spoken with the built program through its real interface: environment, stdin, stdout, exit status. */

let folder = "";
let host: TestNetns;
let container: TestNetns;
let plugins: CniHost;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "underlay-cni-protocol-"));
  linkPlugins(join(folder, "bin"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => {
  host = openTestNetns();
  container = openTestNetns();
  plugins = cniHost({ folders: [join(folder, "bin")], netns: host.path });
});
afterEach(() => {
  for (const netns of [container, host]) netns[Symbol.dispose]();
});

const at = (more: Partial<Attachment> = {}): Attachment => ({
  containerId: "c1",
  netns: container.path,
  ifname: "eth0",
  ...more,
});
const ENV = { CNI_CONTAINERID: "c1", CNI_IFNAME: "eth0", CNI_PATH: "/nowhere" };
const linkNames = (netns: TestNetns) => netns.ipJson("link", "show").map((link) => link["ifname"]);

/** Exactly one document, which is an error; and nothing was made. */
function refusalOf({ code, stdout, stderr }: Output): Record<string, unknown> {
  expect([code, stderr]).toEqual([1, ""]);
  const document: Record<string, unknown> = JSON.parse(stdout);
  expect(Object.keys(document).filter((key) => key !== "details")).toEqual(["cniVersion", "code", "msg"]);
  expect(linkNames(host)).toEqual(["lo"]);
  expect(linkNames(container)).toEqual(["lo"]);
  return document;
}

describe.each(PLUGIN_NAMES)("%s", (type) => {
  test("VERSION answers podman's question, whatever else is in the environment", async () => {
    const dummies = {
      CNI_NETNS: "dummy",
      CNI_IFNAME: "dummy",
      CNI_PATH: "dummy",
      CNI_CONTAINERID: "",
      CNI_ARGS: "",
    };
    const { code, stdout, stderr } = await plugins.raw(
      type,
      { CNI_COMMAND: "VERSION", ...dummies },
      "not even JSON",
    );
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toEndWith("\n");
    expect(JSON.parse(stdout)).toEqual({ cniVersion: "1.1.0", supportedVersions: [...VERSIONS] });
  });

  test("without a command it says on stderr what it is", async () => {
    for (const env of [{}, { CNI_COMMAND: "" }]) {
      const { code, stdout, stderr } = await plugins.raw(type, env, "");
      expect([code, stdout]).toEqual([0, ""]);
      const [about, protocol] = stderr.split("\n");
      expect(about).toMatch(new RegExp(`^CNI ${type} plugin v\\d+\\.\\d+\\.\\d+$`));
      expect(protocol).toBe(`CNI protocol versions supported: ${VERSIONS.join(", ")}`);
    }
  });

  test("a command that is none, and one that lacks everything", async () => {
    expect(refusalOf(await plugins.raw(type, { CNI_COMMAND: "NOPE" }, "{}"))).toMatchObject({
      code: 4,
      msg: "unknown CNI_COMMAND: NOPE",
    });
    expect(refusalOf(await plugins.raw(type, { CNI_COMMAND: "ADD" }, "{}"))).toMatchObject({
      code: 4,
      msg: "required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH] missing",
    });
  });
});

test("CHECK, GC and STATUS have their versions", async () => {
  const since = { CHECK: "0.4.0", GC: "1.1.0", STATUS: "1.1.0" };
  for (const [verb, least] of Object.entries(since)) {
    for (const cniVersion of VERSIONS.filter((version) => version < least)) {
      const env = { ...ENV, CNI_COMMAND: verb, CNI_NETNS: container.path };
      const conf = JSON.stringify({ cniVersion, name: "n", type: "macvlan" });
      expect(refusalOf(await plugins.raw("macvlan", env, conf))).toEqual({
        cniVersion,
        code: 1,
        msg: `config version does not allow ${verb}`,
      });
    }
  }
});

const HOSTILE: readonly (readonly [string, number, Blob | string])[] = [
  ["nothing", 6, ""],
  ["10 MB of white space", 6, " ".repeat(10_000_000)],
  ["10 MB of configuration", 6, `{"name":"n","x":"${"x".repeat(10_000_000)}"}`],
  ["lists in lists", 6, "[".repeat(100_000)],
  ["objects in objects without end", 6, '{"name":"n","a":'.repeat(60_000)],
  ["bad UTF-8 in the name", 7, new Blob([Uint8Array.of(0x7b), '"name":"', Uint8Array.of(0xff), '"}'])],
  ["NUL bytes", 6, "\0\0\0"],
  ["a byte order mark", 6, '\ufeff{"name":"n"}'],
  ["a name with a path", 7, '{"name":"../../etc/passwd"}'],
  ["a version of the future", 1, '{"name":"n","cniVersion":"99.0.0"}'],
  ["a version that is a number", 6, '{"name":"n","cniVersion":1}'],
  [
    "prevResult of lists in lists",
    6,
    `{"name":"n","cniVersion":"1.0.0","prevResult":${"[".repeat(50_000)}${"]".repeat(50_000)}}`,
  ],
  [
    "prevResult with an address that is none",
    6,
    '{"name":"n","cniVersion":"1.0.0","prevResult":{"ips":[{"address":"1/2"}]}}',
  ],
];

test.each(HOSTILE)("%s on stdin is code %i, and nothing is made", async (_, code, stdin) => {
  const env = { ...ENV, CNI_COMMAND: "ADD", CNI_NETNS: container.path };
  expect(refusalOf(await plugins.raw("macvlan", env, stdin))["code"]).toBe(code);
});

test("ids and names with path parts are refused", async () => {
  const conf = '{"name":"n","cniVersion":"1.0.0","type":"macvlan"}';
  for (const verb of ["ADD", "DEL", "CHECK"]) {
    for (const bad of ["../../tmp/x", "a/b", "..", "/etc/passwd"]) {
      const env = { ...ENV, CNI_COMMAND: verb, CNI_NETNS: container.path };
      for (const name of ["CNI_CONTAINERID", "CNI_IFNAME"])
        expect(refusalOf(await plugins.raw("macvlan", { ...env, [name]: bad }, conf))["code"]).toBe(4);
    }
  }
});

test("types of delegates with slashes are refused before anything is started", async () => {
  addParent(host, "p0");
  for (const type of ["../../bin/sh", "/bin/sh", "a/b"]) {
    const conf = { type: "macvlan", name: "n", cniVersion: "1.0.0", master: "p0", ipam: { type } };
    const failure = plugins.add(conf, at());
    await expect(failure).rejects.toMatchObject({ code: 7 });
    await expect(failure).rejects.toThrow(`invalid plugin name: ${type}`);
    expect(linkNames(container)).toEqual(["lo"]);
  }
});

test("our own netns is refused before any link is made or removed", async () => {
  addParent(host, "p0");
  const before = linkNames(host);
  const conf = { type: "macvlan", name: "n", cniVersion: "1.0.0", master: "p0", ipam: {} };
  for (const verb of [plugins.add, plugins.del]) {
    const failure = verb(conf, at({ netns: host.path, ifname: "p0-peer" }));
    await expect(failure).rejects.toThrow("plugin's netns and netns from CNI_NETNS should not be the same");
    await expect(failure).rejects.toMatchObject({ code: 8 });
    expect(linkNames(host)).toEqual(before);
  }
});

test("a DEL with a prevResult that lies, or is none, is a DEL", async () => {
  const lies: unknown[] = [
    7,
    [],
    { ips: "x" },
    { cniVersion: "9.9.9" },
    { ips: [{ address: "10.0.0.1/8", interface: 77 }] },
  ];
  for (const prevResult of lies) {
    const conf = { type: "macvlan", name: "n", cniVersion: "1.0.0", master: "gone0", ipam: {}, prevResult };
    await plugins.del(conf, at());
    await plugins.del(conf, at({ netns: "" }));
    await plugins.del(conf, at({ netns: "/run/netns/underlay-never-was" }));
  }
});

test("a result that 0.1.0 and 0.2.0 cannot say is an error, and the link is there", async () => {
  addParent(host, "p0");
  for (const cniVersion of ["0.1.0", "0.2.0"]) {
    const conf = { type: "macvlan", name: "n", cniVersion, master: "p0", ipam: {} };
    await expect(plugins.add(conf, at())).rejects.toThrow("cannot convert: no valid IP addresses");
    expect(linkNames(container)).toContain("eth0");
    await plugins.del(conf, at());
    expect(linkNames(container)).not.toContain("eth0");
  }
});

test("a list of loopback and macvlan goes through a runtime: ADD, CHECK, STATUS, GC, DEL", async () => {
  addParent(host, "p0");
  const macvlan: CniConf = { type: "macvlan", master: "p0", ipam: {}, capabilities: { mac: true } };
  const list = networkOf(
    JSON.stringify({
      name: "n",
      cniVersion: "0.4.0",
      cniVersions: ["1.0.0", "1.1.0"],
      plugins: [macvlan, { type: "loopback" }],
    }),
  );
  const runtime = libcni(plugins, join(folder, "cache"));
  const rt = { ...at(), capabilityArgs: { mac: "02:00:00:00:00:07" } };
  await runtime.validate(list);
  await runtime.status(list);
  const result = await runtime.add(list, rt);
  expect(result).toMatchObject({
    cniVersion: "1.1.0",
    interfaces: [{ name: "eth0", mac: "02:00:00:00:00:07", mtu: 1500, sandbox: container.path }],
  });
  await runtime.check(list, rt);
  await runtime.gc(list, [rt]);
  await runtime.check(list, rt);
  await runtime.gc(list);
  expect(linkNames(container)).toEqual(["lo"]);
  expect(readdirSync(join(folder, "cache/results"))).toEqual([]);
  await runtime.del(list, rt);
  await expect(runtime.check(list, rt)).rejects.toBeInstanceOf(CniFailure);
});

test("one program for all: type underlay, and the kind in the configuration", async () => {
  addParent(host, "p0");
  linkPlugins(join(folder, "one"), ["underlay"]);
  const one = cniHost({ folders: [join(folder, "one")], netns: host.path });
  const conf = { type: "underlay", kind: "macvlan", name: "n", cniVersion: "1.0.0", master: "p0", ipam: {} };
  expect(await one.version("underlay")).toEqual([...VERSIONS]);
  await one.add(conf, at());
  expect(linkNames(container)).toEqual(["lo", "eth0"]);
  await one.del(conf, at());
  expect(linkNames(container)).toEqual(["lo"]);
  await expect(one.add({ ...conf, kind: undefined }, at())).rejects.toThrow('missing "kind"');
});

test("flannel hands over to macvlan in its own process, and both to an IPAM plugin that is somebody else's", async () => {
  addParent(host, "p0");
  const [subnetFile, dataDir, log] = ["subnet.env", "flannel", "log"].map((name) => join(folder, name));
  writeFileSync(
    String(subnetFile),
    "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.3.1/24\nFLANNEL_MTU=1400\nFLANNEL_IPMASQ=true\n",
  );
  const ipam = join(folder, "bin/strange-ipam");
  const answer =
    '{"cniVersion":"1.0.0","ips":[{"address":"10.244.3.7/24"}],"routes":[{"dst":"10.244.0.0/16","gw":"10.244.3.1"}]}';
  writeFileSync(
    ipam,
    `#!/bin/sh\necho "$CNI_COMMAND $(cat)" >> ${log}\n[ $CNI_COMMAND != ADD ] || echo '${answer}'\n`,
  );
  chmodSync(ipam, 0o755);
  const conf = {
    type: "flannel",
    name: "cbr0",
    cniVersion: "1.1.0",
    subnetFile,
    dataDir,
    delegate: { type: "macvlan", master: "p0" },
    ipam: { type: "strange-ipam" },
  };
  await plugins.status(conf);
  const result = await plugins.add(conf, at());
  expect(result).toMatchObject({
    interfaces: [{ name: "eth0", mtu: 1400 }],
    ips: [{ address: "10.244.3.7/24", interface: 0 }],
  });
  expect(JSON.stringify(container.ipJson("address", "show", "eth0"))).toContain("10.244.3.7");
  expect(readdirSync(String(dataDir))).toEqual(["c1"]);
  await plugins.check({ ...conf, prevResult: result }, at());
  await plugins.gc(conf, [{ containerId: "c1", ifname: "eth0" }]);
  expect(readdirSync(String(dataDir))).toEqual(["c1"]);
  await plugins.del(conf, at());
  expect(linkNames(container)).toEqual(["lo"]);
  expect(readdirSync(String(dataDir))).toEqual([]);
  const asked = readFileSync(String(log), "utf8").trim().split("\n");
  expect(asked.map((line) => line.split(" ")[0])).toEqual(["STATUS", "ADD", "CHECK", "GC", "DEL"]);
  for (const line of asked) {
    expect(JSON.parse(line.slice(line.indexOf(" ")))).toMatchObject({
      type: "macvlan",
      ipam: { type: "strange-ipam", ranges: [[{ subnet: "10.244.3.0/24" }]] },
    });
  }
});
