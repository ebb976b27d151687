import { afterEach, describe, expect, test } from "bun:test";
import { Conversation } from "../../src/netlink/conversation.ts";
import { frameTrace } from "../../src/netlink/debug.ts";
import { MACVLAN_MODE } from "../../src/netlink/kinds/macvlan.ts";
import {
  decodeLink,
  deleteGroupRequest,
  deleteLinkRequest,
  getLink,
  type Link,
  listLinks,
  newLinkRequest,
  RTM_LINK,
  setLinkRequest,
} from "../../src/netlink/link.ts";
import { eachMessage } from "../../src/netlink/message.ts";
import {
  NETLINK_ROUTE,
  openLinkEventSocket,
  openRequestSocket,
  RTMGRP_LINK,
} from "../../src/netlink/open.ts";
import { listenInThread, startNetlinkThread } from "../../src/netlink/thread.ts";
import { inlineTransport } from "../../src/netlink/transport.ts";
import { openLibc } from "../../src/sys/libc.ts";
import { type Netns, withNetns } from "../../src/sys/netns.ts";
import { openNetns, ownNetns } from "../../src/sys/netns-path.ts";
import { openNetlinkSocket } from "../../src/sys/socket.ts";
import { until } from "../ground/until.ts";
import { withParent } from "./netns.ts";

/** Netlink in threads, on this kernel. */

const libc = openLibc();
const startWorker = () => new Worker(new URL("../../src/netlink/worker.ts", import.meta.url).href);

const open: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

function threaded(netns: Netns): Conversation {
  const thread = startNetlinkThread(startWorker);
  const conversation = new Conversation(thread.transport(openRequestSocket(libc, NETLINK_ROUTE, netns)));
  open.push(
    () => thread.close(),
    () => conversation.close(),
  );
  return conversation;
}

/** Events by arrival, with the time at which they were heard. */
async function heard(netns: Netns): Promise<{ what: string; at: number }[]> {
  const events: { what: string; at: number }[] = [];
  const listener = await listenInThread(libc, startWorker, openLinkEventSocket(libc, { netns }), {
    onEvent(datagram) {
      for (const message of eachMessage(datagram)) {
        const verb = message.type === RTM_LINK.RTM_DELLINK ? "gone" : "new";
        events.push({ what: `${verb} ${decodeLink(message).attrs.name}`, at: performance.now() });
      }
    },
    onOverrun: () => void events.push({ what: "overrun", at: performance.now() }),
    onError: (error) => void events.push({ what: error.message, at: performance.now() }),
  });
  open.push(() => listener.close());
  return events;
}

const known = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error("not there");
  return value;
};

async function macvlan(conversation: Conversation, name: string) {
  const { header } = known(await getLink(conversation, { name: "p0" }));
  return newLinkRequest({
    name,
    parent: header.index,
    info: { kind: "macvlan", data: { mode: MACVLAN_MODE.bridge } },
  });
}

