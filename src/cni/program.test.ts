import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Env } from "./env.ts";
import { CniError } from "./errors.ts";
import type { Call, Plugin } from "./plugin.ts";
import { type FakeProcess, type FakeProcessOptions, fakeProcess } from "./process.fixture.ts";
import { runCni } from "./program.ts";
import { parseResult, type Result } from "./result.ts";
import { VERSIONS } from "./versions.ts";

const ENV = {
  CNI_CONTAINERID: "c1",
  CNI_NETNS: "/run/netns/x",
  CNI_IFNAME: "eth0",
  CNI_PATH: "/opt/cni/bin",
};
const conf = (cniVersion: string, more: object = {}) =>
  JSON.stringify({ cniVersion, name: "n", type: "fake", ...more });
const ONE_ADDRESS = { interfaces: [{ name: "eth0" }], ips: [{ address: "10.0.0.5/24", interface: 0 }] };

interface Ran extends FakeProcess {
  readonly status: number;
  readonly calls: { verb: string; call: Call; valid?: unknown }[];
  readonly loads: number;
}

interface Scene extends FakeProcessOptions {
  readonly result?: Result;
  readonly fails?: unknown;
}

async function run(env: Env, scene: Scene = {}): Promise<Ran> {
  const fake = fakeProcess(scene);
  const calls: Ran["calls"] = [];
  let loads = 0;
  const note = (verb: string) => async (call: Call, valid?: unknown) => {
    calls.push({ verb, call, valid });
    if (scene.fails !== undefined) throw scene.fails;
  };
  const plugin: Plugin = {
    async add(call) {
      await note("ADD")(call);
      return scene.result ?? parseResult(ONE_ADDRESS, "1.0.0");
    },
    del: note("DEL"),
    check: note("CHECK"),
    gc: note("GC"),
    status: note("STATUS"),
  };
  const load = async () => {
    loads++;
    return plugin;
  };
  const status = await runCni({ name: "fake", version: "1.2.3", loaders: { fake: load } }, env, fake.io);
  return { ...fake, status, calls, loads };
}

/** The one document on stdout. */
function told({ written }: Ran): Record<string, unknown> {
  expect(written.stdout).toHaveLength(1);
  return JSON.parse(written.stdout[0] ?? "");
}

test("without CNI_COMMAND it says on stderr what it is; that is no error", async () => {
  for (const env of [{}, { CNI_COMMAND: "" }, { ...ENV, CNI_COMMAND: "" }]) {
    const ran = await run(env, { stdin: "not read" });
    expect(ran).toMatchObject({ status: 0, written: { stdout: [] }, reads: [], loads: 0 });
    expect(ran.written.stderr.join("")).toBe(
      "CNI fake plugin v1.2.3\nCNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0\n",
    );
  }
});

test("VERSION answers from nothing: stdin is not read, no plugin is loaded", async () => {
  const ran = await run({ CNI_COMMAND: "VERSION", CNI_PATH: "dummy", CNI_NETNS: "dummy" }, { stdin: "{" });
  expect(ran).toMatchObject({ status: 0, reads: [], loads: 0 });
  expect(ran.written.stdout).toEqual([
    '{"cniVersion":"1.1.0","supportedVersions":["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}\n',
  ]);
});

test("ADD prints the result in the configuration's version", async () => {
  for (const version of VERSIONS) {
    const ran = await run({ ...ENV, CNI_COMMAND: "ADD" }, { stdin: conf(version) });
    expect(ran.status).toBe(0);
    expect(told(ran)["cniVersion"]).toBe(version);
    expect(ran.calls).toMatchObject([{ verb: "ADD", call: { name: "n", version, raw: conf(version) } }]);
  }
});

test("what succeeds otherwise prints nothing", async () => {
  for (const verb of ["DEL", "CHECK", "GC", "STATUS"]) {
    const ran = await run({ ...ENV, CNI_COMMAND: verb }, { stdin: conf("1.1.0") });
    expect(ran).toMatchObject({ status: 0, written: { stdout: [], stderr: [] }, calls: [{ verb }] });
  }
});

