import { expect, test } from "bun:test";
import { integer, struct, text } from "../lib/shape.ts";
import {
  loadConf,
  MAX_CONF_BYTES,
  negotiate,
  prevResultOf,
  readConfDocument,
  requirePrevResult,
  validAttachmentsOf,
} from "./conf.ts";
import { CniError } from "./errors.ts";
import { VERSIONS } from "./versions.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const read = (text: string) => readConfDocument(bytes(text));

function errorOf(work: () => unknown): CniError {
  try {
    work();
  } catch (thrown) {
    if (thrown instanceof CniError) return thrown;
    throw thrown;
  }
  throw new Error("was not refused");
}

test("the seed configuration: no cniVersion is 0.1.0", () => {
  const seed =
    '{"name": "lannet", "type": "macvlan", "master": "eth0", "ipam": {"type": "host-local", "subnet": "20.1.1.0/24"}}';
  expect(read(seed)).toMatchObject({ name: "lannet", cniVersion: "0.1.0", raw: seed });
  expect(read('{"name":"a","cniVersion":""}').cniVersion).toBe("0.1.0");
  expect(read('{"name":"a","cniVersion":null}').cniVersion).toBe("0.1.0");
});

test("keys have any case, and the last of two counts", () => {
  expect(read('{"NAME":"a","name":"b","CNIVersion":"1.0.0"}')).toMatchObject({
    name: "b",
    cniVersion: "1.0.0",
  });
});

test("what libcni leaves in is tolerated", () => {
  const conf = read('{"name":"a","capabilities":{"ips":true,"x":[]},"args":1,"prevResult":{"x":1},"type":7}');
  expect(conf.name).toBe("a");
});

test("what is no configuration is code 6", () => {
  for (const text of [
    "",
    " \n",
    "{",
    "[]",
    '"x"',
    "7",
    "true",
    "{}x",
    "\ufeff{}",
    '{"name":7}',
    '{"name":"a","cniVersion":1}',
  ])
    expect(errorOf(() => read(text))).toMatchObject({
      code: 6,
      message: expect.stringMatching(/^error unmarshall network config: ./),
    });
});

test("a configuration without a name, or with one that is no file name, is code 7", () => {
  for (const text of ["{}", "null", '{"name":""}', '{"name":null}'])
    expect(errorOf(() => read(text))).toMatchObject({ code: 7, message: "missing network name" });
  for (const name of ["a/b", "../x", ".", "..", "-a", "a b", "a\u0000b", "é"]) {
    expect(errorOf(() => read(JSON.stringify({ name })))).toMatchObject({
      code: 7,
      message: "invalid characters found in network name",
      details: name,
    });
  }
});

test("a configuration of 1 MiB is read, a longer one is not", () => {
  const frame = '{"name":"a","x":""}'.length;
  const ofLength = (length: number) => `{"name":"a","x":"${"x".repeat(length - frame)}"}`;
  expect(read(ofLength(MAX_CONF_BYTES)).name).toBe("a");
  for (const length of [MAX_CONF_BYTES + 1, 10 * MAX_CONF_BYTES])
    expect(errorOf(() => read(ofLength(length)))).toMatchObject({
      code: 6,
      message: "error unmarshall network config: it is longer than 1048576 bytes",
    });
});

test("deep nesting does no harm", () => {
  const deep = (open: string, close: string) => `${open.repeat(100_000)}1${close.repeat(100_000)}`;
  const inList = read(`{"name":"a","prevResult":${deep("[", "]")}}`);
  expect(errorOf(() => prevResultOf(inList.conf, "1.0.0")).code).toBe(6);
  const inObject = read(`{"name":"a","prevResult":${deep('{"a":', "}")}}`);
  expect(prevResultOf(inObject.conf, "1.0.0")?.ips).toEqual([]);
  expect(errorOf(() => read(deep('{"a":', ""))).code).toBe(6);
});

