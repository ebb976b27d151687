import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { OUR_LINK_GROUP } from "../../src/lib/ifname.ts";
import { silentLog } from "../../src/lib/log.ts";
import { deriveMac } from "../../src/lib/mac.ts";
import { linkReaper, type Reaper } from "../../src/links/reaper.ts";
import { linkWatch } from "../../src/links/watch.ts";
import { Conversation } from "../../src/netlink/conversation.ts";
import { MACVLAN_MODE } from "../../src/netlink/kinds/macvlan.ts";
import { newLinkRequest } from "../../src/netlink/link.ts";
import { NETLINK_ROUTE, openLinkEventSocket, openRequestSocket } from "../../src/netlink/open.ts";
import { listenInThread, type NetlinkThread, startNetlinkThread } from "../../src/netlink/thread.ts";
import { addParent, openTestNetns, type TestNetns } from "../ground/netns.ts";

const startWorker = () => new Worker(new URL("../../src/netlink/worker.ts", import.meta.url).href);

let ground: TestNetns;
let thread: NetlinkThread;
let listening: { close(): Promise<void> };
let reaper: Reaper;
let parent = 0;
/** Frames that the reaper sent. */
let sends = 0;

beforeAll(async () => {
  ground = openTestNetns();
  parent = addParent(ground, "lan0");
  thread = startNetlinkThread(startWorker);
  const watch = linkWatch(silentLog);
  listening = await listenInThread(
    ground.libc,
    startWorker,
    openLinkEventSocket(ground.libc, { netns: ground.netns }),
    {
      ...watch,
      onError: () => undefined,
    },
  );
  const socket = openRequestSocket(ground.libc, NETLINK_ROUTE, ground.netns);
  const conversation = new Conversation(thread.transport(socket), (direction) => {
    if (direction === "sent") sends++;
  });
  reaper = linkReaper(conversation, watch, silentLog);
});

afterAll(async () => {
  await reaper.idle();
  await listening.close();
  thread.close();
  ground[Symbol.dispose]();
});

async function makeLinks(prefix: string, count: number): Promise<string[]> {
  const names = Array.from({ length: count }, (_, i) => `${prefix}${i}`);
  const outcomes = await ground.conversation.settle(
    names.map((name) =>
      newLinkRequest({
        name,
        parent,
        mac: deriveMac(name),
        group: OUR_LINK_GROUP,
        info: { kind: "macvlan", data: { mode: MACVLAN_MODE.bridge } },
      }),
    ),
  );
  expect(outcomes.filter(({ ok }) => !ok)).toEqual([]);
  return names;
}

function macvlans(): string[] {
  return ground.ipJson("link", "show", "type", "macvlan").map((link) => String(link["ifname"]));
}

describe("the reaper", () => {
  test("deletes one, and is done before the kernel's wait is over", async () => {
    const [name = ""] = await makeLinks("one", 1);
    await reaper.delete(name);
    expect(macvlans()).toEqual([]);
    let idle = false;
    const waiting = reaper.idle().then(() => {
      idle = true;
    });
    await Promise.resolve();
    expect(idle).toBe(false);
    await waiting;
  });

  test("who is left alone of those that wait together goes by name: the others' links went with it", async () => {
    const [first = "", last = ""] = await makeLinks("left", 2);
    await reaper.idle();
    sends = 0;
    const found = await Promise.all([first, "ul-gone1", last, "ul-gone2"].map((name) => reaper.delete(name)));
    expect(found).toEqual([true, false, true, false]);
    await reaper.idle();
    // The first, the three that waited meanwhile, the one of them that was there. No dump of all links.
    expect([sends, macvlans()]).toEqual([3, []]);
  });

  test("what is not there is success, twice", async () => {
    await Promise.all([reaper.delete("ul-nothere"), reaper.delete("ul-nothere")]);
    await reaper.delete("ul-nothere");
  });

  test("a hundred at once go in two waits of the kernel, not in a hundred", async () => {
    const names = await makeLinks("many", 100);
    await reaper.idle();
    sends = 0;
    await Promise.all(names.map((name) => reaper.delete(name)));
    await reaper.idle();
    expect(macvlans()).toEqual([]);
    // One alone; then the others: two sends that gather them, a dump, and the group.
    expect(sends).toBeLessThanOrEqual(6);
  });

  test("never takes along a stranger that is in the group", async () => {
    const names = await makeLinks("mine", 10);
    const [stranger = ""] = await makeLinks("stranger", 1);
    ground.ip("link", "set", stranger, "group", String(OUR_LINK_GROUP + 1));
    await Promise.all(names.map((name) => reaper.delete(name)));
    await reaper.idle();
    expect(macvlans()).toEqual([stranger]);
    await reaper.delete(stranger);
  });

  test("one that is gone already does not hold up the others", async () => {
    const names = await makeLinks("some", 5);
    ground.ip("link", "del", "some3");
    await Promise.all(names.map((name) => reaper.delete(name)));
    expect(macvlans()).toEqual([]);
  });

  test("whoever needs the name waits until it is gone", async () => {
    const [name = ""] = await makeLinks("again", 1);
    const deleted = reaper.delete(name);
    await reaper.settled(name);
    await makeLinks("again", 1);
    await deleted;
    expect(macvlans()).toEqual([name]);
    await reaper.delete(name);
  });
});