test("each verb has a version from which on it may be called", async () => {
  const since = { ADD: "0.1.0", DEL: "0.1.0", CHECK: "0.4.0", GC: "1.1.0", STATUS: "1.1.0" };
  for (const [verb, least] of Object.entries(since)) {
    for (const version of VERSIONS) {
      const ran = await run({ ...ENV, CNI_COMMAND: verb }, { stdin: conf(version) });
      const allowed = version >= least;
      expect(ran.calls).toHaveLength(allowed ? 1 : 0);
      if (!allowed)
        expect(told(ran)).toEqual({
          cniVersion: version,
          code: 1,
          msg: `config version does not allow ${verb}`,
        });
    }
  }
});

test("a version that nobody knows is told with those that we do", async () => {
  for (const verb of ["ADD", "DEL", "CHECK", "GC", "STATUS"]) {
    const ran = await run({ ...ENV, CNI_COMMAND: verb }, { stdin: conf("0.3.2") });
    expect(ran).toMatchObject({ status: 1, loads: 0 });
    expect(told(ran)).toMatchObject({
      code: 1,
      msg: "incompatible CNI versions",
      details: 'config is "0.3.2", plugin supports ["0.1.0" "0.2.0" "0.3.0" "0.3.1" "0.4.0" "1.0.0" "1.1.0"]',
    });
  }
});

test("no cniVersion is 0.1.0", async () => {
  expect(told(await run({ ...ENV, CNI_COMMAND: "ADD" }, { stdin: '{"name":"n"}' }))).toEqual({
    cniVersion: "0.1.0",
    ip4: { ip: "10.0.0.5/24" },
    dns: {},
  });
});

test("a wrong environment is told before stdin is read", async () => {
  const ran = await run({ CNI_COMMAND: "NOPE" });
  expect(ran).toMatchObject({ status: 1, reads: [], loads: 0 });
  expect(told(ran)).toEqual({ cniVersion: "1.1.0", code: 4, msg: "unknown CNI_COMMAND: NOPE" });
  expect(told(await run({ CNI_COMMAND: "GC" }))["msg"]).toBe("required env variables [CNI_PATH] missing");
});

test("of a configuration without end no more is read than is judged", async () => {
  const ran = await run(
    { ...ENV, CNI_COMMAND: "ADD" },
    { stdin: new Uint8Array(10 * 1024 * 1024).fill(0x20) },
  );
  expect(ran.reads).toEqual([1024 * 1024]);
  expect(told(ran)).toMatchObject({ code: 6 });
});

test("an error is one document, in the configuration's version, and exit status 1", async () => {
  for (const verb of ["ADD", "DEL", "CHECK", "GC", "STATUS"]) {
    const ran = await run(
      { ...ENV, CNI_COMMAND: verb },
      { stdin: conf("1.1.0"), fails: new CniError(51, "bad", "very") },
    );
    expect(ran.status).toBe(1);
    expect(told(ran)).toEqual({ cniVersion: "1.1.0", code: 51, msg: "bad", details: "very" });
  }
  const bug = await run(
    { ...ENV, CNI_COMMAND: "ADD" },
    { stdin: conf("0.4.0"), fails: new TypeError("oops") },
  );
  expect(told(bug)).toEqual({ cniVersion: "0.4.0", code: 999, msg: "internal error: oops" });
});

test("a result that an old version cannot say is an error, and the plugin is asked to undo nothing", async () => {
  for (const version of ["0.1.0", "0.2.0"]) {
    const result = parseResult({ interfaces: [{ name: "eth0" }] }, "1.0.0");
    const ran = await run({ ...ENV, CNI_COMMAND: "ADD" }, { stdin: conf(version), result });
    expect(ran.status).toBe(1);
    expect(told(ran)["msg"]).toBe("cannot convert: no valid IP addresses");
    expect(ran.calls.map(({ verb }) => verb)).toEqual(["ADD"]);
  }
});

