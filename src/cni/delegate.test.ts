import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatCidr } from "../lib/ip.ts";
import { delegates } from "./delegate.ts";
import { asCniError, CniError } from "./errors.ts";
import type { Call, Loaders, Plugin } from "./plugin.ts";
import { type FakeProcessOptions, fakeProcess } from "./process.fixture.ts";
import { parseResult } from "./result.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "underlay-delegate-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A plugin that notes what it was asked and then does as the script says. Answers where the notes are. */
function script(name: string, body: string): { path: string; notes: () => string } {
  const [path, notes] = [join(folder, name), join(folder, `${name}.notes`)];
  const note = `in=$(cat); echo "$CNI_COMMAND $CNI_NETNS $CNI_IFNAME $CNI_ARGS $EXTRA $in" >> ${notes}`;
  writeFileSync(path, `#!/bin/sh\n${note}\n${body}\n`);
  chmodSync(path, 0o755);
  return { path, notes: () => (existsSync(notes) ? readFileSync(notes, "utf8") : "") };
}

const ENV = {
  CNI_COMMAND: "ADD",
  CNI_NETNS: "/run/netns/x",
  CNI_IFNAME: "eth0",
  CNI_ARGS: "A=b",
  EXTRA: "kept",
};
const RAW = '{"name":"n","cniVersion":"1.0.0"}';

function callWith(changes: Partial<Call> = {}, path = [folder]): Call {
  const env = {
    verb: "ADD",
    containerId: "c",
    netns: "/run/netns/x",
    ifname: "eth0",
    path,
    args: "A=b",
  } as const;
  return { env, conf: {}, raw: RAW, name: "n", version: "1.0.0", ...changes };
}

function open(options: FakeProcessOptions = {}, loaders: Loaders = {}) {
  const fake = fakeProcess(options);
  return { ...fake, delegate: delegates(ENV, fake.io, loaders) };
}

async function errorOf(work: Promise<unknown>): Promise<CniError> {
  try {
    await work;
  } catch (thrown) {
    return asCniError(thrown);
  }
  throw new Error("did not fail");
}

test("the delegate gets our environment and our whole configuration, and its result is read", async () => {
  const { notes } = script("ok", `echo '{"ips":[{"address":"10.0.0.5/24"}]}'; echo seen >&2`);
  const { delegate, written } = open();
  const result = await delegate.add("ok", callWith());
  expect(result.ips.map(({ address }) => formatCidr(address))).toEqual(["10.0.0.5/24"]);
  expect(notes()).toBe(`ADD /run/netns/x eth0 A=b kept ${RAW}\n`);
  expect(written).toEqual({ stdout: [], stderr: ["seen\n"] });
});

test("each verb is sent as it is, and what a delegate prints for it counts for nothing", async () => {
  const { notes } = script("verbs", "echo noise");
  const { delegate } = open();
  await delegate.del("verbs", callWith());
  await delegate.check("verbs", callWith());
  await delegate.gc("verbs", callWith());
  await delegate.status("verbs", callWith());
  expect(notes().match(/^\w+/gm)).toEqual(["DEL", "CHECK", "GC", "STATUS"]);
});

test("the netns that the program gave the call is the one that the delegate gets", async () => {
  const { notes } = script("gone", "true");
  const call = callWith();
  await open().delegate.del("gone", { ...call, env: { ...call.env, netns: "" } });
  expect(notes()).toBe(`DEL  eth0 A=b kept ${RAW}\n`);
});

test("code, message and details of a delegate are passed on", async () => {
  script("full", `echo '{"code":11,"msg":"pool full","details":"all of it"}'; exit 1`);
  const { delegate } = open();
  for (const work of [delegate.del, delegate.check, delegate.gc, delegate.status])
    expect(await errorOf(work("full", callWith()))).toMatchObject({
      code: 11,
      message: "pool full",
      details: "all of it",
    });
});