describe("a worker's transport", () => {
  test("gives what the inline one gives: a dump, a success, a failure", async () => {
    using live = withParent();
    const inThread = threaded(live.netns);
    const answers = async (conversation: Conversation, name: string) => ({
      made: await conversation.settle([await macvlan(conversation, name)]),
      again: await conversation.settle([await macvlan(conversation, name)]),
      gone: await conversation.settle([deleteLinkRequest({ name: "gone" })]),
      missing: await getLink(conversation, { name: "gone" }),
      deleted: await conversation.settle([deleteLinkRequest({ name })]),
    });
    expect(await answers(inThread, "m0")).toEqual(await answers(live.conversation, "m0"));
    const stable = (links: readonly Link[]) =>
      links.map(({ header, attrs: { other, ...attrs } }) => ({
        header,
        attrs,
        types: other?.map(({ type }) => type),
      }));
    expect(stable(await listLinks(inThread))).toEqual(stable(await listLinks(live.conversation)));
  });

  test("leaves this thread free while the kernel waits, and exchanges of one thread keep their order", async () => {
    using live = withParent();
    const inThread = threaded(live.netns);
    await inThread.request(await macvlan(inThread, "m0"));
    const order: string[] = [];
    const deleted = inThread.request(deleteLinkRequest({ name: "m0" })).then(() => order.push("deleted"));
    const asked = inThread.settle([deleteLinkRequest({ name: "m0" })]).then(([outcome]) => {
      order.push(outcome?.ok === false ? (outcome.error.errno ?? "") : "deleted twice");
    });
    // Turns of the event loop during the kernel's wait; over an inline transport there are one or two.
    let turns = 0;
    while (order.length === 0) {
      await new Promise((resolve) => setImmediate(resolve));
      turns++;
    }
    await Promise.all([deleted, asked]);
    expect(order).toEqual(["deleted", "ENODEV"]);
    expect(turns).toBeGreaterThan(5);
  });

  // The third of the retracted releases of another library: a receive that waits must not keep others from sending.
  test("is not kept from sending by a listener that waits", async () => {
    using live = withParent();
    const inThread = threaded(live.netns);
    await heard(live.netns);
    expect(await getLink(inThread, { name: "v1" })).toBeDefined();
  });

  test("two conversations share a thread", async () => {
    using one = withParent();
    using two = withParent();
    const thread = startNetlinkThread(startWorker);
    open.push(() => thread.close());
    const conversations = [one, two].map(
      ({ netns }) => new Conversation(thread.transport(openRequestSocket(libc, NETLINK_ROUTE, netns))),
    );
    open.push(...conversations.map((conversation) => () => conversation.close()));
    one.ip("link set dev v1 alias first");
    two.ip("link set dev v1 alias second");
    const links = await Promise.all(
      Array.from({ length: 20 }, (_, i) => getLink(known(conversations[i % 2]), { name: "v1" })),
    );
    expect(links.map((link) => link?.attrs.alias)).toEqual(
      Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? "first" : "second")),
    );
  });
});

test("a dump amid changes is whole: every link that stays, once", async () => {
  using live = withParent();
  const stays = Array.from({ length: 150 }, (_, i) => `s${i}`);
  const comes = Array.from({ length: 50 }, (_, i) => `c${i}`);
  const births = async (names: readonly string[]) => {
    const { header } = known(await getLink(live.conversation, { name: "p0" }));
    const info = { kind: "macvlan", data: { mode: MACVLAN_MODE.bridge } } as const;
    return names.map((name) =>
      newLinkRequest({ name, parent: header.index, group: name.startsWith("c") ? 7 : 8, info }),
    );
  };
  await live.conversation.settle(await births(stays));
  const [coming, dumping] = [threaded(live.netns), threaded(live.netns)];
  const requests = await births(comes);
  let dumped = false;
  const changes = (async () => {
    while (!dumped) {
      await coming.settle(requests);
      await coming.request(deleteGroupRequest(7));
    }
  })();
  for (let i = 0; i < 15; i++) {
    const names = (await listLinks(dumping)).map(({ attrs }) => attrs.name ?? "");
    expect(names.filter((name) => /^s\d/.test(name)).toSorted()).toEqual(stays.toSorted());
  }
  dumped = true;
  await changes;
});