test("a stdout that is gone is not written to twice", async () => {
  const fake = fakeProcess({ stdin: conf("1.0.0") });
  let writes = 0;
  const io = {
    ...fake.io,
    writeStdout() {
      writes++;
      throw new Error("EPIPE");
    },
  };
  const program = { name: "none", version: "1", loaders: {} };
  await expect(runCni(program, { ...ENV, CNI_COMMAND: "ADD" }, io)).rejects.toThrow("EPIPE");
  expect(writes).toBe(1);
});

const OWN = { ownNetns: "/run/netns/x" };
const SAME = "plugin's netns and netns from CNI_NETNS should not be the same";

test("an ADD into our own netns is refused before any work", async () => {
  const ran = await run({ ...ENV, CNI_COMMAND: "ADD" }, { stdin: conf("1.0.0"), ...OWN });
  expect(told(ran)).toEqual({ cniVersion: "1.0.0", code: 8, msg: SAME });
  expect(ran).toMatchObject({ status: 1, loads: 0, calls: [] });
});

test("a DEL of our own netns frees what is in none, then says what is wrong", async () => {
  const ran = await run({ ...ENV, CNI_COMMAND: "DEL" }, { stdin: conf("1.0.0"), ...OWN });
  expect(told(ran)).toMatchObject({ code: 8, msg: SAME });
  expect(ran.calls).toMatchObject([{ verb: "DEL", call: { env: { netns: "" } } }]);
});

test("CNI_NETNS_OVERRIDE allows it; CHECK never minded", async () => {
  for (const verb of ["ADD", "DEL"]) {
    const env = { ...ENV, CNI_COMMAND: verb, CNI_NETNS_OVERRIDE: "TRUE" };
    const ran = await run(env, { stdin: conf("1.0.0"), ...OWN });
    expect(ran).toMatchObject({ status: 0, calls: [{ verb, call: { env: { netns: "/run/netns/x" } } }] });
  }
  expect((await run({ ...ENV, CNI_COMMAND: "CHECK" }, { stdin: conf("1.0.0"), ...OWN })).status).toBe(0);
});

test("a DEL without a netns is a DEL", async () => {
  const ran = await run({ ...ENV, CNI_COMMAND: "DEL", CNI_NETNS: "" }, { stdin: conf("0.4.0"), ...OWN });
  expect(ran).toMatchObject({ status: 0, calls: [{ verb: "DEL", call: { env: { netns: "" } } }] });
});

test("prevResult is there where it is sound", async () => {
  const prevResult = { cniVersion: "1.0.0", ips: [{ address: "10.0.0.9/24" }] };
  for (const verb of ["ADD", "DEL", "CHECK"]) {
    const ran = await run({ ...ENV, CNI_COMMAND: verb }, { stdin: conf("1.0.0", { prevResult }) });
    expect(ran.calls[0]?.call.prevResult?.ips).toHaveLength(1);
  }
});

test("a prevResult that is none fails ADD and CHECK; DEL, GC and STATUS do without", async () => {
  const stdin = conf("1.1.0", { prevResult: { ips: "all of them" } });
  for (const verb of ["ADD", "CHECK"]) {
    const ran = await run({ ...ENV, CNI_COMMAND: verb }, { stdin });
    expect(told(ran)).toMatchObject({
      code: 6,
      msg: "could not parse prevResult: no CNI result: ips must be a list, not a string",
    });
    expect(ran.loads).toBe(0);
  }
  for (const verb of ["DEL", "GC", "STATUS"]) {
    const ran = await run({ ...ENV, CNI_COMMAND: verb }, { stdin });
    expect(ran).toMatchObject({ status: 0, written: { stdout: [] } });
    expect(ran.calls[0]?.call).not.toHaveProperty("prevResult");
    expect(ran.written.stderr).toHaveLength(verb === "DEL" ? 1 : 0);
  }
});

test("GC hands on whether the runtime said what is alive", async () => {
  const gc = async (more: object) =>
    (await run({ CNI_COMMAND: "GC", CNI_PATH: "/x" }, { stdin: conf("1.1.0", more) })).calls[0]?.valid;
  expect(await gc({})).toBeUndefined();
  expect(await gc({ "cni.dev/valid-attachments": [] })).toEqual([]);
  expect(await gc({ "cni.dev/valid-attachments": [{ containerID: "a", ifname: "eth0" }] })).toEqual([
    { containerId: "a", ifname: "eth0" },
  ]);
});