test("what a delegate says badly is worded as the reference's library does", async () => {
  script("mute", "exit 3");
  script("killed", "kill -9 $$");
  script("stderr", `echo "it broke" >&2; exit 1`);
  script("garbage", "echo nonsense; exit 1");
  script("bare", `echo '"text"'; exit 1`);
  script("codeless", `echo '{"msg":"no code"}'; exit 1`);
  const { delegate } = open();
  const texts = {
    mute: "netplugin failed with no error message: exit status 3",
    killed: "netplugin failed with no error message: signal: SIGKILL",
    stderr: 'netplugin failed: "it broke"',
    garbage: 'netplugin failed but error parsing its diagnostic message "nonsense\\n"',
    bare: 'netplugin failed but error parsing its diagnostic message "\\"text\\"\\n"',
    codeless: "no code",
  };
  for (const [type, message] of Object.entries(texts))
    expect(await errorOf(delegate.del(type, callWith()))).toMatchObject({ code: 999, message });
});

test("an ADD that fails is followed by a DEL, and says why the ADD failed", async () => {
  const failing = script("halfway", `[ $CNI_COMMAND = DEL ] || { echo '{"code":7,"msg":"no"}'; exit 1; }`);
  expect(await errorOf(open().delegate.add("halfway", callWith()))).toMatchObject({ code: 7, message: "no" });
  expect(failing.notes().match(/^\w+/gm)).toEqual(["ADD", "DEL"]);
  const lying = script("lying", "echo nonsense");
  expect(await errorOf(open().delegate.add("lying", callWith()))).toMatchObject({ code: 6 });
  expect(lying.notes().match(/^\w+/gm)).toEqual(["ADD", "DEL"]);
});

test("when that DEL fails too both are told", async () => {
  script("hopeless", `echo "{\\"code\\":5,\\"msg\\":\\"$CNI_COMMAND broke\\"}"; exit 1`);
  expect(await errorOf(open().delegate.add("hopeless", callWith()))).toMatchObject({
    code: 5,
    message: "ADD broke; DEL broke",
  });
});

test("a result of another version is understood", async () => {
  script("old", `echo '{"cniVersion":"0.2.0","ip4":{"ip":"10.0.0.5/24"},"dns":{}}'`);
  expect((await open().delegate.add("old", callWith())).ips).toHaveLength(1);
});

test("the first folder with a regular file of that name counts", async () => {
  const [first, second] = [join(folder, "first"), join(folder, "second")];
  mkdirSync(join(first, "twice"), { recursive: true });
  mkdirSync(second);
  const { notes } = script("second/twice", "true");
  await open().delegate.del("twice", callWith({}, [join(folder, "none"), first, second]));
  expect(notes()).toStartWith("DEL");
});

test("types that are no plugin's are refused before anything is started", async () => {
  const { delegate } = open();
  const refused: [string, string[], number, string][] = [
    ["", [folder], 7, "no plugin name provided"],
    ["../ok", [folder], 7, "invalid plugin name: ../ok"],
    ["/bin/sh", [folder], 7, "invalid plugin name: /bin/sh"],
    ["a\0b", [folder], 7, "invalid plugin name: a\0b"],
    ["ok", [], 4, "no paths provided"],
    ["nosuch", [folder, "/x"], 7, `failed to find plugin "nosuch" in path [${folder} /x]`],
    ["..", [folder], 7, `failed to find plugin ".." in path [${folder}]`],
  ];
  for (const [type, path, code, message] of refused) {
    expect(await errorOf(delegate.add(type, callWith({}, path)))).toMatchObject({ code, message });
    expect(await errorOf(delegate.del(type, callWith({}, path)))).toMatchObject({ code, message });
    // Without its delegate a plugin cannot serve an ADD.
    expect(await errorOf(delegate.status(type, callWith({}, path)))).toMatchObject({ code: 50, message });
  }
});

test("a file that cannot be started is code 5 and named", async () => {
  const path = join(folder, "plain");
  writeFileSync(path, "nothing to run");
  const error = await errorOf(open().delegate.del("plain", callWith()));
  expect(error).toMatchObject({ code: 5, message: expect.stringContaining(`cannot start plugin ${path}: `) });
});

test("a program that is being written is tried again", async () => {
  const { path, notes } = script("busy", "true");
  const writer = openSync(path, "r+");
  expect(() => Bun.spawnSync([path])).toThrow("ETXTBSY");
  const closing = setTimeout(() => closeSync(writer), 500);
  await open().delegate.del("busy", callWith());
  clearTimeout(closing);
  expect(notes().match(/^\w+/gm)).toEqual(["DEL"]);
});

