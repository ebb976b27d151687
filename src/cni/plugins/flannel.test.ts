import { expect, test } from "bun:test";
import { CniError } from "../errors.ts";
import type { Call, Conf, Delegate } from "../plugin.ts";
import { parseResult } from "../result.ts";
import { type FlannelFiles, flannel } from "./flannel.ts";

const ENV_FILE = "/run/flannel/subnet.env";
const ENV = [
  "FLANNEL_NETWORK=10.244.0.0/16,10.245.0.0/16,10.244.0.0/16",
  "FLANNEL_SUBNET=10.244.3.1/24",
  "FLANNEL_MTU=1450",
  "FLANNEL_IPMASQ=true",
  "",
].join("\n");
const ENV6 = `${ENV}FLANNEL_IPV6_NETWORK=fd00::/48\nFLANNEL_IPV6_SUBNET=fd00:0:0:3::1/64\n`;

interface Asked {
  readonly verb: string;
  readonly type: string;
  readonly call: Call;
}

function scene(first: Readonly<Record<string, string>> = { [ENV_FILE]: ENV }, fails?: CniError) {
  const disk = new Map(Object.entries(first));
  const asked: Asked[] = [];
  const files: FlannelFiles = {
    read: (path) => disk.get(path),
    write: (path, text) => void disk.set(path, text),
    remove: (path) => void disk.delete(path),
    namesIn: (folder) =>
      [...disk.keys()]
        .filter((path) => path.startsWith(`${folder}/`))
        .map((path) => path.slice(folder.length + 1)),
  };
  const note = (verb: string) => async (type: string, call: Call) => {
    asked.push({ verb, type, call });
    expect(JSON.parse(call.raw)).toEqual(call.conf);
    if (fails) throw fails;
  };
  const delegate: Delegate = {
    async add(type, call) {
      await note("ADD")(type, call);
      return parseResult({ ips: [{ address: "10.244.3.2/24" }] }, "1.0.0");
    },
    del: note("DEL"),
    check: note("CHECK"),
    gc: note("GC"),
    status: note("STATUS"),
  };
  return { disk, asked, plugin: flannel(delegate, files) };
}

function callWith(conf: Conf = {}, more: Partial<Call> = {}): Call {
  const env = {
    verb: "ADD",
    containerId: "c1",
    netns: "/n",
    ifname: "eth0",
    path: ["/x"],
    args: "",
  } as const;
  return { env, conf, raw: "{}", name: "cbr0", version: "1.0.0", ...more };
}

const SAVED = "/var/lib/cni/flannel/c1";

test("the delegate's configuration is a bridge with this host's ranges and the cluster's routes", async () => {
  const { asked, disk, plugin } = scene();
  expect((await plugin.add(callWith())).ips).toHaveLength(1);
  const conf = {
    type: "bridge",
    name: "cbr0",
    cniVersion: "1.0.0",
    ipMasq: false,
    mtu: 1450,
    isGateway: true,
    ipam: {
      type: "host-local",
      ranges: [[{ subnet: "10.244.3.0/24" }]],
      routes: [{ dst: "10.244.0.0/16" }, { dst: "10.245.0.0/16" }],
    },
  };
  expect(asked).toMatchObject([{ verb: "ADD", type: "bridge" }]);
  expect<unknown>(asked[0]?.call.conf).toEqual(conf);
  expect<unknown>(JSON.parse(disk.get(SAVED) ?? "")).toEqual(conf);
});

test("what the operator wrote stays", async () => {
  const { asked, plugin } = scene({ [ENV_FILE]: ENV6 });
  const prevResult = parseResult({}, "1.0.0");
  const conf = {
    Delegate: { type: "macvlan", master: "eth0", mtu: 1400, ipMasq: true },
    ipam: { type: "other", routes: [{ dst: "0.0.0.0/0", gw: "10.0.0.1" }], dataDir: "/d" },
    runtimeConfig: { mac: "02:00:00:00:00:01" },
  };
  await plugin.add(callWith(conf, { prevResult }));
  expect(asked[0]?.type).toBe("macvlan");
  expect(asked[0]?.call).not.toHaveProperty("prevResult");
  expect<unknown>(asked[0]?.call.conf).toEqual({
    type: "macvlan",
    master: "eth0",
    mtu: 1400,
    ipMasq: true,
    name: "cbr0",
    cniVersion: "1.0.0",
    runtimeConfig: { mac: "02:00:00:00:00:01" },
    ipam: {
      type: "other",
      dataDir: "/d",
      ranges: [[{ subnet: "10.244.3.0/24" }], [{ subnet: "fd00:0:0:3::/64" }]],
      routes: [
        { dst: "0.0.0.0/0", gw: "10.0.0.1" },
        { dst: "10.244.0.0/16" },
        { dst: "10.245.0.0/16" },
        { dst: "fd00::/48" },
      ],
    },
  });
});

const REFUSED: readonly (readonly [Conf, string])[] = [
  [{ delegate: { type: 7 } }, "'delegate' dictionary, if present, must have (string) 'type' field"],
  [{ delegate: { name: "x" } }, "'delegate' dictionary must not have 'name' field, it'll be set by flannel"],
  [{ delegate: { ipam: {} } }, "'delegate' dictionary must not have 'ipam' field, it'll be set by flannel"],
  [{ delegate: [] }, "failed to load netconf: delegate must be an object, not a list"],
  [{ ipam: { routes: {} } }, "failed to load netconf: routes must be a list, not an object"],
];