test("a name that no plugin of ours has is an error, whatever the prototype of a table says", async () => {
  const fake = fakeProcess({ stdin: conf("1.0.0") });
  const program = { name: "constructor", version: "1", loaders: {} };
  expect(await runCni(program, { ...ENV, CNI_COMMAND: "ADD" }, fake.io)).toBe(1);
  expect(JSON.parse(fake.written.stdout.join(""))).toMatchObject({ code: 999 });
});

test("a program without a plugin's name is the plugin that the configuration's kind says", async () => {
  const called: string[] = [];
  const plugin = (name: string): Plugin => ({
    add: async () => parseResult(ONE_ADDRESS, "1.0.0"),
    del: async () => void called.push(name),
    check: async () => undefined,
    gc: async () => undefined,
    status: async () => undefined,
  });
  const loaders = { macvlan: async () => plugin("macvlan"), ipvlan: async () => plugin("ipvlan") };
  const del = async (more: object) => {
    const fake = fakeProcess({ stdin: conf("1.0.0", more) });
    await runCni({ version: "1", loaders }, { ...ENV, CNI_COMMAND: "DEL" }, fake.io);
    return fake.written.stdout.join("");
  };
  expect(await del({ kind: "ipvlan" })).toBe("");
  expect(await del({ KIND: "macvlan" })).toBe("");
  expect(called).toEqual(["ipvlan", "macvlan"]);
  expect(JSON.parse(await del({}))).toMatchObject({
    code: 7,
    msg: 'missing "kind": type underlay is one of macvlan, ipvlan',
  });
  expect(JSON.parse(await del({ kind: "mcvlan" }))).toMatchObject({
    code: 7,
    msg: "unknown kind mcvlan, did you mean macvlan?",
  });
  expect(JSON.parse(await del({ kind: 7 }))).toMatchObject({ code: 7 });
  expect(JSON.parse(await del({ kind: "constructor" }))).toMatchObject({ code: 7 });
});

/** Half of them what a runtime could say, so that not all end at the first check. */
const anyEnv = fc.record({
  CNI_COMMAND: fc.oneof(fc.constantFrom("ADD", "DEL", "CHECK", "GC", "STATUS"), fc.string({ minLength: 1 })),
  CNI_CONTAINERID: fc.oneof(fc.constant("c1"), fc.string()),
  CNI_IFNAME: fc.oneof(fc.constant("eth0"), fc.string({ unit: "binary" })),
  CNI_NETNS: fc.oneof(fc.constant("/run/netns/x"), fc.string()),
  CNI_PATH: fc.oneof(fc.constant("/opt/cni/bin"), fc.string()),
  CNI_ARGS: fc.string(),
});
const anyStdin = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.json(),
  fc
    .record(
      {
        name: fc.oneof(fc.constant("n"), fc.jsonValue()),
        cniVersion: fc.oneof(fc.constantFrom(...VERSIONS), fc.jsonValue()),
        prevResult: fc.jsonValue(),
        runtimeConfig: fc.jsonValue(),
        "cni.dev/valid-attachments": fc.jsonValue(),
      },
      { requiredKeys: ["name", "cniVersion"] },
    )
    .map((value) => JSON.stringify(value)),
);

test("whatever comes, the answer is silence with status 0, a result with 0, or one error with 1", async () => {
  await fc.assert(
    fc.asyncProperty(anyEnv, anyStdin, async (env, stdin) => {
      const { written, status } = await run(env, { stdin });
      expect(written.stdout.length).toBeLessThanOrEqual(1);
      const document = written.stdout.length === 1 ? JSON.parse(written.stdout.join("")) : undefined;
      if (status === 0) expect(document?.code).toBeUndefined();
      else expect(document).toMatchObject({ code: expect.any(Number), msg: expect.stringMatching(/./) });
      expect([0, 1]).toContain(status);
    }),
    { numRuns: 500 },
  );
});