/** A plugin of ours that notes its verbs. */
function ownPlugin(verbs: string[], address: string, fails = false): Loaders {
  const note = async (verb: string) => void verbs.push(verb);
  const plugin: Plugin = {
    async add({ version }) {
      verbs.push("ADD");
      if (fails) throw new CniError(11, "full");
      const ips = [{ address }, { address }].map((ip) => ({ version: "4", ...ip }));
      return parseResult({ cniVersion: "1.0.0", ips, routes: [{ dst: "0.0.0.0/0", mtu: 1400 }] }, version);
    },
    del: () => note("DEL"),
    check: () => note("CHECK"),
    gc: (_, valid) => note(`GC ${JSON.stringify(valid)}`),
    status: () => note("STATUS"),
  };
  return {
    own: async ({ isDelegated }) => {
      expect(isDelegated).toBe(true);
      return plugin;
    },
  };
}

test("a plugin that is this very program is called, not started", async () => {
  const { path, notes } = script("own", "exit 1");
  const verbs: string[] = [];
  const { delegate } = open({ ownExecutables: [path] }, ownPlugin(verbs, "10.0.0.5/24"));
  expect((await delegate.add("own", callWith())).ips).toHaveLength(2);
  await delegate.del("own", callWith());
  await delegate.check("own", callWith());
  await delegate.gc("own", callWith());
  await delegate.gc("own", callWith({ conf: { "cni.dev/valid-attachments": [] } }));
  await delegate.status("own", callWith());
  expect(verbs).toEqual(["ADD", "DEL", "CHECK", "GC undefined", "GC []", "STATUS"]);
  expect(notes()).toBe("");
});

test("a call in this process loses what a printed result of an old version loses", async () => {
  const { path } = script("own", "exit 1");
  const { delegate } = open({ ownExecutables: [path] }, ownPlugin([], "10.0.0.5/24"));
  const { ips, routes } = await delegate.add("own", callWith({ version: "0.2.0" }));
  expect(ips).toHaveLength(1);
  expect(routes[0]?.mtu).toBeUndefined();
});

test("one of ours that fails has undone what it did: no DEL follows", async () => {
  const { path } = script("own", "exit 1");
  const verbs: string[] = [];
  const { delegate } = open({ ownExecutables: [path] }, ownPlugin(verbs, "10.0.0.5/24", true));
  expect(await errorOf(delegate.add("own", callWith()))).toMatchObject({ code: 11 });
  expect(verbs).toEqual(["ADD"]);
});

test("somebody else's program of the same name is started, ours under a name that it does not know is not", async () => {
  const { notes } = script("own", "true");
  const verbs: string[] = [];
  await open({}, ownPlugin(verbs, "10.0.0.5/24")).delegate.del("own", callWith());
  const odd = script("constructor", "true");
  const { delegate } = open({ ownExecutables: [odd.path] }, ownPlugin(verbs, "10.0.0.5/24"));
  await expect(delegate.del("constructor", callWith())).rejects.toThrow(/none of its plugins/);
  expect([notes().startsWith("DEL"), odd.notes()]).toEqual([true, ""]);
  expect(verbs).toEqual([]);
});

test.each([
  ["macvlan", /^plugin macvlan would ask itself: ipam\.type names one that gives addresses, like host-local/],
  ["underlay", /underlay is this program, and underlay none of its plugins: they are macvlan$/],
])("this program is not asked for ever: %s", async (type, message) => {
  const path = script(type, "exit 0").path;
  const nothing = async () => undefined;
  const loaders: Loaders = {
    macvlan: async ({ delegate }) => ({
      add: (call) => delegate.add(type, call),
      del: (call) => delegate.del(type, call),
      check: nothing,
      gc: nothing,
      status: nothing,
    }),
  };
  const { delegate } = open({ ownExecutables: [path] }, loaders);
  await expect(delegate.add(type, callWith())).rejects.toThrow(message);
  await expect(delegate.del(type, callWith())).rejects.toThrow(message);
});
