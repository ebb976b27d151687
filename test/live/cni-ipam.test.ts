import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VERSIONS } from "../../src/cni/versions.ts";
import {
  type Attachment,
  type CniConf,
  type CniHost,
  type CniResult,
  cniHost,
  linkPlugins,
} from "../ground/cni.ts";

/**
 * What the reference's suite asserts of host-local and static, of the built program, in every version of the protocol.
 * Titles as in plugins/ipam/host-local/host_local_test.go and plugins/ipam/static/main_test.go.
 */

let bin: string;
let folder: string;
let plugins: CniHost;
beforeAll(() => {
  bin = mkdtempSync(join(tmpdir(), "underlay-ipam-bin-"));
  linkPlugins(bin, ["host-local", "static"]);
});
afterAll(() => rmSync(bin, { recursive: true, force: true }));
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "underlay-ipam-"));
  plugins = cniHost({ folders: [bin], env: { UNDERLAY_STATE_DIR: join(folder, "state") } });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const at = (more: Partial<Attachment> = {}): Attachment => ({
  containerId: "dummy",
  netns: "/some/where",
  ifname: "eth0",
  ...more,
});
const cases = VERSIONS.map((version) => [version] as const);
const isPoor = (version: string) => version < "0.3.0";
/** Of all families, in the words of any version. */
const addressesOf = ({ ips, ip4, ip6 }: CniResult) =>
  ips?.map(({ address }) => address) ?? [ip4, ip6].flatMap((one) => one?.ip ?? []);
const gatewaysOf = ({ ips, ip4, ip6 }: CniResult) =>
  ips?.map(({ gateway }) => gateway) ?? [ip4, ip6].flatMap((one) => one?.gateway ?? []);
const tellsFamily = (version: string) => version >= "0.3.0" && version < "1.0.0";
const onePerFamily = (version: string) =>
  `CNI version ${version} does not support more than 1 address per family`;