test.each(REFUSED)("%j is refused before anything is saved", async (conf, message) => {
  const { asked, disk, plugin } = scene();
  await expect(plugin.add(callWith(conf))).rejects.toThrow(new CniError(7, message));
  expect([asked, [...disk.keys()]]).toEqual([[], [ENV_FILE]]);
});

const BROKEN: readonly (readonly [string | undefined, string])[] = [
  [undefined, `open ${ENV_FILE}: no such file or directory`],
  [
    "",
    "it is missing FLANNEL_NETWORK, FLANNEL_IPV6_NETWORK, FLANNEL_SUBNET, FLANNEL_IPV6_SUBNET, FLANNEL_MTU, FLANNEL_IPMASQ",
  ],
  [ENV.replace("1450", "many"), "FLANNEL_MTU must be a number, not many"],
  [ENV.replace("10.244.3.1/24", "10.244.3.1"), "FLANNEL_SUBNET must be ADDRESS/PREFIX, not 10.244.3.1"],
  [ENV.replace("10.245.0.0/16", ""), "FLANNEL_NETWORK must be ADDRESS/PREFIX, not"],
  [ENV.replace("FLANNEL_IPMASQ", "X"), "it is missing FLANNEL_IPMASQ"],
];

test.each(BROKEN)(
  "while the daemon has not said all, ADD is for later and STATUS knows: %#",
  async (env, why) => {
    const { disk, plugin } = scene(env === undefined ? {} : { [ENV_FILE]: env });
    for (const [work, code] of [
      [plugin.add, 11],
      [plugin.status, 50],
    ] as const) {
      const failure = work(callWith());
      await expect(failure).rejects.toMatchObject({ code });
      await expect(failure).rejects.toThrow(why);
      await expect(failure).rejects.toThrow("Check the flannel pod log for this node.");
    }
    expect(disk.has(SAVED)).toBe(false);
  },
);

test("DEL uses what was saved, whatever the daemon says now, and forgets it when that succeeded", async () => {
  const { asked, disk, plugin } = scene();
  await plugin.add(callWith({ delegate: { type: "ptp" } }));
  disk.delete(ENV_FILE);
  await plugin.del(callWith({}, { env: { ...callWith().env, netns: "" } }));
  expect(asked[1]).toMatchObject({ verb: "DEL", type: "ptp", call: { env: { netns: "" } } });
  expect<unknown>(asked[1]?.call.conf).toEqual(asked[0]?.call.conf);
  expect(disk.has(SAVED)).toBe(false);

  const failing = scene({ [SAVED]: '{"type":"ptp"}' }, new CniError(11, "later"));
  await expect(failing.plugin.del(callWith())).rejects.toThrow("later");
  expect(failing.disk.has(SAVED)).toBe(true);
});

test("DEL without a file, or with one that a power cut left empty, asks the daemon's knowledge; without that it is done", async () => {
  for (const saved of [{}, { [SAVED]: "" }, { [SAVED]: "[]" }]) {
    const { asked, disk, plugin } = scene({ [ENV_FILE]: ENV, ...saved });
    await plugin.del(callWith());
    expect(asked).toMatchObject([{ verb: "DEL", type: "bridge" }]);
    expect([...disk.keys()]).toEqual([ENV_FILE]);
  }
  const { asked, plugin } = scene({});
  await plugin.del(callWith());
  expect(asked).toEqual([]);
});

test("an ADD that fails leaves no file", async () => {
  const { disk, plugin } = scene({ [ENV_FILE]: ENV }, new CniError(7, "no"));
  await expect(plugin.add(callWith())).rejects.toThrow("no");
  expect(disk.has(SAVED)).toBe(false);
});

test("CHECK, GC and STATUS reach the delegate, with what the runtime says of this call", async () => {
  const { asked, plugin } = scene();
  await plugin.add(callWith());
  const told = { prevResult: { ips: [] }, "cni.dev/valid-attachments": [] };
  await plugin.check(callWith(told));
  await plugin.gc(callWith(told), []);
  await plugin.status(callWith());
  expect(asked.map(({ verb, type }) => [verb, type])).toEqual([
    ["ADD", "bridge"],
    ["CHECK", "bridge"],
    ["GC", "bridge"],
    ["STATUS", "bridge"],
  ]);
  expect(asked[1]?.call.conf).toMatchObject({ prevResult: { ips: [] }, ipam: { type: "host-local" } });
  expect(asked[2]?.call.conf).toHaveProperty(["cni.dev/valid-attachments"], []);
});

test("GC forgets the files of this network's dead, when it was told who lives", async () => {
  const of = (name: string) => JSON.stringify({ type: "bridge", name });
  const folder = "/var/lib/cni/flannel";
  const first = {
    [ENV_FILE]: ENV,
    [`${folder}/dead`]: of("cbr0"),
    [`${folder}/alive`]: of("cbr0"),
    [`${folder}/other`]: of("else"),
    [`${folder}/strange`]: "?",
  };
  const { disk, plugin } = scene(first);
  await plugin.gc(callWith(), undefined);
  expect(disk.size).toBe(5);
  await plugin.gc(callWith(), [{ containerId: "alive", ifname: "eth0" }]);
  expect([...disk.keys()].map((path) => path.split("/").at(-1))).toEqual([
    "subnet.env",
    "alive",
    "other",
    "strange",
  ]);
});
