import { afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { VERSIONS } from "../../src/cni/versions.ts";
import type { CniConf, CniResult } from "../ground/cni.ts";
import { chainRules, nft } from "../ground/nft.ts";
import { referencePlugins } from "../ground/reference-cni.ts";
import {
  addressesOf,
  type CniScene,
  check,
  isPoor,
  linkOf,
  openCniScene,
  statusAndAdd,
} from "./cni-scene.ts";

/**
 * What the reference's suite asserts of its bridge plugin, of ours: the built program, every version of the protocol.
 * Titles as in plugins/main/bridge/bridge_test.go. What needs a bridge that filters VLANs is in test/lab/90.
 */

beforeAll(referencePlugins, 600_000);

let scene: CniScene;
beforeEach(() => {
  scene = openCniScene();
});
afterEach(() => scene[Symbol.dispose]());

const IFNAME = "foobar0";
const BRIDGE = "bridge0";
const NAME_SERVER = "192.0.2.0";
const NO_WORDS = "cannot convert: no valid IP addresses";
const CHECKS = "inet cni_plugins_masquerade masq_checks";

const confOf = (cniVersion: string, more: object) => ({
  cniVersion,
  name: "testConfig",
  type: "bridge",
  bridge: BRIDGE,
  ...more,
});
const hostLocal = (...subnets: readonly string[]) => ({
  isDefaultGateway: true,
  ipam: { type: "host-local", dataDir: scene.dataDir, ranges: subnets.map((subnet) => [{ subnet }]) },
});
const gatewayIn = (subnet: string) => subnet.replace(/::0?\//, "::1/").replace(/\.0\//, ".1/");
const globals = (name: string) =>
  ([4, 6] as const).flatMap((family) => addressesOf(scene.host, name, family));
const hostLinks = () => scene.host.ipJson("link", "show").map((link) => String(link["ifname"]));
const portOf = (result: CniResult) => String(result.interfaces?.[1]?.name);
const slaveData = (name: string): Record<string, unknown> => {
  const info = linkOf(scene.host, name)?.["linkinfo"];
  return Object(Object(info)["info_slave_data"]);
};

function assertResult(result: CniResult): void {
  if (isPoor(result.cniVersion)) return;
  const [bridge, host, inside, ...others] = result.interfaces ?? [];
  expect(others).toEqual([]);
  expect(bridge?.name).toBe(BRIDGE);
  expect(host?.name).toStartWith("veth");
  for (const end of [bridge, host, inside]) expect(end?.mac).toHaveLength(17);
  expect(bridge?.mac).not.toBe(String(host?.mac));
  expect(inside).toMatchObject({ name: IFNAME, sandbox: scene.container.path });
  expect(result.ips?.map((ip) => ip.interface) ?? []).toEqual(result.ips?.map(() => 2) ?? []);
  expect(linkOf(scene.host, BRIDGE)).toMatchObject({
    address: bridge?.mac,
    linkinfo: { info_kind: "bridge", info_data: { vlan_filtering: 0 } },
  });
  expect(linkOf(scene.host, portOf(result))).toMatchObject({ master: BRIDGE, address: host?.mac });
  expect(linkOf(scene.container, IFNAME)?.["address"]).toBe(inside?.mac);
}

async function remove(conf: CniConf, result: CniResult): Promise<void> {
  await scene.plugins.del({ ...conf, prevResult: result }, scene.attachment);
  expect(linkOf(scene.container, IFNAME)).toBeUndefined();
  expect(hostLinks().sort()).toEqual([BRIDGE, "lo"]);
}

/** ADD, CHECK, DEL with addresses of these subnets. */
async function throughLife(
  version: string,
  subnets: readonly string[],
  more: object = {},
): Promise<CniResult> {
  const conf = confOf(version, { ...hostLocal(...subnets), ...more });
  const result = await statusAndAdd(scene, conf);
  assertResult(result);
  expect(hostLinks()).toHaveLength(3);
  expect(linkOf(scene.host, BRIDGE)?.["mtu"]).toBe(Number("mtu" in more ? more.mtu : 1500));
  const gateways = subnets.map(gatewayIn);
  expect(globals(BRIDGE).sort()).toEqual(gateways.toSorted());
  for (const subnet of subnets) {
    const family = subnet.includes(":") ? "-6" : "-4";
    const [route] = scene.container.ipJson(family, "route", "show", "default");
    const first = subnets.find((other) => other.includes(":") === subnet.includes(":")) ?? "";
    expect(route).toMatchObject({ dev: IFNAME, gateway: gatewayIn(first).replace(/\/.*/, "") });
  }
  await check(scene, conf, result);
  await remove(conf, result);
  return result;
}

/** ADD of a link without an address; 0.1.0 and 0.2.0 cannot say it, but it is there. `judge` looks at it. */
async function withoutAddress(version: string, more: object, judge: (port: string) => void): Promise<void> {
  const conf = confOf(version, { ipam: {}, ...more });
  const adding = statusAndAdd(scene, conf);
  if (isPoor(version)) {
    await expect(adding).rejects.toThrow(NO_WORDS);
    await scene.plugins.del(conf, scene.attachment);
    return;
  }
  const result = await adding;
  assertResult(result);
  expect(addressesOf(scene.container, IFNAME)).toEqual([]);
  judge(portOf(result));
  await check(scene, conf, result);
  await remove(conf, result);
}

function flagsIn(netns: CniScene["host"], name: string): unknown {
  return linkOf(netns, name)?.["flags"];
}

const POOLS: readonly (readonly string[])[] = [
  ["10.1.2.0/24"],
  ["2001:db8::0/64"],
  ["192.168.0.0/24", "fd00::0/64"],
];

describe.each([...VERSIONS])("bridge %s", (version) => {
  test("creates a bridge", async () => {
    await throughLife(version, ["10.1.2.0/24"], { mtu: 5000 });
    expect(linkOf(scene.host, BRIDGE)).toMatchObject({ promiscuity: 0 });
  });

  test("handles an existing bridge", async () => {
    scene.host.ip("link", "add", BRIDGE, "type", "bridge");
    const before = linkOf(scene.host, BRIDGE)?.["ifindex"];
    await throughLife(version, ["10.1.2.0/24"]);
    expect(linkOf(scene.host, BRIDGE)?.["ifindex"]).toBe(Number(before));
  });

  test.each(POOLS.map((pool) => [pool]))(
    "configures and deconfigures a bridge and veth with default route with ADD/DEL: %j",
    async (pool) => {
      await throughLife(version, pool);
      // What is there already is no obstacle.
      await throughLife(version, pool);
    },
  );

  test("configures and deconfigures a bridge and veth with default route with ADD/DEL: three subnets", async () => {
    const pool = ["192.168.0.0/24", "fd00::0/64", "2001:db8::0/64"];
    if (!isPoor(version)) {
      await throughLife(version, pool);
      return;
    }
    const conf = confOf(version, hostLocal(...pool));
    const tooMany = `CNI version ${version} does not support more than 1 address per family`;
    await expect(scene.plugins.add(conf, scene.attachment)).rejects.toThrow(tooMany);
    // The reference's DEL says the same; ours frees what there may be.
    await scene.plugins.del(conf, scene.attachment);
  });

  test("configures and deconfigures a bridge and veth with default route with ADD/DEL: resolvConf", async () => {
    const resolvConf = join(scene.dataDir, "../resolv.conf");
    writeFileSync(resolvConf, `nameserver ${NAME_SERVER}\n`);
    const { ipam } = hostLocal("10.1.2.0/24");
    const { dns } = await throughLife(version, ["10.1.2.0/24"], { ipam: { ...ipam, resolvConf } });
    expect(dns).toEqual({ nameservers: [NAME_SERVER] });
  });

  test("configures and deconfigures a l2 bridge and veth with ADD/DEL", () =>
    withoutAddress(version, {}, () => {
      expect(flagsIn(scene.container, IFNAME)).toContain("UP");
    }));

  test("deconfigures an unconfigured bridge with DEL", () =>
    scene.plugins.del(confOf(version, hostLocal("10.1.2.0/24")), scene.attachment));

  test.each([
    ["10.0.0.1/8", "10.1.0.0/16", "10.1.2.3/16"],
    ["2001:db8:1::1/48", "2001:db8:1:2::/64", "2001:db8:1:2::1/64"],
    ["2001:db8:1:2::1/64", "fd00:1234::/64", "fd00:1234::1/64"],
  ] as const)("ensure bridge address: %s, then %s", async (first, subnet, second) => {
    scene.host.ip("link", "add", BRIDGE, "type", "bridge");
    scene.host.ip("address", "add", first, "dev", BRIDGE, "nodad");
    const gateway = second.replace(/\/.*/, "");
    const ipam = { type: "host-local", dataDir: scene.dataDir, ranges: [[{ subnet, gateway }]] };
    const conf = confOf(version, { isGateway: true, ipam });
    const adding = scene.plugins.add(conf, scene.attachment);
    const beside = first === "2001:db8:1:2::1/64";
    if (beside) await adding;
    else
      await expect(adding).rejects.toThrow(`"${BRIDGE}" already has an IP address different from ${second}`);
    expect(globals(BRIDGE).sort()).toEqual(beside ? [first, second].sort() : [first]);
    await scene.plugins.add({ ...conf, forceAddress: true }, scene.attachment);
    expect(globals(BRIDGE).sort()).toEqual(beside ? [first, second].sort() : [second]);
  });

  test("ensure promiscuous mode on bridge", async () => {
    await throughLife(version, ["10.1.2.0/24"], { promiscMode: true, mtu: 5000 });
    expect(linkOf(scene.host, BRIDGE)).toMatchObject({ promiscuity: 1 });
  });

  test.each(["10.1.2.0/24", "2001:db8:42::/64"])(
    "creates a bridge with a stable MAC addresses: %s",
    async (subnet) => {
      scene.host.ip("link", "add", BRIDGE, "type", "bridge");
      const before = String(linkOf(scene.host, BRIDGE)?.["address"]);
      await throughLife(version, [subnet]);
      expect(linkOf(scene.host, BRIDGE)?.["address"]).toBe(before);
      scene.host.ip("link", "del", BRIDGE);
      await throughLife(version, [subnet]);
      const made = String(linkOf(scene.host, BRIDGE)?.["address"]);
      await throughLife(version, [subnet]);
      expect(linkOf(scene.host, BRIDGE)?.["address"]).toBe(made);
    },
  );

  const MACS = ["c2:11:22:33:44:55", "c2:11:22:33:44:66", "c2:11:22:33:44:77"] as const;
  const args = `IgnoreUnknown=true;MAC=${MACS[0]}`;
  test.each([
    ["CNI_ARGS", {}, MACS[0]],
    ["Args", { args: { cni: { mac: MACS[1] } } }, MACS[1]],
    ["RuntimeConfig", { args: { cni: { mac: MACS[1] } }, RuntimeConfig: { mac: MACS[2] } }, MACS[2]],
  ] as const)("uses an explicit MAC addresses for the container iface (from %s)", async (_, more, mac) => {
    const conf = confOf(version, { ...hostLocal("10.1.2.0/24"), ...more });
    const result = await statusAndAdd(scene, conf, { args });
    assertResult(result);
    expect(linkOf(scene.container, IFNAME)?.["address"]).toBe(mac);
    await remove(conf, result);
  });

  test("checks ip release in case of error", async () => {
    scene.host.ip("link", "add", BRIDGE, "type", "bridge");
    scene.host.ip("address", "add", "10.0.0.1/8", "dev", BRIDGE);
    const conf = confOf(version, hostLocal("10.1.2.0/24"));
    await expect(scene.plugins.add(conf, scene.attachment)).rejects.toThrow("already has an IP address");
    const folder = join(scene.dataDir, "testConfig");
    const names = existsSync(folder) ? readdirSync(folder) : [];
    expect(names.filter((name) => /^\d+\.\d+\.\d+\.\d+$/.test(name))).toEqual([]);
    expect(hostLinks().sort()).toEqual([BRIDGE, "lo"]);
  });

  test.each(["", "iptables", "nftables"])(
    "configures a bridge and ipMasq rules with ipMasqBackend %j",
    async (ipMasqBackend) => {
      const more = ipMasqBackend === "" ? {} : { ipMasqBackend };
      const conf = confOf(version, { ...hostLocal("10.1.2.0/24"), ipMasq: true, ...more });
      await scene.plugins.add(conf, scene.attachment);
      const [rule, ...others] = await chainRules(scene.host, CHECKS);
      expect(others).toEqual([]);
      expect(rule).toMatch(
        /^ip saddr 10\.1\.2\.2 ip daddr != 10\.1\.2\.0\/24 masquerade comment ".*id: dummy"$/,
      );
      await scene.plugins.del(conf, scene.attachment);
      expect(await chainRules(scene.host, CHECKS)).toEqual([]);
    },
  );

  test("configures mac spoof-check (no mac spoofing)", async () => {
    const conf = confOf(version, { ...hostLocal("10.1.2.0/24"), macspoofchk: true });
    await scene.plugins.add(conf, scene.attachment);
    const mac = String(linkOf(scene.container, IFNAME)?.["address"]);
    const chain = `cni-br-iface-dummy-${IFNAME}`;
    const comment = `comment "macspoofchk-dummy-${IFNAME}"`;
    const [jump] = await chainRules(scene.host, "bridge nat PREROUTING");
    expect(jump).toMatch(new RegExp(`^iifname "veth[a-z2-7]{11}" jump ${chain} ${comment}$`));
    expect(await chainRules(scene.host, `bridge nat ${chain}`)).toEqual([`jump ${chain}-mac ${comment}`]);
    expect(await chainRules(scene.host, `bridge nat ${chain}-mac`)).toEqual([
      `ether saddr ${mac} return ${comment}`,
      `drop ${comment}`,
    ]);
    await scene.plugins.del(conf, scene.attachment);
    expect(await chainRules(scene.host, "bridge nat PREROUTING")).toEqual([]);
    expect(await nft(scene.host, "list", "ruleset")).not.toContain(chain);
  });

  test("should fail when both IPAM and DisableContainerInterface are set", async () => {
    const conf = confOf(version, { ...hostLocal("10.1.2.0/24"), disableContainerInterface: true });
    await expect(scene.plugins.add(conf, scene.attachment)).rejects.toThrow(
      "cannot use IPAM when DisableContainerInterface flag is set",
    );
  });

  test("should set the container veth peer state down", () =>
    withoutAddress(version, { disableContainerInterface: true }, () => {
      expect(flagsIn(scene.container, IFNAME)).not.toContain("UP");
    }));

  test.each([false, true])(
    "when port-isolation is %p, should set the veth peer on node with isolation so",
    (portIsolation) =>
      withoutAddress(version, { portIsolation }, (port) => {
        expect(slaveData(port)["isolated"]).toBe(portIsolation);
      }),
  );

  test.each([-100, 5000])("check vlan id when loading net conf: %d", async (vlan) => {
    const conf = confOf(version, { vlan, ipam: {} });
    const text = `invalid VLAN ID ${vlan} (must be between 0 and 4094)`;
    await expect(scene.plugins.add(conf, scene.attachment)).rejects.toThrow(text);
  });
});
