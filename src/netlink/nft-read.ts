import { eachAttr } from "./attribute.ts";
import { text } from "./codec.ts";
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

/** A step of a rule as the kernel tells it. */
export interface FoundStep {
  readonly name: string;
  /** Payloads by type: NFTA_CMP_*, NFTA_META_* and so on. */
  readonly data: ReadonlyMap<number, Uint8Array>;
}

export function stepsOf(expressions: Uint8Array): FoundStep[] {
  return eachAttr(expressions)
    .filter(({ type }) => type === NFTA_LIST_ELEM)
    .map(({ payload }) => {
      const parts = byType(payload);
      const name = parts.get(NFTA_EXPR_NAME);
      return {
        name: name ? text.decode(name) : "",
        data: byType(parts.get(NFTA_EXPR_DATA) ?? new Uint8Array()),
      };
    });
}

export function byType(bytes: Uint8Array): ReadonlyMap<number, Uint8Array> {
  return new Map(eachAttr(bytes).map(({ type, payload }) => [type, payload]));
}
