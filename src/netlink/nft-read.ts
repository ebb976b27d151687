import { eachAttr } from "./attribute.ts";
import { text, u32be } from "./codec.ts";
import type { Conversation } from "./conversation.ts";
import { GONE, isErrno } from "./failure.ts";
import { decodeBody } from "./message.ts";
import {
  change,
  type Hook,
  NF_FAMILY,
  type NfFamily,
  type NftChain,
  nfgenmsg,
  nftChainFormat,
} from "./nftables.ts";

/** What there is in nftables, whoever made it: chains with their hooks, and the steps of rules as far as they matter. */

const NFT_MSG_GETCHAIN = 4;

/** Verdicts of `<linux/netfilter.h>`. */
export const POLICY = { drop: 0, accept: 1 } as const;

export interface FoundChain extends NftChain {
  /** Absent for one that is only come to from others. */
  readonly at?: Omit<Hook, "type"> & { readonly type: string; readonly policy: number };
}

const NAME_OF_FAMILY = new Map<number, NfFamily>(
  (Object.keys(NF_FAMILY) as NfFamily[]).map((name) => [NF_FAMILY[name], name]),
);
const NFPROTO_UNSPEC = 0;

/** The chains of a family, or of all that we know. A kernel without the family has none. */
export async function listChains(conversation: Conversation, family?: NfFamily): Promise<FoundChain[]> {
  try {
    const messages = await conversation.dump({
      ...change("list the chains of nftables", NFT_MSG_GETCHAIN, 0),
      body: nfgenmsg.encode({ family: family ? NF_FAMILY[family] : NFPROTO_UNSPEC }),
      format: nftChainFormat,
    });
    return messages.flatMap(({ body }) => {
      const { header, attrs } = decodeBody(nftChainFormat, body);
      const { table, name, hook, type, policy } = attrs;
      const found = NAME_OF_FAMILY.get(header.family);
      if (table === undefined || name === undefined || found === undefined) return [];
      const at = hook && {
        type: type ?? "",
        hook: hook.hook ?? 0,
        priority: (hook.priority ?? 0) | 0,
        policy: policy ?? POLICY.accept,
      };
      return [{ family: found, table, chain: name, ...(at && { at }) }];
    });
  } catch (thrown) {
    if (isErrno(thrown, ...GONE)) return [];
    throw thrown;
  }
}

const NFTA_LIST_ELEM = 1;
const NFTA_EXPR_NAME = 1;
const NFTA_EXPR_DATA = 2;
const NFTA_META_KEY = 2;
const NFTA_CMP_OP = 2;
const NFTA_CMP_DATA = 3;
const NFTA_IMMEDIATE_DATA = 2;
const NFTA_DATA_VALUE = 1;
const NFTA_DATA_VERDICT = 2;
const NFTA_VERDICT_CODE = 1;
const NFTA_VERDICT_CHAIN = 2;
/** Of `<linux/netfilter/nf_tables_compat.h>`, whose symbols the others' abbreviate. */
const MATCH = { name: 1, info: 3 } as const;

const NFT_META_IIFNAME = 6;
const NFT_META_OIFNAME = 7;
const NFT_CMP_EQ = 0;

export type Verdict = "drop" | "accept" | "jump" | "goto" | "return";
const VERDICTS = new Map<number, Verdict>([
  [0, "drop"],
  [1, "accept"],
  [-3, "jump"],
  [-4, "goto"],
  [-5, "return"],
]);

/** A rule as far as it can be told in a few words. */
export interface FoundMeaning {
  /** The link that it holds for, coming in or going out; absent also for "any but that one". */
  readonly in?: string;
  readonly out?: string;
  /** Holds for every packet. */
  readonly always: boolean;
  /** Absent for one that decides nothing, or by an extension such as REJECT. */
  readonly verdict?: Verdict;
  /** Of a jump. */
  readonly chain?: string;
  /** As iptables keeps it when it read the rule from text; nftables' own is the rule's. */
  readonly comment?: string;
}

/** Names of links stand with their final NUL, one that begins a name without. */
const nameIn = (bytes: Uint8Array | undefined) => (bytes?.includes(0) ? text.decode(bytes) : undefined);

export function meaningOf(expressions: Uint8Array): FoundMeaning {
  const meaning: { -readonly [K in keyof FoundMeaning]: FoundMeaning[K] } = { always: true };
  let loaded: "in" | "out" | undefined;
  for (const { name, data } of stepsOf(expressions)) {
    if (name === "counter") continue;
    if (name === "immediate") Object.assign(meaning, verdictOf(data.get(NFTA_IMMEDIATE_DATA)));
    else if (name === "match" && isComment(data)) {
      const info = data.get(MATCH.info);
      if (info) meaning.comment = text.decode(info);
    } else {
      meaning.always = false;
      const value =
        name === "cmp" ? byType(data.get(NFTA_CMP_DATA) ?? NOTHING).get(NFTA_DATA_VALUE) : undefined;
      const link = numberIn(data.get(NFTA_CMP_OP)) === NFT_CMP_EQ ? nameIn(value) : undefined;
      if (loaded && link !== undefined) meaning[loaded] = link;
      loaded = name === "meta" ? WAYS.get(numberIn(data.get(NFTA_META_KEY)) ?? 0) : undefined;
    }
  }
  return meaning;
}

const NOTHING = new Uint8Array();
const WAYS = new Map<number, "in" | "out">([
  [NFT_META_IIFNAME, "in"],
  [NFT_META_OIFNAME, "out"],
]);

function isComment(data: ReadonlyMap<number, Uint8Array>): boolean {
  const name = data.get(MATCH.name);
  return name !== undefined && text.decode(name) === "comment";
}

function verdictOf(data: Uint8Array | undefined): Pick<FoundMeaning, "verdict" | "chain"> {
  const parts = byType(byType(data ?? NOTHING).get(NFTA_DATA_VERDICT) ?? NOTHING);
  const code = numberIn(parts.get(NFTA_VERDICT_CODE));
  const verdict = code === undefined ? undefined : VERDICTS.get(code | 0);
  const chain = parts.get(NFTA_VERDICT_CHAIN);
  return { ...(verdict && { verdict }), ...(chain && { chain: text.decode(chain) }) };
}

function numberIn(bytes: Uint8Array | undefined): number | undefined {
  return bytes?.length === 4 ? u32be.decode(bytes) : undefined;
}

interface FoundStep {
  readonly name: string;
  /** Payloads by type: NFTA_CMP_*, NFTA_META_* and so on. */
  readonly data: ReadonlyMap<number, Uint8Array>;
}

function stepsOf(expressions: Uint8Array): FoundStep[] {
  return eachAttr(expressions)
    .filter(({ type }) => type === NFTA_LIST_ELEM)
    .map(({ payload }) => {
      const parts = byType(payload);
      const name = parts.get(NFTA_EXPR_NAME);
      return { name: name ? text.decode(name) : "", data: byType(parts.get(NFTA_EXPR_DATA) ?? NOTHING) };
    });
}

function byType(bytes: Uint8Array): ReadonlyMap<number, Uint8Array> {
  return new Map(eachAttr(bytes).map(({ type, payload }) => [type, payload]));
}
