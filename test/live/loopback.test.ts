import { afterEach, beforeEach, expect, test } from "bun:test";
import type { Call } from "../../src/cni/plugin.ts";
import { loopback } from "../../src/cni/plugins/loopback.ts";
import { parseResult, printResult } from "../../src/cni/result.ts";
import { loopbacks } from "../../src/engine/loopback.ts";
import { Conversation } from "../../src/netlink/conversation.ts";
import { NETLINK_ROUTE, openRequestSocket } from "../../src/netlink/open.ts";
import { inlineTransport } from "../../src/netlink/transport.ts";
import { sandboxes } from "../../src/sandbox/sandbox.ts";
import { openTestNetns, type TestNetns } from "../ground/netns.ts";

/** The loopback plugin against the kernel: cni.md 2.7. */

let ground: TestNetns;
beforeEach(() => {
  ground = openTestNetns();
});
afterEach(() => ground[Symbol.dispose]());

const plugin = () =>
  loopback(() =>
    loopbacks(
      sandboxes(
        ground.libc,
        (netns) => new Conversation(inlineTransport(openRequestSocket(ground.libc, NETLINK_ROUTE, netns))),
      ),
    ),
  );

function callAt(netns: string, more: Partial<Call> = {}): Call {
  const env = { verb: "ADD", containerId: "c", netns, ifname: "eth7", path: ["/x"], args: "" } as const;
  return { env, conf: {}, raw: "{}", name: "n", version: "1.0.0", ...more };
}

const isUp = () => JSON.stringify(ground.ipJson("link", "show", "lo")[0]?.["flags"]).includes('"UP"');

test("lo is up after ADD, whatever CNI_IFNAME is, and down after DEL; CHECK tells", async () => {
  const [call, own] = [callAt(ground.path), plugin()];
  await expect(own.check(call)).rejects.toThrow("loopback interface is down");
  expect(JSON.parse(printResult(await own.add(call), "0.4.0"))).toEqual({
    cniVersion: "0.4.0",
    interfaces: [{ name: "lo", mac: "00:00:00:00:00:00", sandbox: ground.path }],
    ips: [
      { version: "4", interface: 0, address: "127.0.0.1/8" },
      { version: "6", interface: 0, address: "::1/128" },
    ],
    dns: {},
  });
  expect(isUp()).toBe(true);
  await own.check(call);
  await own.add(call);
  await own.del(call);
  expect(isUp()).toBe(false);
  await own.del(call);
});

test("what the plugin before it said is passed on", async () => {
  const prevResult = parseResult(
    { interfaces: [{ name: "eth0" }], ips: [{ address: "10.0.0.5/24" }] },
    "1.0.0",
  );
  expect(await plugin().add(callAt(ground.path, { prevResult }))).toBe(prevResult);
  expect(isUp()).toBe(true);
});

test("another address on lo is refused before anything is done", async () => {
  ground.ip("address", "add", "10.1.2.3/32", "dev", "lo");
  await expect(plugin().add(callAt(ground.path))).rejects.toThrow(
    "loopback interface found with non-loopback address 10.1.2.3/32",
  );
  expect(isUp()).toBe(false);
});

test("a netns that is gone fails ADD and CHECK, and no DEL", async () => {
  const [gone, own] = [callAt("/run/netns/underlay-never-was"), plugin()];
  await expect(own.add(gone)).rejects.toThrow("no network namespace at /run/netns/underlay-never-was");
  await expect(own.check(gone)).rejects.toThrow("no network namespace");
  await own.del(gone);
  await own.del(callAt(""));
});
