import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CniConf, CniFailure, cniHost } from "./cni.ts";
import { findNetwork, libcni, loadNetwork, type NetworkList, networkOf } from "./libcni.ts";

/** The runtime that our plugins are tested with, tested itself: with plugins that note what they are asked. */

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "underlay-libcni-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const notes = () => join(folder, "notes");

/** Notes one line of JSON for each call; an ADD answers its own name as an interface, and fails on demand. */
function plugin(name: string, script = ""): void {
  const note =
    `printf '{"plugin":"${name}","verb":"%s","id":"%s","netns":"%s","ifname":"%s","args":"%s","conf":%s}\\n'` +
    ` "$CNI_COMMAND" "$CNI_CONTAINERID" "$CNI_NETNS" "$CNI_IFNAME" "$CNI_ARGS" "$(cat)" >> ${notes()}`;
  const answer = `case $CNI_COMMAND in
    ADD) echo '{"cniVersion":"1.0.0","interfaces":[{"name":"${name}"}]}';;
    VERSION) echo '{"cniVersion":"1.1.0","supportedVersions":["0.4.0","1.0.0","1.1.0"]}';;
  esac`;
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${note}\n${script}\n${answer}\n`);
  chmodSync(path, 0o755);
}

interface Note {
  readonly plugin: string;
  readonly verb: string;
  readonly id: string;
  readonly netns: string;
  readonly ifname: string;
  readonly args: string;
  readonly conf: CniConf;
}

/** What was noted since the last time. */
function noted(): Note[] {
  const text = existsSync(notes()) ? readFileSync(notes(), "utf8") : "";
  rmSync(notes(), { force: true });
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

const RT = { containerId: "c1", netns: "/run/netns/c1", ifname: "eth0", args: "IgnoreUnknown=1;A=b" };

function scene(cniVersion = "1.1.0", more: CniConf = {}) {
  plugin("one");
  plugin("two");
  const host = cniHost({ folders: [join(folder, "nothing"), folder] });
  const plugins = [{ type: "one", capabilities: { ips: true, mac: false } }, { type: "two" }];
  const list = networkOf(JSON.stringify({ name: "net", cniVersion, plugins, ...more }));
  return { host, list, runtime: libcni(host, join(folder, "cache")) };
}

const verbs = (calls: readonly Note[]) =>
  calls.map(({ verb, plugin, id }) => `${verb} ${plugin} ${id}`.trim());
const interfaceOf = ({ conf }: Note) => JSON.stringify(conf["prevResult"])?.match(/"name":"(\w+)"/)?.[1];

test("ADD goes forward with the result so far, DEL and CHECK with the final one", async () => {
  const { list, runtime } = scene();
  expect((await runtime.add(list, RT)).interfaces).toEqual([{ name: "two" }]);
  const adds = noted();
  expect(verbs(adds)).toEqual(["ADD one c1", "ADD two c1"]);
  expect(adds.map(interfaceOf)).toEqual([undefined, "one"]);
  expect(adds[0]).toMatchObject({ netns: "/run/netns/c1", ifname: "eth0", args: "IgnoreUnknown=1;A=b" });
  expect(adds[1]?.conf).toMatchObject({ name: "net", cniVersion: "1.1.0", type: "two" });

  await runtime.check(list, RT);
  await runtime.del(list, { ...RT, netns: "" });
  const rest = noted();
  expect(verbs(rest)).toEqual(["CHECK one c1", "CHECK two c1", "DEL two c1", "DEL one c1"]);
  expect(rest.map(interfaceOf)).toEqual(["two", "two", "two", "two"]);
  expect(rest[2]?.netns).toBe("");
});

test("the cache is libcni's, and a DEL that succeeds removes it", async () => {
  const { list, runtime } = scene();
  await runtime.add(list, { ...RT, capabilityArgs: { ips: ["10.0.0.5"] } });
  const file = join(folder, "cache/results/net-c1-eth0");
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({
    kind: "cniCacheV1",
    containerId: "c1",
    config: Buffer.from(list.bytes).toString("base64"),
    ifName: "eth0",
    networkName: "net",
    netns: "/run/netns/c1",
    cniArgs: [
      ["IgnoreUnknown", "1"],
      ["A", "b"],
    ],
    capabilityArgs: { ips: ["10.0.0.5"] },
    result: { cniVersion: "1.0.0", interfaces: [{ name: "two" }] },
  });
  await runtime.del(list, RT);
  expect(existsSync(file)).toBe(false);
});

test("runtimeConfig has what is offered and declared, and is absent when empty", async () => {
  const { list, runtime } = scene();
  await runtime.add(list, {
    ...RT,
    capabilityArgs: { ips: ["10.0.0.5"], mac: "02:00:00:00:00:01", other: 1 },
  });
  await runtime.add(list, { ...RT, capabilityArgs: { mac: "02:00:00:00:00:01" } });
  expect(noted().map(({ conf }) => conf["runtimeConfig"])).toEqual([
    { ips: ["10.0.0.5"] },
    undefined,
    undefined,
    undefined,
  ]);
});

test("prevResult is for DEL from 0.4.0 on, and CHECK is refused before", async () => {
  const { list, runtime } = scene("0.3.1");
  await runtime.add(list, RT);
  await expect(runtime.check(list, RT)).rejects.toThrow(
    'configuration version "0.3.1" does not support CHECK',
  );
  await runtime.del(list, RT);
  expect(
    noted()
      .filter(({ verb }) => verb === "DEL")
      .map(interfaceOf),
  ).toEqual([undefined, undefined]);
});

test("a cache that is lost, broken or of old means that DEL does without or with the bare result", async () => {
  const { list, runtime } = scene();
  await runtime.del(list, RT);
  mkdirSync(join(folder, "cache/results"), { recursive: true });
  writeFileSync(runtime.cacheFile(list, RT), "{");
  await runtime.del(list, RT);
  writeFileSync(runtime.cacheFile(list, RT), '{"cniVersion":"1.0.0","interfaces":[{"name":"bare"}]}');
  await runtime.del(list, RT);
  expect(noted().map(interfaceOf)).toEqual([undefined, undefined, undefined, undefined, "bare", "bare"]);
});

test("an ADD that fails stops; a DEL that fails stops and keeps the cache", async () => {
  const { list, runtime } = scene();
  await runtime.add(list, RT);
  plugin("two", `echo '{"code":7,"msg":"no","details":"never"}'; exit 1`);
  noted();
  const failure = runtime.del(list, RT);
  await expect(failure).rejects.toThrow(CniFailure);
  await expect(failure).rejects.toMatchObject({ code: 7, message: "no", details: "never" });
  expect(verbs(noted())).toEqual(["DEL two c1"]);
  expect(existsSync(runtime.cacheFile(list, RT))).toBe(true);
  await expect(runtime.add(list, { ...RT, containerId: "c2" })).rejects.toThrow("no");
  expect(verbs(noted())).toEqual(["ADD one c2", "ADD two c2"]);
});

test("GC deletes cached attachments of the network that are not valid, then tells the plugins", async () => {
  const { list, runtime } = scene();
  for (const containerId of ["a", "b"]) await runtime.add(list, { ...RT, containerId });
  await runtime.add({ ...list, name: "other" }, { ...RT, containerId: "o" });
  noted();
  await runtime.gc(list, [{ containerId: "b", ifname: "eth0" }]);
  const calls = noted();
  expect(verbs(calls)).toEqual(["DEL two a", "DEL one a", "GC one", "GC two"]);
  expect(calls[0]).toMatchObject({ netns: "/run/netns/c1", args: "IgnoreUnknown=1;A=b" });
  expect(calls[2]?.conf).toMatchObject({
    "cni.dev/valid-attachments": [{ containerID: "b", ifname: "eth0" }],
    "cni.dev/attachments": [{ containerID: "b", ifname: "eth0" }],
  });
  expect(calls[2]?.conf).not.toHaveProperty("prevResult");

  await runtime.gc(list);
  const all = noted();
  expect(verbs(all)).toEqual(["DEL two b", "DEL one b", "GC one", "GC two"]);
  expect(all[2]?.conf).not.toHaveProperty("cni.dev/valid-attachments");
  await runtime.gc(list, []);
  expect(noted()[0]?.conf["cni.dev/valid-attachments"]).toEqual([]);
});

test("GC goes on past what fails and tells it all; older versions hear of no GC and no STATUS", async () => {
  const { list, runtime } = scene();
  await runtime.add(list, RT);
  plugin(
    "one",
    `[ $CNI_COMMAND = DEL ] || [ $CNI_COMMAND = GC ] && { echo "{\\"code\\":5,\\"msg\\":\\"$CNI_COMMAND\\"}"; exit 1; }`,
  );
  noted();
  await expect(runtime.gc(list, [])).rejects.toThrow("CniFailure: DEL; CniFailure: GC");
  expect(verbs(noted())).toEqual(["DEL two c1", "DEL one c1", "GC one", "GC two"]);

  const old = scene("1.0.0");
  await old.runtime.gc(old.list, [{ containerId: "c1", ifname: "eth0" }]);
  await old.runtime.status(old.list);
  expect(noted()).toEqual([]);
  await runtime.status(list);
  expect(verbs(noted())).toEqual(["STATUS one", "STATUS two"]);
});

test("disableCheck and disableGC, as booleans and as texts", async () => {
  for (const [yes, no] of [
    [true, false],
    ["True", "false"],
  ]) {
    const { list, runtime } = scene("1.1.0", { disableCheck: yes, disableGC: yes });
    await runtime.check(list, RT);
    await runtime.gc(list);
    expect(noted()).toEqual([]);
    expect(networkOf(JSON.stringify({ name: "n", disableGC: no })).disableGC).toBe(false);
  }
  expect(() => networkOf('{"name":"n","disableGC":"maybe"}')).toThrow('invalid value "maybe" for disableGC');
});

test("every plugin has to be there and to speak the version", async () => {
  const { list, runtime } = scene();
  await runtime.validate(list);
  await expect(runtime.validate({ ...list, cniVersion: "0.3.1" })).rejects.toThrow(
    'plugin one does not support config version "0.3.1"',
  );
  await expect(runtime.validate({ ...list, plugins: [{ type: "nosuch" }] })).rejects.toThrow(
    "failed to find plugin",
  );
});

test("of several versions the highest counts that the library knows", () => {
  const version = (conf: CniConf): string => networkOf(JSON.stringify({ name: "n", ...conf })).cniVersion;
  expect(version({})).toBe("");
  expect(version({ cniVersion: "9.0.0" })).toBe("9.0.0");
  expect(version({ cniVersion: "0.4.0", cniVersions: ["1.0.0", "1.1.0", "2.0.0"] })).toBe("1.1.0");
  expect(version({ cniVersion: "1.0.0", cniVersions: ["0.4.0"] })).toBe("1.0.0");
});

test("networks are found by name: lists first, single plugins as lists of one, plugins of a folder appended", () => {
  const write = (name: string, conf: object) => writeFileSync(join(folder, name), JSON.stringify(conf));
  write("20-lannet.conf", { name: "lannet", type: "macvlan", master: "eth0" });
  write("90.conflist", { name: "lists", cniVersion: "1.0.0", plugins: [{ type: "one" }] });
  write("10.json", { name: "lists", type: "three" });
  mkdirSync(join(folder, "lists"));
  write("lists/b.conf", { type: "two" });
  write("lists/a.txt", { type: "no" });
  const types = ({ plugins }: NetworkList) => plugins.map((conf) => conf["type"]);
  expect(types(findNetwork(folder, "lists"))).toEqual(["one", "two"]);
  const seed = findNetwork(folder, "lannet");
  expect(types(seed)).toEqual(["macvlan"]);
  expect(seed.cniVersion).toBe("");
  expect(() => findNetwork(folder, "none")).toThrow('no net configuration with name "none"');
  write("90.conflist", { name: "lists", loadOnlyInlinedPlugins: "true", plugins: [{ type: "one" }] });
  expect(types(loadNetwork(join(folder, "90.conflist")))).toEqual(["one"]);
  write("99.conf", { name: "broken" });
  expect(() => findNetwork(folder, "lannet")).toThrow("missing 'type'");
});

test("what the protocol forbids fails the test that sees it", async () => {
  const { host } = scene();
  const conf = { type: "bad", name: "n" };
  const forbidden = {
    "echo noise; exit 0": ["DEL", "a success that is not silent"],
    "exit 0": ["ADD", "stdout is not one JSON object"],
    "echo '{}{}'; exit 1": ["DEL", "stdout is not one JSON object"],
    "echo '{}'; exit 1": ["DEL", "a failure without code and msg"],
    [`echo '{"code":7,"msg":"x"}'; exit 2`]: ["DEL", "a failure whose exit status is not 1"],
    [`echo '{"code":7,"msg":"x"}'; exit 0`]: ["ADD", "an error with exit status 0"],
  } as const;
  for (const [script, [verb, message]] of Object.entries(forbidden)) {
    plugin("bad", script);
    await expect(verb === "ADD" ? host.add(conf, RT) : host.del(conf, RT)).rejects.toThrow(
      `bad ${verb}: ${message}`,
    );
  }
});
