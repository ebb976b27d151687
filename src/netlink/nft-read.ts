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

/** What there is in nftables, whoever made it: chains with their hooks. */

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