describe.each(cases)("host-local %s", (cniVersion) => {
  const conf = (ipam: object, more: object = {}) => ({
    cniVersion,
    name: "mynet",
    type: "host-local",
    master: "foo0",
    ipam: { type: "host-local", dataDir: folder, ...ipam },
    ...more,
  });
  const fileOf = (address: string, network = "mynet") => join(folder, network, address);
  const read = (path: string) => readFileSync(path, "utf8");
  const POOL = { ranges: [[{ subnet: "10.1.2.0/24" }]] };
  const both = [[{ subnet: "172.16.1.0/24" }, { subnet: "10.1.2.0/24" }], [{ subnet: "2001:db8:1::/48" }]];
  async function throughLife(given: CniConf, attachment = at()): Promise<CniResult> {
    if (cniVersion >= "1.1.0") await plugins.status(given);
    const result = await plugins.add(given, attachment);
    const prev = { ...given, prevResult: result };
    if (cniVersion >= "0.4.0") await plugins.check(prev, attachment);
    else await expect(plugins.check(prev, attachment)).rejects.toThrow("config version does not allow CHECK");
    return result;
  }

  test("allocates and releases addresses with ADD/DEL", async () => {
    writeFileSync(join(folder, "resolv.conf"), "nameserver 192.0.2.3");
    const routes = [
      { dst: "0.0.0.0/0" },
      { dst: "::/0" },
      { dst: "192.168.0.0/16", gw: "1.1.1.1" },
      { dst: "2001:db8:2::/64", gw: "2001:db8:3::1" },
    ];
    const given = conf({
      resolvConf: join(folder, "resolv.conf"),
      ranges: [[{ subnet: "10.1.2.0/24" }, { subnet: "10.2.2.0/24" }], [{ subnet: "2001:db8:1::0/64" }]],
      routes,
    });
    const result = await throughLife(given);
    expect(addressesOf(result)).toEqual(["10.1.2.2/24", "2001:db8:1::2/64"]);
    expect(gatewaysOf(result)).toEqual(["10.1.2.1", "2001:db8:1::1"]);
    expect(result.dns).toEqual({ nameservers: ["192.0.2.3"] });
    const found = result.routes ?? [result.ip4, result.ip6].flatMap((one) => one?.routes ?? []);
    expect(found).toHaveLength(4);
    for (const route of routes) expect(found).toContainEqual(route);
    expect(JSON.stringify(result).includes('"version":')).toBe(tellsFamily(cniVersion));
    for (const address of ["10.1.2.2", "2001:db8:1::2"]) expect(read(fileOf(address))).toBe("dummy\r\neth0");
    expect(read(fileOf("last_reserved_ip.0"))).toBe("10.1.2.2");
    expect(read(fileOf("last_reserved_ip.1"))).toBe("2001:db8:1::2");
    await plugins.del(given, at());
    for (const address of ["10.1.2.2", "2001:db8:1::2"]) expect(existsSync(fileOf(address))).toBe(false);
  });

  test("allocates and releases addresses on specific interface with ADD/DEL", async () => {
    const one = { ...conf(POOL), name: "mynet0" };
    const two = { ...conf({ ranges: [[{ subnet: "10.2.2.0/24" }]] }), name: "mynet1" };
    const eth1 = at({ ifname: "eth1" });
    await throughLife(one);
    await throughLife(two, eth1);
    expect(read(fileOf("10.1.2.2", "mynet0"))).toBe("dummy\r\neth0");
    await plugins.del(one, at());
    expect(existsSync(fileOf("10.1.2.2", "mynet0"))).toBe(false);
    expect(read(fileOf("10.2.2.2", "mynet1"))).toBe("dummy\r\neth1");
    await plugins.del(two, eth1);
    expect(existsSync(fileOf("10.2.2.2", "mynet1"))).toBe(false);
  });

  test("repeat allocating addresses on specific interface for same container ID with ADD", async () => {
    const given = conf(POOL);
    expect(addressesOf(await throughLife(given))).toEqual(["10.1.2.2/24"]);
    await expect(plugins.add(given, at())).rejects.toThrow("duplicate allocation is not allowed");
    const other = at({ containerId: "dummy1" });
    expect(addressesOf(await throughLife(given, other))).toEqual(["10.1.2.3/24"]);
    await expect(plugins.add(given, at())).rejects.toThrow("10.1.2.2 has been allocated to dummy");
    for (const one of [at(), other]) await plugins.del(given, one);
    expect(existsSync(fileOf("10.1.2.2"))).toBe(false);
  });

  test("verify DEL works on backwards compatible allocate", async () => {
    await throughLife(conf(POOL));
    writeFileSync(fileOf("10.1.2.2"), "dummy");
    await plugins.del(conf(POOL), at());
    expect(existsSync(fileOf("10.1.2.2"))).toBe(false);
  });

  test("doesn't error when passed an unknown ID on DEL", async () => {
    await plugins.del(conf({ subnet: "10.1.2.0/24" }), at());
  });

  test("ignores whitespace in disk files", async () => {
    const given = conf({ subnet: "10.1.2.0/24" });
    await plugins.add(given, at());
    writeFileSync(fileOf("10.1.2.2"), "   dummy\r\neth0\n ");
    await plugins.del(given, at());
    expect(existsSync(fileOf("10.1.2.2"))).toBe(false);
  });

  test("does not output an error message upon initial subnet creation", async () => {
    const given = conf({ subnet: "10.1.2.0/24" });
    const env = {
      CNI_COMMAND: "ADD",
      CNI_CONTAINERID: "testing",
      CNI_NETNS: "/some/where",
      CNI_IFNAME: "eth0",
      CNI_PATH: bin,
    };
    const output = await plugins.raw("host-local", env, JSON.stringify(given));
    expect([output.code, output.stderr]).toEqual([0, ""]);
    expect(output.stdout).not.toContain("last reserved");
  });

  test("allocates a custom IP when requested by config args", async () => {
    const given = conf(POOL, { args: { cni: { ips: ["10.1.2.88"] } } });
    expect(addressesOf(await throughLife(given))).toEqual(["10.1.2.88/24"]);
  });

  test("allocates custom IPs from multiple ranges", async () => {
    const ranges = [[{ subnet: "10.1.2.0/24" }], [{ subnet: "10.1.3.0/24" }]];
    const given = conf({ ranges }, { args: { cni: { ips: ["10.1.2.88", "10.1.3.77"] } } });
    if (isPoor(cniVersion)) await expect(plugins.add(given, at())).rejects.toThrow(onePerFamily(cniVersion));
    else expect(addressesOf(await throughLife(given))).toEqual(["10.1.2.88/24", "10.1.3.77/24"]);
  });

  test("allocates custom IPs from multiple protocols", async () => {
    const given = conf({ ranges: both }, { args: { cni: { ips: ["10.1.2.88", "2001:db8:1::999"] } } });
    expect(addressesOf(await throughLife(given))).toEqual(["10.1.2.88/24", "2001:db8:1::999/48"]);
  });

  test("fails if a requested custom IP is not used", async () => {
    const ranges = [[{ subnet: "10.1.2.0/24" }], [{ subnet: "2001:db8:1::/48" }]];
    const given = conf({ ranges }, { args: { cni: { ips: ["10.1.2.88", "10.1.2.77"] } } });
    await expect(plugins.add(given, at())).rejects.toThrow("failed to allocate all requested IPs: 10.1.2.");
    expect(existsSync(fileOf("10.1.2.88"))).toBe(false);
  });

  test("whatever is at the place of its directory is told", async () => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "mynet"), "");
    await expect(plugins.add(conf(POOL), at())).rejects.toThrow("ENOTDIR");
  });
});

