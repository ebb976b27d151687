import { describe, expect, test } from "bun:test";
import { concatBytes } from "../lib/bytes.ts";
import { silentLog } from "../lib/log.ts";
import { type LinkAttrs, linkFormat } from "../netlink/link.ts";
import { encodeBody, encodeMessage } from "../netlink/message.ts";
import { type LinkEvent, linkWatch } from "./watch.ts";

const NEW = 16;
const DELETED = 17;

/** As the kernel tells it: `change` is of the message, not of the link. */
function told(type: number, header: { index: number; flags?: number; change?: number }, attrs: LinkAttrs) {
  return encodeMessage({ type, flags: 0, seq: 0, body: encodeBody(linkFormat, header, attrs) });
}

function heard() {
  const events: LinkEvent[] = [];
  const watch = linkWatch(silentLog);
  watch.subscribe((event) => events.push(event));
  return { events, watch, news: () => events.splice(0).map((event) => "news" in event && event.news) };
}

const parent = (flags = 1, change = 0) => told(NEW, { index: 2, flags, change }, { name: "eth0", mtu: 1500 });

describe("news of a link", () => {
  test("is the first word of it, and every other word than the last", () => {
    const { watch, news } = heard();
    for (const datagram of [parent(), parent(), parent(1, 0xffffffff), parent(0), parent(0), parent()])
      watch.onEvent(datagram);
    watch.onEvent(told(NEW, { index: 2, flags: 1 }, { name: "eth0", mtu: 1400 }));
    expect(news()).toEqual([true, false, false, true, false, true, true]);
  });

  test("is of one link: what is said of others between does not count", () => {
    const { watch, news } = heard();
    const other = told(NEW, { index: 3 }, { name: "eth1" });
    watch.onEvent(concatBytes([parent(), other, parent(), other]));
    expect(news()).toEqual([true, true, false, false]);
  });

  test("is all that is said of a link that was gone, or after events were lost", () => {
    const { watch, news } = heard();
    watch.onEvent(concatBytes([parent(), told(DELETED, { index: 2 }, { name: "eth0" }), parent()]));
    expect(news()).toEqual([true, false, true]);
    watch.onOverrun();
    watch.onEvent(parent());
    expect(news()).toEqual([false, true]);
  });
});

test("a link hangs on one of the same netns only", () => {
  const { watch, events } = heard();
  watch.onEvent(told(NEW, { index: 5 }, { name: "m0", link: 2 }));
  watch.onEvent(told(NEW, { index: 6 }, { name: "m1", link: 2, linkNetnsid: 0 }));
  watch.onEvent(told(DELETED, { index: 5 }, { name: "m0", link: 2 }));
  expect(events).toEqual([
    { kind: "changed", up: false, news: true, moved: false, name: "m0", ifindex: 5, parentIfindex: 2 },
    { kind: "changed", up: false, news: true, moved: false, name: "m1", ifindex: 6 },
    { kind: "gone", name: "m0", ifindex: 5, parentIfindex: 2 },
  ]);
});

test("a link has moved when the kernel asks its peers to be told so, and by no other event", () => {
  const { watch, events } = heard();
  const NOTIFY_PEERS = 4;
  const RESEND_IGMP = 5;
  for (const event of [NOTIFY_PEERS, RESEND_IGMP, undefined])
    watch.onEvent(told(NEW, { index: 2 }, { name: "bond0", ...(event !== undefined && { event }) }));
  expect(events.map((event) => event.kind === "changed" && event.moved)).toEqual([true, false, false]);
});
