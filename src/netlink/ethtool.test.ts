import { describe, expect, test } from "bun:test";
import { fromHex, toHex } from "../lib/bytes.ts";
import { NLA_F_NESTED } from "./attribute.ts";
import { ethtoolGolden } from "./ethtool.golden.ts";
import { type Features, featuresFormat, setFeaturesRequest } from "./ethtool.ts";
import { decodeBody, eachMessage } from "./message.ts";

/** Against what `ethtool -K` sends and what the kernel answers: neither knows our encoder. */

function bodyOf([hex = ""]: readonly string[]): Uint8Array {
  const [message] = eachMessage(fromHex(hex));
  if (!message) throw new Error("an empty golden message");
  return message.body;
}

/** Attributes as `type: payload`, marks included; without what stands between them, which `ethtool` leaves as it was. */
function attributes(bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const all: string[] = [];
  for (let at = 0; at + 4 <= bytes.length; ) {
    const [length, type] = [view.getUint16(at, true), view.getUint16(at + 2, true)];
    const payload = bytes.subarray(at + 4, at + length);
    all.push(
      ...(type & NLA_F_NESTED ? [`${type}{`, ...attributes(payload), "}"] : [`${type}: ${toHex(payload)}`]),
    );
    at += (length + 3) & ~3;
  }
  return all;
}

const GENLMSGHDR = 4;

describe("what ethtool sends", () => {
  const cases: readonly (readonly [keyof typeof ethtoolGolden & ("oneOff" | "offAndOn"), Features])[] = [
    ["oneOff", { "tx-checksum-ip-generic": false }],
    ["offAndOn", { "tx-checksum-ip-generic": false, "tx-checksum-sctp": true }],
  ];
  test.each(cases)("%s", (name, features) => {
    const golden = bodyOf(ethtoolGolden[name].sent);
    const ours = setFeaturesRequest(21, { name: "p0" }, features).body;
    expect(toHex(ours.subarray(0, GENLMSGHDR))).toBe(toHex(golden.subarray(0, GENLMSGHDR)));
    expect(attributes(ours.subarray(GENLMSGHDR))).toEqual(attributes(golden.subarray(GENLMSGHDR)));
  });
});

test("what the kernel answers: nothing that was wanted is otherwise", () => {
  const { attrs } = decodeBody(featuresFormat, bodyOf(ethtoolGolden.reply.received));
  expect(attrs.header).toMatchObject({ devIndex: 3, devName: "p0" });
  expect(attrs.wanted?.mask).toEqual(new Uint8Array(8));
});

test("the words name the link and the features", () => {
  const { what } = setFeaturesRequest(21, { ifindex: 3 }, { "tx-checksum-ip-generic": false });
  expect(what).toBe("set features of link #3: tx-checksum-ip-generic off");
});