describe.each(cases)("static %s", (cniVersion) => {
  const addresses = [
    { address: "10.10.0.1/24", gateway: "10.10.0.254" },
    { address: "3ffe:ffff:0:01ff::1/64", gateway: "3ffe:ffff:0::1" },
  ];
  const conf = (ipam: object, more: object = {}) => ({
    cniVersion,
    name: "mynet",
    type: "static",
    master: "foo0",
    ipam: { type: "static", ...ipam },
    ...more,
  });
  const routes = [
    { dst: "0.0.0.0/0" },
    { dst: "192.168.0.0/16", gw: "10.10.5.1" },
    { dst: "3ffe:ffff:0:1ff::1/64" },
  ];

  test("allocates and releases addresses with ADD/DEL", async () => {
    const dns = { nameservers: ["8.8.8.8"], domain: "example.com", search: ["example.com"] };
    const result = await plugins.add(conf({ addresses, routes, dns }), at());
    expect(addressesOf(result)).toEqual(["10.10.0.1/24", "3ffe:ffff:0:1ff::1/64"]);
    expect(gatewaysOf(result)).toEqual(["10.10.0.254", "3ffe:ffff::1"]);
    expect(result.dns).toEqual(dns);
    expect(result.routes ?? [result.ip4, result.ip6].flatMap((one) => one?.routes ?? [])).toHaveLength(3);
    const prev = { ...conf({ addresses, routes }), prevResult: result };
    if (cniVersion >= "0.4.0") await plugins.check(prev, at());
    await plugins.del(prev, at());
  });

  test("keeps routes to one place by several gateways", async () => {
    const twice = ["10.10.0.1", "10.10.0.2"].map((gw) => ({ dst: "0.0.0.0/0", gw }));
    const result = await plugins.add(conf({ addresses, routes: twice }), at());
    expect(result.routes ?? result.ip4?.routes).toEqual(twice);
  });

  test("doesn't error when passed an unknown ID on DEL", async () => {
    await plugins.del(conf({ addresses }), at({ containerId: "unknown" }));
  });

  test("allocates and releases addresses with ADD/DEL, with ENV variables", async () => {
    const result = await plugins.add(conf({ routes }), at({ args: "IP=10.10.0.1/24;GATEWAY=10.10.0.254" }));
    expect(addressesOf(result)).toEqual(["10.10.0.1/24"]);
    expect(gatewaysOf(result)).toEqual(["10.10.0.254"]);
  });

  test("allocates and releases multiple addresses with ADD/DEL, with ENV variables", async () => {
    const args = "IP=10.10.0.1/24,11.11.0.1/24;GATEWAY=10.10.0.254";
    const adding = plugins.add(conf({ routes }), at({ args }));
    if (isPoor(cniVersion)) await expect(adding).rejects.toThrow(onePerFamily(cniVersion));
    else expect(addressesOf(await adding)).toEqual(["10.10.0.1/24", "11.11.0.1/24"]);
  });

  const runtime = { runtimeConfig: { ips: ["10.10.0.1/24", "3ffe:ffff:0:01ff::1/64"] } };
  const byArgs = { args: { cni: { ips: ["10.10.0.2/24", "3ffe:ffff:0:01ff::2/64"] } } };
  const got = ["10.10.0.1/24", "3ffe:ffff:0:1ff::1/64"];
  test.each<[string, object, string, string[]]>([
    ["from RuntimeConfig", { capabilities: { ips: true }, ...runtime }, "", got],
    ["from args", byArgs, "", ["10.10.0.2/24", "3ffe:ffff:0:1ff::2/64"]],
    ["from RuntimeConfig/ARGS/CNI_ARGS", { ...runtime, ...byArgs }, "IP=10.10.0.3/24", got],
  ])("allocates multiple IPs %s", async (_, more, args, expected) => {
    expect(addressesOf(await plugins.add(conf({ routes }, more), at({ args })))).toEqual(expected);
  });

  test.each([[byArgs], [runtime]])("errors when the 'ipam' key is missing, with %p", async (more) => {
    const { ipam: _, ...rest } = conf({}, more);
    await expect(plugins.add(rest, at())).rejects.toThrow("IPAM config missing 'ipam' key");
  });

  const words = (field: string) =>
    `the '${field}' field is expected to be in CIDR notation, got: '10.10.0.1'`;
  const entry = "an entry in the 'ips' field is NOT in CIDR notation, got: '10.10.0.1'";
  test.each<[object, object, string, string]>([
    [{ addresses: [{ address: "10.10.0.1" }] }, {}, "", words("address")],
    [{}, { args: { cni: { ips: ["10.10.0.1"] } } }, "", entry],
    [{}, {}, "IP=10.10.0.1", words("ip")],
    [{}, { runtimeConfig: { ips: ["10.10.0.1"] } }, "", entry],
  ])("errors when passed an invalid CIDR, in %p %p %p", async (ipam, more, args, message) => {
    await expect(plugins.add(conf(ipam, more), at({ args }))).rejects.toThrow(message);
  });
});
