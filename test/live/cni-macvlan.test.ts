import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { VERSIONS } from "../../src/cni/versions.ts";
import type { CniConf } from "../ground/cni.ts";
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
 * What the reference's suite asserts of its macvlan plugin, of ours: the built program, every version of the protocol,
 * the parent on the host and in the container. Titles as in plugins/main/macvlan/macvlan_test.go.
 */

let scene: CniScene;
beforeEach(() => {
  scene = openCniScene();
});
afterEach(() => scene[Symbol.dispose]());

const IFNAME = "foobar0";
const MAC = "c2:11:22:33:44:55";
const NO_WORDS = "cannot convert: no valid IP addresses";
const WHERE = [{ linkInContainer: false }, { linkInContainer: true }, {}] as const;
const CASES = VERSIONS.flatMap((cniVersion) => WHERE.map((where) => ({ cniVersion, ...where })));

type Case = (typeof CASES)[number];

interface MacvlanConf extends CniConf {
  readonly cniVersion: string;
}

const inside = (one: Case) => "linkInContainer" in one && one.linkInContainer;
const confOf = (one: Case, ipam: object, more: object = {}) => ({
  ...one,
  name: "macvlanTestv4",
  type: "macvlan",
  master: scene.master(inside(one)),
  ipam,
  ...more,
});
const hostLocal = (more: object) => ({ type: "host-local", dataDir: scene.dataDir, ...more });

/** ADD, CHECK, DEL of a link with one address. */
async function throughLife(conf: MacvlanConf): Promise<void> {
  const result = await statusAndAdd(scene, conf);
  const link = linkOf(scene.container, IFNAME);
  if (result.cniVersion < "0.3.0") expect(result.ip4?.ip).toMatch(/^10\.1\.2\.\d+\/24$/);
  else {
    expect(result.interfaces).toHaveLength(1);
    expect(result.interfaces?.[0]).toMatchObject({ name: IFNAME, mac: String(link?.["address"]) });
    expect(result.ips).toHaveLength(1);
  }
  expect(addressesOf(scene.container, IFNAME)).toHaveLength(1);
  await check(scene, conf, result);
  await scene.plugins.del({ ...conf, prevResult: result }, scene.attachment);
  expect(linkOf(scene.container, IFNAME)).toBeUndefined();
}

/** ADD of a link without an address: 0.1.0 and 0.2.0 cannot say it, but the link is there. */
async function withoutAddress(conf: MacvlanConf, args = ""): Promise<void> {
  const adding = statusAndAdd(scene, conf, { args });
  if (isPoor(conf.cniVersion)) await expect(adding).rejects.toThrow(NO_WORDS);
  else expect((await adding).interfaces).toMatchObject([{ name: IFNAME }]);
  expect(linkOf(scene.container, IFNAME)).toBeDefined();
  expect(addressesOf(scene.container, IFNAME)).toEqual([]);
}

describe.each(CASES)("macvlan %j", (one) => {
  test("creates an macvlan link in a non-default namespace", async () => {
    await withoutAddress(confOf(one, {}, { mode: "bridge", mtu: 1500 }));
    expect(linkOf(scene.container, IFNAME)).toMatchObject({
      mtu: 1500,
      linkinfo: { info_kind: "macvlan", info_data: { mode: "bridge" } },
    });
  });

  test("configures and deconfigures a macvlan link with ADD/DEL", () =>
    throughLife(confOf(one, hostLocal({ subnet: "10.1.2.0/24" }))));

  test("deconfigures an unconfigured macvlan link with DEL", () =>
    scene.plugins.del(confOf(one, hostLocal({ subnet: "10.1.2.0/24" })), scene.attachment));

  test("configures and deconfigures a l2 macvlan link with ADD/DEL", async () => {
    const conf = confOf(one, {});
    await withoutAddress(conf);
    await scene.plugins.del(conf, scene.attachment);
    expect(linkOf(scene.container, IFNAME)).toBeUndefined();
  });

  test("configures and deconfigures a cniVersion macvlan link with ADD/CHECK/DEL", () =>
    throughLife(confOf(one, hostLocal({ ranges: [[{ subnet: "10.1.2.0/24", gateway: "10.1.2.1" }]] }))));

  test("configures and deconfigures a macvlan link with ADD/DEL, without master config", async () => {
    const { master, ...conf } = confOf(one, hostLocal({ subnet: "10.1.2.0/24" }));
    const netns = inside(one) ? scene.container : scene.host;
    netns.ip("address", "add", "192.168.77.2/24", "dev", master);
    netns.ip("route", "add", "default", "via", "192.168.77.1");
    await throughLife(conf);
  });

  test("configures and deconfigures l2 macvlan link with mac address (from CNI_ARGS) with ADD/DEL", async () => {
    const conf = confOf(one, {});
    await withoutAddress(conf, `IgnoreUnknown=true;MAC=${MAC}`);
    expect(linkOf(scene.container, IFNAME)).toMatchObject({ address: MAC });
    await scene.plugins.del(conf, scene.attachment);
  });

  test("configures and deconfigures l2 macvlan link with mac address (from RuntimeConfig) with ADD/DEL", async () => {
    const conf = confOf(one, {}, { capabilities: { mac: true }, RuntimeConfig: { mac: MAC } });
    await withoutAddress(conf);
    expect(linkOf(scene.container, IFNAME)).toMatchObject({ address: MAC });
    await scene.plugins.del(conf, scene.attachment);
  });
});
