import { afterEach, beforeEach, expect, test } from "bun:test";
import { formatCidr, parseCidr } from "../../src/lib/ip.ts";
import { gatewayAddresses } from "../../src/links/nat/gateway-addresses.ts";
import { listAddresses } from "../../src/netlink/address.ts";
import { type LiveNetns, liveNetns } from "./netns.ts";

/** Gateways' addresses on a link that is not ours alone: what we gave goes, what others gave stays. */

let live: LiveNetns;
beforeEach(() => {
  live = liveNetns();
  live.ip("link add br0 type bridge");
});
afterEach(() => live[Symbol.dispose]());

const cidrs = (...texts: readonly string[]) => texts.flatMap((text) => parseCidr(text) ?? []);

/** Without those that the kernel makes up. */
async function addresses(): Promise<string[]> {
  const all = await listAddresses(live.conversation);
  return all
    .map(({ cidr }) => formatCidr(cidr))
    .filter((text) => !text.startsWith("fe80") && !text.includes("127.0"));
}

test("they come, change and go, and an address of somebody else stays", async () => {
  const gateways = gatewayAddresses(live.conversation);
  live.ip("address add 192.0.2.1/24 dev br0");
  await gateways.set("br0", cidrs("10.1.0.1/24", "fd00:1::1/64"));
  expect((await addresses()).sort()).toEqual(["10.1.0.1/24", "192.0.2.1/24", "fd00:1::1/64"]);
  await gateways.set("br0", cidrs("10.1.0.1/24", "fd00:1::1/64"));
  await gateways.set("br0", cidrs("10.2.0.1/24", "fd00:1::1/64"));
  expect((await addresses()).sort()).toEqual(["10.2.0.1/24", "192.0.2.1/24", "fd00:1::1/64"]);
  await gateways.set("br0", []);
  expect(await addresses()).toEqual(["192.0.2.1/24"]);
});

test("one that somebody gave before counts, and is not taken away", async () => {
  const gateways = gatewayAddresses(live.conversation);
  live.ip("address add 10.1.0.1/24 dev br0");
  await gateways.set("br0", cidrs("10.1.0.1/24"));
  await gateways.set("br0", []);
  expect(await addresses()).toEqual(["10.1.0.1/24"]);
});

test("a process that knows nothing of the one before takes away what that one gave", async () => {
  await gatewayAddresses(live.conversation).set("br0", cidrs("10.1.0.1/24", "10.3.0.1/24"));
  await gatewayAddresses(live.conversation).set("br0", cidrs("10.3.0.1/24"));
  expect(await addresses()).toEqual(["10.3.0.1/24"]);
});

test("a link that is not there has none", async () => {
  await gatewayAddresses(live.conversation).set("br9", cidrs("10.1.0.1/24"));
  expect(await addresses()).toEqual([]);
});
