import { concatBytes } from "../lib/bytes.ts";
import { type Attrs, encodeAttr, nested } from "./attribute.ts";
import { binary, struct, text, u8, u16be, u32be } from "./codec.ts";
import type { Conversation } from "./conversation.ts";
import { GONE, isErrno, type Request } from "./failure.ts";
import { decodeBody, encodeBody, type Message, NLM_F } from "./message.ts";
import type { Expressions } from "./nft-rule.ts";

/**
 * Tables, chains and rules of nftables: `<linux/netfilter/nf_tables.h>`, `<linux/netfilter/nfnetlink.h>`. Changes are
 * sent in a batch, of which all or none come to pass.
 */

/** In the upper byte of a message's type. */
const NFNL_SUBSYS_NFTABLES = 10;
const NFNL_MSG_BATCH_BEGIN = 16;
const NFNL_MSG_BATCH_END = 17;

const NFT_MSG_NEWTABLE = 0;
const NFT_MSG_DELTABLE = 2;
const NFT_MSG_NEWCHAIN = 3;
const NFT_MSG_DELCHAIN = 5;
const NFT_MSG_NEWRULE = 6;
const NFT_MSG_GETRULE = 7;
const NFT_MSG_DELRULE = 8;

/** Of which packets a table is told. */
export const NF_FAMILY = { inet: 1, ip: 2, bridge: 7, ip6: 10 } as const;
export type NfFamily = keyof typeof NF_FAMILY;

const NFPROTO_UNSPEC = 0;

/** Of `<linux/netlink.h>`. */
const NLA_F_NESTED = 0x8000;

/** `nft` names a comment so in the user data of what it makes: an element of type, length, text. */
const UDATA_COMMENT = 0;

export const nfgenmsg = struct({ family: u8, version: u8, resource: u16be });

export const nftTableTable = {
  name: { type: 1, symbol: "NFTA_TABLE_NAME", codec: text },
  flags: { type: 2, symbol: "NFTA_TABLE_FLAGS", codec: u32be },
} as const;

export const nftHookTable = {
  hook: { type: 1, symbol: "NFTA_HOOK_HOOKNUM", codec: u32be },
  priority: { type: 2, symbol: "NFTA_HOOK_PRIORITY", codec: u32be },
} as const;

export const nftChainTable = {
  table: { type: 1, symbol: "NFTA_CHAIN_TABLE", codec: text },
  name: { type: 3, symbol: "NFTA_CHAIN_NAME", codec: text },
  hook: { type: 4, symbol: "NFTA_CHAIN_HOOK", codec: nested(nftHookTable) },
  policy: { type: 5, symbol: "NFTA_CHAIN_POLICY", codec: u32be },
  type: { type: 7, symbol: "NFTA_CHAIN_TYPE", codec: text },
} as const;

export const nftRuleTable = {
  table: { type: 1, symbol: "NFTA_RULE_TABLE", codec: text },
  chain: { type: 2, symbol: "NFTA_RULE_CHAIN", codec: text },
  /** A big-endian u64, which nobody counts with. */
  handle: { type: 3, symbol: "NFTA_RULE_HANDLE", codec: binary },
  expressions: { type: 4, symbol: "NFTA_RULE_EXPRESSIONS", codec: binary },
  /** The handle of the rule that a new one is put before. */
  position: { type: 6, symbol: "NFTA_RULE_POSITION", codec: binary },
  userdata: { type: 7, symbol: "NFTA_RULE_USERDATA", codec: binary },
} as const;

export const nftTableFormat = { header: nfgenmsg, table: nftTableTable } as const;
export const nftChainFormat = { header: nfgenmsg, table: nftChainTable } as const;
export const nftRuleFormat = { header: nfgenmsg, table: nftRuleTable } as const;

export interface NftTable {
  readonly family: NfFamily;
  readonly table: string;
}

export interface NftChain extends NftTable {
  readonly chain: string;
}

/** Where in a packet's way a chain is asked: numbers of `<linux/netfilter.h>`, `<linux/netfilter_bridge.h>`. */
export interface Hook {
  readonly type: "nat" | "filter";
  readonly hook: number;
  readonly priority: number;
}

export interface NftRule extends NftChain {
  readonly handle: Uint8Array;
  readonly comment?: string;
  /** As the kernel tells them, which is not as they were sent. */
  readonly expressions?: Uint8Array;
}

const CREATE = NLM_F.NLM_F_CREATE;

/** One that is there already is success, here and for chains. */
export function addTableRequest({ family, table }: NftTable): Request {
  const body = encodeBody(nftTableFormat, { family: NF_FAMILY[family] }, { name: table, flags: 0 });
  return {
    ...change(`make table ${family} ${table}`, NFT_MSG_NEWTABLE, CREATE),
    body,
    format: nftTableFormat,
  };
}

/** With all that is in it. ENOENT when there is none. */
export function deleteTableRequest({ family, table }: NftTable): Request {
  return {
    ...change(`remove table ${family} ${table}`, NFT_MSG_DELTABLE, 0),
    body: encodeBody(nftTableFormat, { family: NF_FAMILY[family] }, { name: table }),
    format: nftTableFormat,
  };
}

/** `at`: absent for one that is only come to from others. */
export function addChainRequest(chain: NftChain, at?: Hook): Request {
  const hook = at && { hook: at.hook, priority: at.priority >>> 0 };
  const body = concatBytes([
    chainBody(chain),
    ...(hook && at
      ? [
          encodeAttr(nftChainTable.type.type, text.encode(at.type)),
          encodeAttr(nftChainTable.hook.type | NLA_F_NESTED, nftChainTable.hook.codec.encode(hook)),
        ]
      : []),
  ]);
  return { ...change(`make ${nameOf(chain)}`, NFT_MSG_NEWCHAIN, CREATE), body, format: nftChainFormat };
}

