import { vethNameOf, vethPrefixOf } from "../../lib/ifname.ts";
import type { Mac } from "../../lib/mac.ts";
import type { PairKey } from "../../lib/pair.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { GONE, isErrno, type Request } from "../../netlink/failure.ts";
import { drop, jumpIfFromLink, jumpTo, returnIfFromMac } from "../../netlink/nft-rule.ts";
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
  type NftRule,
} from "../../netlink/nftables.ts";

/**
 * A container sends from its own MAC address, or nothing passes the bridge. Table, chains and comments are those of the
 * reference's plugin, so that either takes away what the other made.
 */
export interface SpoofCheck {
  /** Replaces what an earlier try left. */
  add(key: PairKey, mac: Mac): Promise<void>;
  remove(key: PairKey): Promise<void>;
  /** Removes those of a network that are about none of these links. */
  collect(network: string, links: ReadonlySet<string>): Promise<void>;
  has(key: PairKey): Promise<boolean>;
}

const TABLE = { family: "bridge", table: "nat" } as const;
const BASE: NftChain = { ...TABLE, chain: "PREROUTING" };
/** NF_BR_PRE_ROUTING, before all else. */
const FIRST = { type: "filter", hook: 0, priority: -300 } as const;
const COMMENT = "macspoofchk-";

/** `firewall`: over NETLINK_NETFILTER in the host's netns, opened when it is needed. */
export function spoofCheck(firewall: () => Conversation): SpoofCheck {
  const rulesOf = async (id: string) =>
    (await listRules(firewall(), BASE)).filter(({ comment }) => comment === `${COMMENT}${id}`);

  async function removeId(id: string): Promise<void> {
    const { link, mac } = chainsOf(id);
    const rules = (await rulesOf(id)).map(deleteRuleRequest);
    const all = [...rules, flushChainRequest(link), deleteChainRequest(link), deleteChainRequest(mac)];
    try {
      await commit(firewall(), all);
    } catch (thrown) {
      if (!isErrno(thrown, ...GONE)) throw thrown;
      // Part of it is gone, and so nothing was removed: one by one.
      for (const request of all) await unlessGone(request);
    }
  }

  async function unlessGone(request: Request): Promise<void> {
    try {
      await commit(firewall(), [request]);
    } catch (thrown) {
      if (!isErrno(thrown, ...GONE)) throw thrown;
    }
  }

  return {
    async add(key, address) {
      const id = idOf(key);
      const { link, mac } = chainsOf(id);
      const comment = `${COMMENT}${id}`;
      await commit(firewall(), [
        addTableRequest(TABLE),
        addChainRequest(BASE, FIRST),
        ...[link, mac].flatMap((chain) => [addChainRequest(chain), flushChainRequest(chain)]),
        ...(await rulesOf(id)).map(deleteRuleRequest),
        addRuleRequest(BASE, jumpIfFromLink(vethNameOf(key), link.chain), comment),
        addRuleRequest(link, jumpTo(mac.chain), comment),
        addRuleRequest(mac, returnIfFromMac(address), comment),
        addRuleRequest(mac, drop(), comment),
      ]);
    },
    remove: (key) => removeId(idOf(key)),
    async collect(network, links) {
      for (const rule of await listRules(firewall(), BASE)) {
        const [name, id] = [linkIn(rule, network), rule.comment?.slice(COMMENT.length)];
        if (name !== undefined && id !== undefined && !links.has(name)) await removeId(id);
      }
    },
    has: async (key) => (await rulesOf(idOf(key))).length > 0,
  };
}

function idOf({ container, ifname }: PairKey): string {
  return `${container}-${ifname}`;
}

function chainsOf(id: string): { readonly link: NftChain; readonly mac: NftChain } {
  const chain = `cni-br-iface-${id}`;
  return { link: { ...TABLE, chain }, mac: { ...TABLE, chain: `${chain}-mac` } };
}

/** The link of a network that a rule is about: its name stands in it as text. */
function linkIn({ expressions }: NftRule, network: string): string | undefined {
  const text = new TextDecoder("latin1").decode(expressions);
  return new RegExp(`${vethPrefixOf(network)}[a-z2-7]{7}`).exec(text)?.[0];
}