test("bytes that are no UTF-8 are replaced, as Go does", () => {
  const broken = Uint8Array.of(...bytes('{"name":"a","x":"'), 0xff, 0xc0, ...bytes('"}'));
  expect(readConfDocument(broken).conf["x"]).toBe("\ufffd\ufffd");
  const inName = Uint8Array.of(...bytes('{"name":"a'), 0xff, ...bytes('"}'));
  expect(errorOf(() => readConfDocument(inName)).code).toBe(7);
});

test("names of a prototype are keys like others", () => {
  const { conf } = read('{"name":"a","__proto__":{"type":"x"},"constructor":1}');
  expect(loadConf(conf, struct({ type: text }))).toEqual({ type: "" });
});

test("the version has to be one that the plugin speaks", () => {
  for (const version of VERSIONS) expect(negotiate(version, VERSIONS)).toBe(version);
  expect(errorOf(() => negotiate("0.3.2", ["0.4.0", "1.0.0"]))).toMatchObject({
    code: 1,
    message: "incompatible CNI versions",
    details: 'config is "0.3.2", plugin supports ["0.4.0" "1.0.0"]',
  });
  expect(errorOf(() => negotiate("0.1.0", ["0.4.0"])).code).toBe(1);
});

test("a plugin's keys: all that is wrong in one error", () => {
  const shape = struct({ mtu: integer, master: text, runtimeConfig: struct({ mac: text }) });
  const { conf } = read('{"name":"a","MTU":1400,"RuntimeConfig":{"Mac":"x"},"more":1}');
  expect(loadConf(conf, shape)).toEqual({ mtu: 1400, master: "", runtimeConfig: { mac: "x" } });
  expect(errorOf(() => loadConf(read('{"name":"a","mtu":"1500","master":7}').conf, shape))).toMatchObject({
    code: 7,
    message:
      "failed to load netconf: mtu must be a whole number, not a string; master must be a string, not 7",
  });
});

test("prevResult is read in its own version, else in the configuration's", () => {
  const of = (prevResult: unknown) => prevResultOf({ name: "a", PrevResult: prevResult }, "0.4.0");
  expect(of(undefined)).toBeUndefined();
  expect(of(null)).toBeUndefined();
  const poor = of({ cniVersion: "0.2.0", ip4: { ip: "10.0.0.1/24" } });
  expect(poor?.ips).toHaveLength(1);
  expect(of({ ips: [{ version: "4", address: "10.0.0.1/24" }] })?.ips).toHaveLength(1);
});

test("a prevResult that is none is code 6 and says where", () => {
  const of = (prevResult: unknown) => errorOf(() => prevResultOf({ prevResult }, "1.0.0"));
  expect(of({ ips: [{ address: "10.0.0.300/24" }] })).toMatchObject({
    code: 6,
    message:
      'could not parse prevResult: no CNI result: ips[0].address must be ADDRESS/PREFIX, not "10.0.0.300/24"',
  });
  for (const bad of [
    7,
    "x",
    [],
    { ips: {} },
    { ips: [{}] },
    { ips: [null] },
    { interfaces: [{ name: 7 }] },
    { cniVersion: "9.9.9" },
  ])
    expect(of(bad)).toMatchObject({
      code: 6,
      message: expect.stringMatching(/^could not parse prevResult: /),
    });
});

test("who needs prevResult says so", () => {
  expect(errorOf(() => requirePrevResult(undefined))).toMatchObject({
    code: 7,
    message: "Required prevResult missing",
  });
});

test("no list of attachments is another thing than an empty one", () => {
  const of = (value: unknown) => validAttachmentsOf({ "cni.dev/valid-attachments": value });
  expect(validAttachmentsOf({ "cni.dev/attachments": [] })).toBeUndefined();
  expect(of(null)).toBeUndefined();
  expect(of([])).toEqual([]);
  expect(of([{ containerID: "a", ifname: "eth0" }])).toEqual([{ containerId: "a", ifname: "eth0" }]);
  for (const bad of [{}, "x", [7], [{ containerID: 7 }]]) expect(errorOf(() => of(bad)).code).toBe(7);
});
