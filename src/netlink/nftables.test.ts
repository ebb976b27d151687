import { describe, expect, test } from "bun:test";
import { fromHex, toHex } from "../lib/bytes.ts";
import { type Cidr, parseCidr } from "../lib/ip.ts";
import { parseMac } from "../lib/mac.ts";
import { Conversation } from "./conversation.ts";
import type { Request } from "./failure.ts";
import { eachMessage, encodeMessage, NLM_F } from "./message.ts";
import { drop, goTo, jumpIfFromLink, masqueradeFrom, returnIfFromMac, returnIfTo } from "./nft-rule.ts";
import { nftablesGolden as golden } from "./nftables.golden.ts";
import {
  addChainRequest,
  addRuleRequest,
  addTableRequest,
  commit,
  deleteChainRequest,
  deleteRuleRequest,
  flushChainRequest,
  listRules,
  type NftChain,
} from "./nftables.ts";

/** What we send against what nft(8) sends for the same command. */

const plain: NftChain = { family: "inet", table: "t", chain: "plain" };
const post: NftChain = { ...plain, chain: "post" };
const bridged: NftChain = { ...plain, family: "bridge" };
const pre: NftChain = { ...bridged, chain: "pre" };
const CHECK = "macspoofchk-1";

const cidr = (text: string): Cidr => {
  const parsed = parseCidr(text);
  if (!parsed) throw new Error(text);
  return parsed;
};
const MAC = parseMac("02:00:00:00:00:01");
if (!MAC) throw new Error("no MAC");

interface Golden {
  readonly command: string;
  readonly sent: readonly string[];
}

const CASES: readonly [Golden, Request][] = [
  [golden.flush, flushChainRequest(plain)],
  [golden.deleteChain, deleteChainRequest(plain)],
  [golden.returnV4, addRuleRequest(plain, returnIfTo(cidr("224.0.0.0/4")))],
  [golden.returnV6, addRuleRequest(plain, returnIfTo(cidr("ff00::/8")))],
  [golden.goto, addRuleRequest(post, goTo("plain"))],
  [golden.masqueradeV4, addRuleRequest(plain, masqueradeFrom(cidr("10.1.2.3/24")), "mine")],
  [golden.masqueradeV6, addRuleRequest(plain, masqueradeFrom(cidr("fd00:1::3/66")), "mine")],
  [golden.jumpFromLink, addRuleRequest(pre, jumpIfFromLink("veth0", "plain"), CHECK)],
  [golden.macReturn, addRuleRequest(bridged, returnIfFromMac(MAC), CHECK)],
  [golden.drop, addRuleRequest(bridged, drop(), CHECK)],
  [golden.deleteRule, deleteRuleRequest({ ...plain, handle: fromHex("0000000000000002") })],
  [golden.natChain, addChainRequest(post, { type: "nat", hook: 4, priority: 100 })],
];

/** As a conversation frames it; nft acknowledges a batch once. */
function framed({ type, flags, body }: Request): string {
  return toHex(encodeMessage({ type, flags: flags | NLM_F.NLM_F_REQUEST, seq: 0, body }));
}

describe("nftables", () => {
  for (const [{ command, sent }, ours] of CASES) {
    test(command, () => {
      expect(framed(ours)).toBe(String(sent[0]));
    });
  }

  test(`${golden.table.command}, without its user data`, () => {
    const [theirs] = eachMessage(fromHex(golden.table.sent[0]));
    const ours = addTableRequest(plain);
    expect([ours.type, ours.flags]).toEqual([theirs?.type ?? 0, 0x400]);
    expect(toHex(theirs?.body ?? new Uint8Array())).toStartWith(toHex(ours.body));
  });

  test(`${golden.filterChain.command}, whose policy is the kernel's default`, () => {
    const ours = framed(addChainRequest(pre, { type: "filter", hook: 0, priority: -300 }));
    const policy = "0800050000000001";
    expect(ours.slice(8)).toBe(golden.filterChain.sent[0].slice(8).replace(policy, ""));
  });

  test("the rules of a chain, and their comments", async () => {
    const answer = [...golden.rules.received, "14000000030002000000000000000000" + "00000000"].map(fromHex);
    const kernel = new Conversation({
      exchange: (requests) => {
        const seq = [...eachMessage(requests)][0]?.seq ?? 0;
        return Promise.resolve(answer.map((bytes) => withSeq(bytes, seq)));
      },
      close: () => undefined,
    });
    expect(await listRules(kernel, plain)).toMatchObject([
      { handle: fromHex("0000000000000002"), comment: "mine" },
      { handle: fromHex("0000000000000003") },
    ]);
  });

  test("the brackets of a batch", async () => {
    let sent = new Uint8Array();
    const kernel = new Conversation({
      exchange: (requests) => {
        sent = Uint8Array.from(requests);
        return Promise.resolve([]);
      },
      close: () => undefined,
    });
    await commit(kernel, []);
    const messages = [...eachMessage(sent)].map((message) => toHex(encodeMessage({ ...message, seq: 0 })));
    expect(messages).toEqual([...golden.batch.sent]);
  });
});

function withSeq(bytes: Uint8Array, seq: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  new DataView(copy.buffer).setUint32(8, seq, true);
  return copy;
}
