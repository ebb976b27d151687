import { afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { VERSIONS } from "../../src/cni/versions.ts";
import type { CniConf, CniResult } from "../ground/cni.ts";
import { chainRules } from "../ground/nft.ts";
import { referencePlugins } from "../ground/reference-cni.ts";
import { must } from "../ground/run.ts";
import { type CniScene, check, isPoor, linkOf, openCniScene, statusAndAdd } from "./cni-scene.ts";

/**
 * What the reference's suite asserts of its ptp plugin, of ours: the built program, every version of the protocol.
 * Titles as in plugins/main/ptp/ptp_test.go.
 */

beforeAll(referencePlugins, 600_000);

let scene: CniScene;
beforeEach(() => {
  scene = openCniScene();
});
afterEach(() => scene[Symbol.dispose]());

const IFNAME = "foobar0";
const DNS = {
  nameservers: ["10.1.2.123"],
  domain: "some.domain.test",
  search: ["search.test"],
  options: ["option1:foo"],
};
const CHECKS = "inet cni_plugins_masquerade masq_checks";

const confOf = (cniVersion: string, ipam: object, more: object = {}) => ({
  cniVersion,
  name: "mynet",
  type: "ptp",
  ipMasq: true,
  mtu: 5000,
  ipam: { type: "host-local", dataDir: scene.dataDir, ...ipam },
  ...more,
});

const ping = (address: string) =>
  must(["nsenter", `--net=${scene.container.path}`, "busybox", "ping", "-c1", "-W2", address]);

function assertResult(result: CniResult, addresses: number): void {
  if (isPoor(result.cniVersion)) {
    expect([result.ip4, result.ip6].filter(Boolean)).toHaveLength(addresses);
    return;
  }
  const [host, inside, ...others] = result.interfaces ?? [];
  expect(others).toEqual([]);
  expect(host?.name).toStartWith("veth");
  expect(host?.mac).toHaveLength(17);
  expect(host?.sandbox).toBeUndefined();
  expect(inside).toMatchObject({ name: IFNAME, sandbox: scene.container.path });
  expect(result.ips?.map((ip) => ip.interface)).toEqual(Array.from({ length: addresses }, () => 1));
  expect(linkOf(scene.container, IFNAME)?.["address"]).toBe(inside?.mac);
}

/** ADD, a packet to each gateway, CHECK, DEL; answers the result. */
async function throughLife(
  conf: CniConf & { readonly cniVersion: string },
  addresses = 1,
): Promise<CniResult> {
  const result = await statusAndAdd(scene, conf);
  assertResult(result, addresses);
  expect(linkOf(scene.container, IFNAME)?.["mtu"]).toBe(Number(conf["mtu"] ?? 1500));
  expect(await chainRules(scene.host, CHECKS)).toHaveLength(conf["ipMasq"] ? addresses : 0);
  const gateways = [...(result.ips ?? []), result.ip4, result.ip6].flatMap((ip) => ip?.gateway ?? []);
  expect(gateways).toHaveLength(addresses);
  for (const gateway of gateways) await ping(gateway);
  await check(scene, conf, result);
  await scene.plugins.del({ ...conf, prevResult: result }, scene.attachment);
  expect(linkOf(scene.container, IFNAME)).toBeUndefined();
  expect(scene.host.ipJson("link", "show").map((link) => link["ifname"])).toEqual(["lo"]);
  expect(await chainRules(scene.host, CHECKS)).toEqual([]);
  return result;
}

const V4 = { subnet: "10.1.2.0/24" };
const resolvConf = () => {
  const path = join(scene.dataDir, "../resolv.conf");
  writeFileSync(path, "nameserver 192.0.2.0\n");
  return path;
};

describe.each([...VERSIONS])("ptp %s", (version) => {
  test("configures and deconfigures a ptp link with ADD/DEL", async () => {
    expect((await throughLife(confOf(version, V4, { dns: DNS }))).dns).toEqual(DNS);
  });

  test.each(["iptables", "nftables"])(
    "configures and deconfigures a ptp link when specifying ipMasqBackend: %s",
    async (ipMasqBackend) => {
      expect((await throughLife(confOf(version, V4, { dns: DNS, ipMasqBackend }))).dns).toEqual(DNS);
    },
  );

  test("configures and deconfigures a dual-stack ptp link + routes with ADD/DEL", async () => {
    const ranges = [[V4], [{ subnet: "2001:db8:1::0/66" }]];
    const routes = [
      { dst: "0.0.0.0/0" },
      { dst: "::/0" },
      { dst: "192.168.0.0/16" },
      { dst: "1.2.3.4/32", gw: "10.1.2.1" },
    ];
    await throughLife(confOf(version, { ranges, routes }), 2);
  });

  test("does not override IPAM DNS settings if no DNS settings provided", async () => {
    const { dns } = await throughLife(confOf(version, { ...V4, resolvConf: resolvConf() }));
    expect(dns).toEqual({ nameservers: ["192.0.2.0"] });
  });

  test.each(["nameservers", "domain", "search", "options"] as const)(
    "overrides IPAM DNS settings if any DNS settings provided: %s",
    async (key) => {
      const dns = { [key]: DNS[key] };
      const result = await throughLife(confOf(version, { ...V4, resolvConf: resolvConf() }, { dns }));
      expect(result.dns).toEqual(dns);
    },
  );

  test("overrides IPAM DNS settings if any empty list DNS settings provided", async () => {
    const dns = { nameservers: [], search: [], options: [] };
    const result = await throughLife(confOf(version, { ...V4, resolvConf: resolvConf() }, { dns }));
    expect(result.dns ?? {}).toEqual({});
  });

  test("deconfigures an unconfigured ptp link with DEL", () =>
    scene.plugins.del(confOf(version, V4), scene.attachment));
});
