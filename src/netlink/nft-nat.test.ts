import { describe, expect, test } from "bun:test";
import { concatBytes, fromHex, toHex } from "../lib/bytes.ts";
import { type Cidr, parseCidr, parseIp } from "../lib/ip.ts";
import { Conversation } from "./conversation.ts";
import type { Request } from "./failure.ts";
import { eachMessage, encodeMessage, NLM_F } from "./message.ts";
import { natGolden as golden } from "./nat.golden.ts";
import {
  addElementsRequests,
  addMapRequest,
  deleteElementsRequests,
  joined,
  listElements,
  type NftMap,
  type ValueType,
} from "./nft-map.ts";
import * as nat from "./nft-nat.ts";
import { drop, ofFamily, returns } from "./nft-rule.ts";
import { addRuleRequest, deleteTableRequest, type NftChain } from "./nftables.ts";

/** What we send against what nft(8) sends for the same command. */

const plain: NftChain = { family: "inet", table: "t", chain: "plain" };

const cidr = (text: string): Cidr => {
  const parsed = parseCidr(text);
  if (!parsed) throw new Error(text);
  return parsed;
};
const address = (text: string): Uint8Array => {
  const parsed = parseIp(text);
  if (!parsed) throw new Error(text);
  return parsed.bytes;
};
const map = (name: string, key: readonly ValueType[], data: readonly ValueType[]): NftMap => ({
  family: "inet",
  table: "t",
  map: name,
  id: 1,
  key,
  data,
});
const any4 = map("any4", ["inet_proto", "inet_service"], ["ipv4_addr", "inet_service"]);
const any6 = map("any6", ["inet_proto", "inet_service"], ["ipv6_addr", "inet_service"]);
const hosted4 = map("hosted4", ["ipv4_addr", "inet_proto", "inet_service"], ["ipv4_addr", "inet_service"]);
const hosted6 = map("hosted6", ["ipv6_addr", "inet_proto", "inet_service"], ["ipv6_addr", "inet_service"]);
const port = (number: number) => Uint8Array.of(number >> 8, number & 0xff);
const TCP = Uint8Array.of(6);
const UDP = Uint8Array.of(17);

const rule = (steps: readonly Uint8Array[], comment?: string) =>
  addRuleRequest(plain, concatBytes([...steps]), comment);
const v4 = ofFamily({ family: 4 });
const v6 = ofFamily({ family: 6 });
const leaves = nat.byLink("out", "br0", "isNot");
const into = nat.byLink("out", "br0");

interface Golden {
  readonly command: string;
  readonly sent: readonly string[];
}

const CASES: readonly [Golden, Request | undefined][] = [
  [golden.deleteTable, deleteTableRequest(plain)],
  [
    golden.elements4,
    addElementsRequests(any4, [
      {
        key: joined([TCP, port(8080)]),
        data: joined([address("10.1.0.2"), port(80)]),
        comment: "mine",
      },
      {
        key: joined([UDP, port(53)]),
        data: joined([address("10.1.0.3"), port(5353)]),
        comment: "mine",
      },
    ])[0],
  ],
  [
    golden.elements6,
    addElementsRequests(hosted6, [
      {
        key: joined([address("fd01::1"), TCP, port(8080)]),
        data: joined([address("fd00::2"), port(80)]),
        comment: "mine",
      },
    ])[0],
  ],
  [
    golden.deleteElements,
    deleteElementsRequests(any4, [joined([TCP, port(8080)]), joined([UDP, port(53)])])[0],
  ],
  [golden.dnatAny4, rule([nat.toLocal(), nat.translateBy(any4, 4, false)])],
  [golden.dnatAny6, rule([nat.toLocal(), nat.translateBy(any6, 6, false)])],
  [golden.dnatHosted4, rule([v4, nat.translateBy(hosted4, 4, true)])],
  [golden.dnatHosted6, rule([v6, nat.translateBy(hosted6, 6, true)])],
  [
    golden.masqueradeLeaving4,
    rule(
      [leaves, v4, nat.from(cidr("10.1.0.0/24")), nat.to(cidr("224.0.0.0/4"), "isNot"), nat.masquerade()],
      "mine",
    ),
  ],
  [
    golden.masqueradeLeaving6,
    rule(
      [leaves, v6, nat.from(cidr("fd00:1::/64")), nat.to(cidr("ff00::/8"), "isNot"), nat.masquerade()],
      "mine",
    ),
  ],
  [
    golden.masqueradeHairpin,
    rule([
      into,
      v4,
      nat.from(cidr("10.1.0.0/24")),
      nat.to(cidr("10.1.0.0/24")),
      nat.translated(),
      nat.masquerade(),
    ]),
  ],
  [golden.masqueradeLoopback, rule([into, v4, nat.from(cidr("127.0.0.0/8")), nat.masquerade()])],
  [
    golden.returnLoopback,
    rule([nat.byLink("in", "lo", "isNot"), v4, nat.to(cidr("127.0.0.0/8")), returns()]),
  ],
  [golden.dropLoopback, rule([nat.byLink("in", "br0"), v4, nat.to(cidr("127.0.0.0/8")), drop()])],
  [golden.acceptEstablished, rule([into, nat.established(), nat.accept()])],
  [golden.acceptDnat, rule([into, nat.translated(), nat.accept()])],
  [golden.acceptWithin, rule([nat.byLink("in", "br0"), into, nat.accept()])],
  [golden.dropTo, rule([into, drop()])],
  [golden.dropFrom, rule([nat.byLink("in", "br0"), drop()])],
];

/** As a conversation frames it; nft acknowledges a batch once. */
function framed({ type, flags, body }: Request): string {
  return toHex(encodeMessage({ type, flags: flags | NLM_F.NLM_F_REQUEST, seq: 0, body }));
}

describe("nat", () => {
  for (const [{ command, sent }, ours] of CASES) {
    test(command, () => {
      expect(ours && framed(ours)).toBe(String(sent[0]));
    });
  }

  for (const [{ command, sent }, ours] of [
    [golden.any4, addMapRequest(any4)],
    [golden.hosted6, addMapRequest(hosted6)],
  ] as const) {
    test(`${command}, without its user data`, () => {
      const [theirs] = eachMessage(fromHex(sent[0]));
      expect([ours.type, ours.flags]).toEqual([theirs?.type ?? 0, NLM_F.NLM_F_CREATE]);
      expect(toHex(theirs?.body ?? new Uint8Array())).toStartWith(toHex(ours.body));
    });
  }

  test("the elements of a map", async () => {
    const answer = [...golden.elements.received, "14000000030002000000000000000000" + "00000000"].map(
      fromHex,
    );
    const kernel = new Conversation({
      exchange: (requests) => {
        const seq = [...eachMessage(requests)][0]?.seq ?? 0;
        return Promise.resolve(answer.map((bytes) => withSeq(bytes, seq)));
      },
      close: () => undefined,
    });
    const elements = await listElements(kernel, any4);
    expect(elements?.toSorted((one, other) => Buffer.compare(one.key, other.key))).toEqual([
      { key: joined([TCP, port(8080)]), data: joined([address("10.1.0.2"), port(80)]) },
      { key: joined([UDP, port(53)]), data: joined([address("10.1.0.3"), port(5353)]) },
    ]);
  });
});

function withSeq(bytes: Uint8Array, seq: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  new DataView(copy.buffer).setUint32(8, seq, true);
  return copy;
}