/** EBUSY while a rule leads there. */
export function deleteChainRequest(chain: NftChain): Request {
  const { family, table } = chain;
  return {
    ...change(`remove ${nameOf(chain)}`, NFT_MSG_DELCHAIN, 0),
    body: encodeBody(nftChainFormat, { family: NF_FAMILY[family] }, { table, name: chain.chain }),
    format: nftChainFormat,
  };
}

/** Takes all rules out of a chain. */
export function flushChainRequest(chain: NftChain): Request {
  const what = `empty ${nameOf(chain)}`;
  return { ...change(what, NFT_MSG_DELRULE, 0), body: ruleBody(chain, {}), format: nftRuleFormat };
}

/**
 * Behind the others of its chain, or before them, or before the one with that handle. `comment`: up to 128 bytes, for a
 * person, and to know it by.
 */
export function addRuleRequest(
  chain: NftChain,
  expressions: Expressions,
  comment?: string,
  place: "last" | "first" | Pick<NftRule, "handle"> = "last",
): Request {
  const body = concatBytes([
    ruleBody(chain, typeof place === "string" ? {} : { position: place.handle }),
    encodeAttr(nftRuleTable.expressions.type | NLA_F_NESTED, expressions),
    ...(comment === undefined ? [] : [encodeAttr(nftRuleTable.userdata.type, userdataOf(comment))]),
  ]);
  const flags = place === "last" ? CREATE | NLM_F.NLM_F_APPEND : CREATE;
  return {
    ...change(`add a rule to ${nameOf(chain)}`, NFT_MSG_NEWRULE, flags),
    body,
    format: nftRuleFormat,
  };
}

export function deleteRuleRequest({ handle, ...chain }: NftChain & Pick<NftRule, "handle">): Request {
  const what = `remove a rule of ${nameOf(chain)}`;
  return { ...change(what, NFT_MSG_DELRULE, 0), body: ruleBody(chain, { handle }), format: nftRuleFormat };
}

/** The rules of a chain, or of a whole table, in their order; none when there is no such thing. */
export async function listRules(
  conversation: Conversation,
  of: NftTable & Partial<NftChain>,
): Promise<NftRule[]> {
  const { family, table, chain } = of;
  try {
    const messages = await conversation.dump({
      ...change(`list the rules of ${family} ${table}${chain ? ` ${chain}` : ""}`, NFT_MSG_GETRULE, 0),
      body: encodeBody(nftRuleFormat, { family: NF_FAMILY[family] }, { table, ...(chain && { chain }) }),
      format: nftRuleFormat,
    });
    return messages.flatMap((message) => ruleOf(message, of));
  } catch (thrown) {
    if (isErrno(thrown, ...GONE)) return [];
    throw thrown;
  }
}

/** A kernel from before it could filter a dump tells of every chain. */
function ruleOf(message: Message, of: NftTable & Partial<NftChain>): NftRule[] {
  const { attrs } = decodeBody(nftRuleFormat, message.body);
  const { chain = of.chain, handle, expressions } = attrs;
  if (attrs.table !== of.table || chain === undefined || chain !== (of.chain ?? chain) || !handle) return [];
  const comment = attrs.userdata && commentOf(attrs.userdata);
  return [
    {
      ...of,
      chain,
      handle,
      ...(comment !== undefined && { comment }),
      ...(expressions && { expressions }),
    },
  ];
}

/**
 * All of it or nothing, in one transaction of the kernel. Throws what it says against the first that it refuses:
 * `unsupported` is told as EOPNOTSUPP, a kernel without nf_tables as EPROTONOSUPPORT when the socket is opened.
 */
export async function commit(conversation: Conversation, changes: readonly Request[]): Promise<void> {
  const outcomes = await conversation.settle([
    bracket(NFNL_MSG_BATCH_BEGIN),
    // One answer for all: those of many changes would not fit the socket's buffer. A refusal is told unasked.
    ...changes.slice(0, -1).map((request) => ({ ...request, unanswered: true as const })),
    ...changes.slice(-1),
    bracket(NFNL_MSG_BATCH_END),
  ]);
  const failed = outcomes.find((outcome) => !outcome.ok);
  if (failed && !failed.ok) throw failed.error;
}

function bracket(type: number): Request {
  const body = nfgenmsg.encode({ family: NFPROTO_UNSPEC, resource: NFNL_SUBSYS_NFTABLES });
  return { what: "change nftables", type, flags: 0, body, format: nftTableFormat, unanswered: true };
}

export function change(what: string, message: number, flags: number) {
  return { what, type: (NFNL_SUBSYS_NFTABLES << 8) | message, flags };
}

function nameOf({ family, table, chain }: NftChain): string {
  return `chain ${family} ${table} ${chain}`;
}

function chainBody({ family, table, chain }: NftChain): Uint8Array {
  return encodeBody(nftChainFormat, { family: NF_FAMILY[family] }, { table, name: chain });
}

function ruleBody({ family, table, chain }: NftChain, more: Attrs<typeof nftRuleTable>): Uint8Array {
  return encodeBody(nftRuleFormat, { family: NF_FAMILY[family] }, { table, chain, ...more });
}

export function userdataOf(comment: string): Uint8Array {
  const bytes = text.encode(comment);
  return concatBytes([new Uint8Array([UDATA_COMMENT, bytes.length]), bytes]);
}

export function commentOf(userdata: Uint8Array): string | undefined {
  for (let at = 0; at + 2 <= userdata.length; ) {
    const [type, length = 0] = userdata.subarray(at, at + 2);
    if (type === UDATA_COMMENT) return text.decode(userdata.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return undefined;
}
