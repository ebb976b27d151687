import { expect, test } from "bun:test";
import type { Attachments } from "../../engine/attach.ts";
import { parseMac } from "../../lib/mac.ts";
import { CniError } from "../errors.ts";
import type { Call, Conf, Delegate } from "../plugin.ts";
import { parseResult } from "../result.ts";
import { dummy } from "./dummy.ts";
import { onParent } from "./on-parent.ts";

const MAC = parseMac("02:00:00:00:00:01");

/** The plugin, and what it asked the engine and its IPAM plugin for, in order. */
function scene() {
  const asked: unknown[] = [];
  const noted = (what: string) => async (request: unknown) => void asked.push([what, request]);
  const engine: Attachments = {
    async attach(request) {
      asked.push(["attach", request]);
      const assigned = (await request.addresses?.()) ?? { addresses: [], routes: [] };
      return { ...(MAC && { mac: MAC }), mtu: 1500, assigned };
    },
    async detach(request) {
      asked.push(["detach", request]);
      await request.giveBack?.();
    },
    verify: noted("verify"),
    collect: noted("collect"),
    requireReady: noted("requireReady"),
  };
  const delegate: Delegate = {
    add: async () => parseResult({ ips: [{ address: "10.0.0.5/24" }] }, "1.0.0"),
    del: noted("ipam del"),
    check: noted("ipam check"),
    gc: noted("ipam gc"),
    status: noted("ipam status"),
  };
  return { asked, plugin: onParent(dummy, delegate, () => engine) };
}

function callWith(conf: Conf, more: Partial<Call> = {}): Call {
  const env = { verb: "ADD", containerId: "c", netns: "/n", ifname: "d0", path: ["/x"], args: "" } as const;
  return { env, conf, raw: "{}", name: "n", version: "1.0.0", ...more };
}

const CONF = { ipam: { type: "host-local" }, master: "eth0" };

test("a dummy hangs on no parent, whatever the configuration says", async () => {
  const { asked, plugin } = scene();
  expect(await plugin.add(callWith(CONF))).toMatchObject({
    interfaces: [{ name: "d0", mac: "02:00:00:00:00:01", mtu: 1500, sandbox: "/n" }],
    ips: [{ interface: 0 }],
  });
  await plugin.status(callWith(CONF));
  const prevResult = parseResult({ interfaces: [{ name: "d0", sandbox: "/n" }] }, "1.0.0");
  await plugin.check(callWith(CONF, { prevResult }));
  const engineAsked = asked.filter((each) => Array.isArray(each) && !String(each[0]).startsWith("ipam"));
  expect(engineAsked).toMatchObject([
    ["attach", { owner: "cni:n/c/d0", netns: "/n", ifname: "d0", link: { kind: "dummy" } }],
    ["requireReady", {}],
    ["verify", { link: { kind: "dummy" } }],
  ]);
  expect(JSON.stringify(engineAsked)).not.toContain("parent");
});

test("without IPAM it is refused before anything is made; a DEL of it is none the less a DEL", async () => {
  for (const conf of [{}, { ipam: {} }, { ipam: { type: "" } }]) {
    const { asked, plugin } = scene();
    await expect(plugin.add(callWith(conf))).rejects.toThrow(
      new CniError(7, "dummy interface requires an IPAM configuration"),
    );
    expect(asked).toEqual([]);
    await plugin.del(callWith(conf));
    expect(asked).toMatchObject([["detach", { netns: "/n", ifname: "d0" }]]);
  }
});

test("GC removes the links of this network that are not valid, then asks the IPAM plugin; not told, it removes none", async () => {
  const { asked, plugin } = scene();
  await plugin.gc(callWith(CONF), [{ containerId: "a", ifname: "eth0" }]);
  expect(asked.map((each) => Array.isArray(each) && each[0])).toEqual(["collect", "ipam gc"]);
  const isStray = Array.isArray(asked[0]) ? asked[0][1] : undefined;
  const owners = ["cni:n/a/eth0", "cni:n/a/eth1", "cni:n/b/eth0", "cni:n2/b/eth0", "docker:n/b/eth0"];
  expect(owners.filter(isStray)).toEqual(["cni:n/a/eth1", "cni:n/b/eth0"]);

  const untold = scene();
  await untold.plugin.gc(callWith(CONF), undefined);
  expect(untold.asked).toEqual([["ipam gc", "host-local"]]);
});