describe("events", () => {
  test("tell of every change of this netns", async () => {
    using live = withParent();
    const events = await heard(live.netns);
    await live.conversation.request(await macvlan(live.conversation, "m0"));
    const { header } = known(await getLink(live.conversation, { name: "m0" }));
    await live.conversation.request(setLinkRequest({ ifindex: header.index }, { name: "m1" }));
    live.ip("link del dev m1");
    await until("the end of m1 is heard", () => events.some(({ what }) => what === "gone m1"));
    expect(events.map(({ what }) => what)).toEqual(expect.arrayContaining(["new m0", "new m1", "gone m1"]));
    expect(events.map(({ what }) => what)).not.toContain("gone m0");
  });

  test("RTM_DELLINK is heard before the ACK of its delete comes", async () => {
    using live = withParent();
    const inThread = threaded(live.netns);
    const events = await heard(live.netns);
    const waits: number[] = [];
    for (let i = 0; i < 5; i++) {
      await inThread.request(await macvlan(inThread, `m${i}`));
      await inThread.request(deleteLinkRequest({ name: `m${i}` }));
      const acknowledged = performance.now();
      const gone = await until("the end is heard", () => events.find(({ what }) => what === `gone m${i}`));
      waits.push(acknowledged - gone.at);
    }
    // The kernel's grace period, some ticks of 4 ms at 250 Hz. On a machine with much to do a thread may be late to
    // hear; that two of five came in time shows the order.
    expect(waits.toSorted((a, b) => b - a)[1]).toBeGreaterThan(1);
  });

  test("that the kernel had to drop are told as an overrun, and listening goes on", async () => {
    using live = withParent();
    const { netns } = live;
    const socket = openNetlinkSocket(libc, {
      protocol: NETLINK_ROUTE,
      netns,
      groups: RTMGRP_LINK,
      receiveBuffer: 1,
    });
    for (let i = 0; i < 20; i++) {
      await live.conversation.request(setLinkRequest({ name: "v1" }, { alias: `change ${i}` }));
    }
    const heardNow: string[] = [];
    const listener = await listenInThread(libc, startWorker, socket, {
      onEvent: (datagram) =>
        void heardNow.push(
          ...[...eachMessage(datagram)].map((message) => decodeLink(message).attrs.alias ?? ""),
        ),
      onOverrun: () => void heardNow.push("overrun"),
      onError: (error) => void heardNow.push(error.message),
    });
    open.push(() => listener.close());
    await until("the overrun is told", () => heardNow.includes("overrun"));
    await live.conversation.request(setLinkRequest({ name: "v1" }, { alias: "after it" }));
    await until("a later event is heard", () => heardNow.includes("after it"));
    expect(heardNow.filter((alias) => alias.startsWith("change")).length).toBeLessThan(20);
  });

  test("a listener that is closed is closed at once, though nothing happens", async () => {
    using live = withParent();
    const listener = await listenInThread(
      libc,
      startWorker,
      openLinkEventSocket(libc, { netns: live.netns }),
      {
        onEvent: () => undefined,
        onOverrun: () => undefined,
        onError: () => undefined,
      },
    );
    const started = performance.now();
    await listener.close();
    expect(performance.now() - started).toBeLessThan(1000);
  });
});

describe("a netns is entered", () => {
  test("to open a socket: no thread of the process stays there, the compiler's and the pool's among them", () => {
    const script = new URL("./bracket.fixture.ts", import.meta.url).pathname;
    for (let i = 0; i < 10; i++) {
      const child = Bun.spawnSync([process.execPath, script], { timeout: 20_000 });
      expect(child.stderr.toString()).toBe("");
      const told = JSON.parse(child.stdout.toString()) as { elsewhere: string[]; threads: number };
      expect(told.threads).toBeGreaterThan(4);
      expect(told.elsewhere).toEqual([]);
    }
  });

  test("and what cannot be entered is named", () => {
    const file = openNetns("/proc/version");
    open.push(() => file.close());
    expect(() => openRequestSocket(libc, NETLINK_ROUTE, file)).toThrow(
      "enter network namespace /proc/version: EINVAL",
    );
    const home = ownNetns();
    open.push(() => home.close());
    expect(() => openNetlinkSocket(libc, { protocol: 99, netns: home })).toThrow("EPROTONOSUPPORT");
  });

  test("for synchronous work, and left when the work throws", async () => {
    using live = withParent();
    const inside = withNetns(libc, live.netns, () => {
      const here = ownNetns();
      here.close();
      return here.inode;
    });
    expect(inside).toBe(live.netns.inode);
    expect(() =>
      withNetns(libc, live.netns, () => {
        throw new Error("in there");
      }),
    ).toThrow("in there");
    const links = new Conversation(inlineTransport(openRequestSocket(libc, NETLINK_ROUTE)));
    open.push(() => links.close());
    expect(await getLink(links, { name: "v1" })).toBeUndefined();
    // @ts-expect-error a promise would let the rest of the work run in the wrong netns
    const refused = () => withNetns(libc, live.netns, async () => undefined);
    expect(refused).toBeFunction();
  });
});

describe("the frame dump", () => {
  test("shows each message both ways", async () => {
    using live = withParent();
    const lines: string[] = [];
    const socket = openRequestSocket(libc, NETLINK_ROUTE, live.netns);
    const conversation = new Conversation(
      inlineTransport(socket),
      frameTrace((text) => void lines.push(text)),
    );
    open.push(() => conversation.close());
    await getLink(conversation, { name: "p0" });
    const text = lines.join("");
    expect(text).toContain("netlink > type=18 flags=0x5 seq=1 body=32\n");
    expect(text).toMatch(/netlink < type=16 flags=0x0 seq=1 body=\d{3,}\n/);
    expect(text).toMatch(/netlink < type=2 .*seq=1/);
    expect(text).toContain("p0");
    expect(text).toMatch(/^ {2}0000 {2}[0-9a-f]{8}/m);
  });
});
