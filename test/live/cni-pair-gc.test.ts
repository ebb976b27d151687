import { afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { vethPrefixOf } from "../../src/lib/ifname.ts";
import { nft } from "../ground/nft.ts";
import { referencePlugins } from "../ground/reference-cni.ts";
import { type CniScene, linkOf, openCniScene } from "./cni-scene.ts";

/** Networks whose pairs are called alike: a link's name has room for four characters of the network's hash. */

beforeAll(referencePlugins, 600_000);

let scene: CniScene;
beforeEach(() => {
  scene = openCniScene();
});
afterEach(() => scene[Symbol.dispose]());

/** Some thousand names will do. */
function namesakes(): [string, string] {
  const seen = new Map<string, string>();
  for (let i = 0; ; i++) {
    const name = `net${i}`;
    const other = seen.get(vethPrefixOf(name));
    if (other !== undefined) return [other, name];
    seen.set(vethPrefixOf(name), name);
  }
}

test("a pair whose alias somebody took away is known by its name", async () => {
  const ipam = { type: "static", addresses: [{ address: "10.1.1.9/24", gateway: "10.1.1.1" }] };
  const conf = { type: "ptp", name: "lan", cniVersion: "1.1.0", ipam };
  const result = await scene.plugins.add(conf, scene.attachment);
  scene.host.ip("link", "set", "dev", String(result.interfaces?.[0]?.name), "alias", "");
  const isThere = () => linkOf(scene.container, scene.attachment.ifname) !== undefined;
  await scene.plugins.gc(conf, [scene.attachment]);
  expect(isThere()).toBe(true);
  await scene.plugins.gc(conf, []);
  expect(isThere()).toBe(false);
});

test.each([
  ["ptp", { ipMasq: true }],
  ["bridge", { bridge: "br0", macspoofchk: true }],
])("%s: GC of one network takes nothing of another", async (type, keys) => {
  const [one, other] = namesakes();
  const confOf = (name: string) => {
    const net = name === one ? "10.1.1" : "10.1.2";
    const addresses = [{ address: `${net}.9/24`, gateway: `${net}.1` }];
    return { type, name, cniVersion: "1.1.0", ipam: { type: "static", addresses }, ...keys };
  };
  const attachmentOf = (ifname: string) => ({ ...scene.attachment, ifname });
  const rules = async () => (await nft(scene.host, "list", "ruleset")).split("\n").length;

  const result = await scene.plugins.add(confOf(other), attachmentOf("eth0"));
  const before = await rules();
  await scene.plugins.add(confOf(one), attachmentOf("eth1"));
  expect(await rules()).toBeGreaterThan(before);
  await scene.plugins.gc(confOf(one), []);
  expect(linkOf(scene.container, "eth1")).toBeUndefined();
  expect(await rules()).toBe(before);
  await scene.plugins.check({ ...confOf(other), prevResult: result }, attachmentOf("eth0"));

  await scene.plugins.gc(confOf(other), []);
  expect(linkOf(scene.container, "eth0")).toBeUndefined();
  expect(await rules()).toBeLessThan(before);
});
