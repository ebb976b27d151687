import { expect, test } from "bun:test";
import { fromHex, toHex } from "../lib/bytes.ts";
import { parseMac } from "../lib/mac.ts";
import { eachAttr } from "./attribute.ts";
import { bridgeGolden as golden } from "./bridge.golden.ts";
import {
  addVlanRequest,
  bridgeInfo,
  bridgeOf,
  bridgePortOf,
  deleteVlanRequest,
  setBridgePortRequest,
} from "./bridge.ts";
import type { Request } from "./failure.ts";
import { kindsGolden } from "./kinds.golden.ts";
import { decodeLink, linkFormat, newLinkRequest, setLinkRequest } from "./link.ts";
import { decodeBody, eachMessage, type Message } from "./message.ts";
import { vethInfo } from "./veth.ts";

/** Veth pairs and bridges: what we send against what ip(8) and bridge(8) send. */

const HEADER = 16;

function only(hex: readonly string[]): Message {
  const [message] = eachMessage(fromHex(hex.join("")));
  if (!message) throw new Error("no message");
  return message;
}

/** Attributes by type and bytes, whatever their order, down to where they are nested. */
function sorted(bytes: Uint8Array, path: readonly number[]): unknown[] {
  const all = eachAttr(bytes).map(({ type, payload }) => {
    const [head, ...rest] = path;
    // The NUL behind the name of a kind is as good as none.
    if (type !== head) return [type, toHex(payload).replace(/00$/, "")];
    const skip = rest[0] === 0 ? HEADER : 0;
    return [type, sorted(payload.subarray(skip), skip ? rest.slice(1) : rest)];
  });
  return all.toSorted((a, b) => Number(a[0]) - Number(b[0]));
}

function same(ours: Request, theirs: readonly string[], path: readonly number[] = []): void {
  const message = only(theirs);
  expect(ours.type).toBe(message.type);
  expect(toHex(ours.body.subarray(0, HEADER))).toBe(toHex(message.body.subarray(0, HEADER)));
  expect(sorted(ours.body.subarray(HEADER), path)).toEqual(sorted(message.body.subarray(HEADER), path));
}

/** IFLA_LINKINFO, IFLA_INFO_DATA, VETH_INFO_PEER; 0 = behind a header. */
const TO_PEER = [18, 2, 1, 0];

test(kindsGolden.veth.command, () => {
  same(newLinkRequest({ name: "a0", info: vethInfo({ name: "a1" }) }), kindsGolden.veth.sent, TO_PEER);
});

test(kindsGolden.vethPeerInNetns.command, () => {
  const mac = parseMac("02:11:22:33:44:55");
  if (!mac) throw new Error("no MAC");
  const peer = { name: "eth0", mtu: 1400, mac, netnsFd: 4 };
  const ours = newLinkRequest({ name: "a0", mtu: 1400, info: vethInfo(peer) });
  same(ours, kindsGolden.vethPeerInNetns.sent, TO_PEER);
});

test(golden.filtering.command, () => {
  same(
    newLinkRequest({ name: "b0", mtu: 1400, info: bridgeInfo({ vlanFiltering: 1 }) }),
    golden.filtering.sent,
    [18],
  );
});

test(`${golden.port.command}: the same data, under the name that the kernel has for such a port`, () => {
  const dataIn = (body: Uint8Array) => {
    const [info] = eachAttr(body.subarray(HEADER));
    return eachAttr(info?.payload ?? new Uint8Array())
      .filter(({ type }) => type === 5)
      .map(({ payload }) => toHex(payload));
  };
  const ours = dataIn(setBridgePortRequest(3, { hairpin: 1, isolated: 1 }).body);
  expect(ours).toEqual(dataIn(only(golden.port.sent).body));
  expect(ours).toHaveLength(1);
});

test(golden.promisc.command, () => {
  same(setLinkRequest({ ifindex: 4 }, { promisc: true }), golden.promisc.sent);
});

test(golden.addVlan.command, () => {
  same(addVlanRequest(3, { vid: 100, pvid: true, untagged: true }), golden.addVlan.sent);
});

test(golden.deleteVlan.command, () => {
  same(deleteVlanRequest(3, 1), golden.deleteVlan.sent);
});

test("what the kernel tells of a bridge, and of its port", () => {
  expect(bridgeOf(decodeLink(only(kindsGolden.bridgeReply.received)).attrs.info)).toEqual({
    vlanFiltering: 0,
  });
  const { attrs } = decodeBody(linkFormat, only(kindsGolden.bridgePortReply.received).body);
  expect(bridgeOf(attrs.info)).toBeUndefined();
  expect(bridgePortOf(attrs.info)).toEqual({ hairpin: 0, isolated: 0 });
});
