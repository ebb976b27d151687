import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { kernelParents } from "../../src/links/parent/kernel.ts";
import type { ParentRef } from "../../src/links/parent/ref.ts";
import { Conversation, type FrameTrace } from "../../src/netlink/conversation.ts";
import { NETLINK_ROUTE, openRequestSocket } from "../../src/netlink/open.ts";
import { inlineTransport } from "../../src/netlink/transport.ts";
import { openLibc } from "../../src/sys/libc.ts";
import type { Netns } from "../../src/sys/netns.ts";
import { makeLanWithNic } from "./judge.ts";
import type { Lan } from "./lan.ts";

/** A host with many links: what one parent costs does not grow with them, and all together cost one look. */

const libc = openLibc();
const named = (name: string): ParentRef => ({ how: "name", name });

let lan: Lan;
let heard: { messages: number; bytes: number };

beforeEach(() => {
  lan = makeLanWithNic();
  heard = { messages: 0, bytes: 0 };
});

afterEach(() => lan[Symbol.dispose]());

/** The conversation in this namespace is counted; how many others there are is the affair of whoever else runs here. */
function counted() {
  const trace: FrameTrace = (direction, bytes) => {
    if (direction === "sent") heard.messages++;
    else heard.bytes += bytes.length;
  };
  const converse = (netns: Netns, counts?: FrameTrace) =>
    new Conversation(inlineTransport(openRequestSocket(libc, NETLINK_ROUTE, netns)), counts);
  return { ...lan, requests: converse(lan.home, trace), converseIn: (netns: Netns) => converse(netns) };
}

/** Ethernet links that stand for the VLANs of a trunk; this kernel has none. */
function addLinks(from: number, until: number): void {
  const names = Array.from({ length: until - from }, (_, i) => `eth0.${from + i}`);
  for (const name of names) {
    lan.ip(`link add ${name} type ifb`);
    lan.ip(`link set ${name} arp on up`);
  }
}

async function costOf(work: () => Promise<unknown>): Promise<typeof heard> {
  const before = { ...heard };
  await work();
  return { messages: heard.messages - before.messages, bytes: heard.bytes - before.bytes };
}

describe("a parent among many links", () => {
  test("is read in as many messages and bytes as one among few", async () => {
    const kernel = { ...counted(), kindsNow: () => ["macvlan" as never] };
    using _ = { [Symbol.dispose]: () => kernel.requests.close() };
    const parents = kernelParents(kernel, "boot");
    addLinks(1, 4);
    lan.ip("link add mv0 link eth0.1 type macvlan mode bridge");
    // A link's first dump of a namespace is one in which ids of other namespaces are given.
    await parents.facts(named("eth0.1"), undefined, { families: [4] });
    const few = await costOf(() => parents.facts(named("eth0.1"), undefined, { families: [4] }));
    addLinks(4, 60);
    const many = await costOf(() => parents.facts(named("eth0.1"), undefined, { families: [4] }));
    expect(many.messages).toBe(few.messages);
    expect(Math.abs(many.bytes - few.bytes)).toBeLessThan(200);
  });

  test("has the same facts whether it is read alone or with all others", async () => {
    addLinks(1, 12);
    lan.ip("link add br0 type bridge");
    lan.ip("link set eth0.2 master br0");
    lan.ip("addr add 192.0.2.1/24 dev eth0.3");
    lan.ip("addr add 198.51.100.1/24 dev eth0.4");
    lan.ip("route add 203.0.113.0/24 dev eth0.5");
    lan.ip("link add mv0 link eth0.6 type macvlan mode private");
    using container = lan.container();
    lan.ip("link add mv1 link eth0.6 type macvlan mode vepa");
    lan.ip(`link set mv1 netns ${container.pid}`);
    const parents = kernelParents(lan, "boot");
    const all = await parents.atOnce();
    for (const name of [...Array.from({ length: 11 }, (_, i) => `eth0.${i + 1}`), "mv0", "br0", "nothing"]) {
      const alone = await parents.facts(named(name));
      expect(await all.facts(named(name))).toEqual(alone);
    }
    expect((await all.facts(named("eth0.6"))).children.map(({ mode }) => mode).sort()).toEqual([
      "private",
      "vepa",
    ]);
  });

  test("all of them are read in a number of messages that does not grow with them", async () => {
    const kernel = counted();
    using _ = { [Symbol.dispose]: () => kernel.requests.close() };
    const parents = kernelParents(kernel, "boot");
    const readAll = async (count: number) => {
      const all = await parents.atOnce();
      for (let i = 1; i <= count; i++) await all.facts(named(`eth0.${i}`));
    };
    addLinks(1, 6);
    await readAll(5);
    const few = await costOf(() => readAll(5));
    addLinks(6, 41);
    const many = await costOf(() => readAll(40));
    expect(many.messages).toBe(few.messages);
  });
});
