import { type Cidr, parseCidr } from "../../lib/ip.ts";
import type { PairKey, PairStrays } from "../../lib/pair.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { isErrno } from "../../netlink/failure.ts";
import { goTo, masqueradeFrom, returnIfTo } from "../../netlink/nft-rule.ts";
import {
  addChainRequest,
  addRuleRequest,
  addTableRequest,
  commit,
  deleteRuleRequest,
  flushChainRequest,
  listRules,
  type NftChain,
  type NftRule,
} from "../../netlink/nftables.ts";

/**
 * What leaves a container's subnets seems to come from the host. Table, chains and comments are those of the
 * reference's plugins (1.5 and later), so that either takes away what the other made.
 */
export interface Masquerade {
  /** Rules of the same attachment that are there already are replaced. */
  add(key: PairKey, addresses: readonly Cidr[]): Promise<void>;
  remove(key: PairKey): Promise<void>;
  collect(strays: PairStrays): Promise<void>;
  /** Throws `unsupported` or `kernel` when this kernel cannot. */
  requireReady(): Promise<void>;
}

const TABLE = { family: "inet", table: "cni_plugins_masquerade" } as const;
const CHECKS: NftChain = { ...TABLE, chain: "masq_checks" };
const POSTROUTING: NftChain = { ...TABLE, chain: "postrouting" };
/** NF_INET_POST_ROUTING, at the priority that nft calls srcnat. */
const SOURCE_NAT = { type: "nat", hook: 4, priority: 100 } as const;
const MULTICAST = ["224.0.0.0/4", "ff00::/8"].map(parseCidr).filter((net) => net !== undefined);

/** `firewall`: over NETLINK_NETFILTER in the host's netns, opened when it is needed. */
export function masquerade(firewall: () => Conversation): Masquerade {
  /** A kernel without nf_tables, or without the family, has none to take away. */
  async function rulesThatAre(): Promise<readonly NftRule[]> {
    try {
      return await listRules(firewall(), CHECKS);
    } catch (thrown) {
      if (isErrno(thrown, "EINVAL", "EOPNOTSUPP", "EAFNOSUPPORT", "EPROTONOSUPPORT")) return [];
      throw thrown;
    }
  }

  async function removeWhere(isStray: (comment: string) => boolean): Promise<void> {
    const rules = (await rulesThatAre()).filter(({ comment }) => comment && isStray(comment));
    if (rules.length === 0) return;
    try {
      await commit(firewall(), rules.map(deleteRuleRequest));
    } catch (thrown) {
      // Another process removed one of them meanwhile, so none was removed now.
      if (!isErrno(thrown, "ENOENT")) throw thrown;
      await removeWhere(isStray);
    }
  }

  return {
    async add(key, addresses) {
      const mark = markOf(key);
      const stale = (await listRules(firewall(), CHECKS)).filter(({ comment }) => comment?.startsWith(mark));
      const rules = [
        ...stale.map(deleteRuleRequest),
        ...addresses.map((address) => addRuleRequest(CHECKS, masqueradeFrom(address), commentOf(key))),
      ];
      try {
        await commit(firewall(), rules);
      } catch (thrown) {
        // Nobody has made the chain yet.
        if (!isErrno(thrown, "ENOENT")) throw thrown;
        await commit(firewall(), [...foundation(), ...rules]);
      }
    },
    remove: (key) => removeWhere((comment) => comment.startsWith(markOf(key))),
    async collect({ network, alive }) {
      const wanted = new Set(alive.map(markOf));
      const prefix = `${hash(network)}-`;
      await removeWhere((comment) => comment.startsWith(prefix) && !wanted.has(markIn(comment)));
    },
    async requireReady() {
      await listRules(firewall(), CHECKS);
    },
  };
}

function foundation() {
  return [
    addTableRequest(TABLE),
    addChainRequest(CHECKS),
    addChainRequest(POSTROUTING, SOURCE_NAT),
    flushChainRequest(POSTROUTING),
    ...MULTICAST.map((net) => addRuleRequest(POSTROUTING, returnIfTo(net))),
    addRuleRequest(POSTROUTING, goTo(CHECKS.chain)),
  ];
}

/** What `nft` allows. */
const MAX_COMMENT = 128;

function commentOf(key: PairKey): string {
  const { network, ifname, container } = key;
  const named = (text: string) => text.replaceAll('"', "");
  return `${markOf(key)}, net: ${named(network)}, if: ${named(ifname)}, id: ${named(container)}`.slice(
    0,
    MAX_COMMENT,
  );
}

/** What a comment begins with. */
function markOf({ network, ifname, container }: PairKey): string {
  return `${hash(network)}-${hash(`${ifname}:${container}`)}`;
}

function markIn(comment: string): string {
  return comment.slice(0, comment.indexOf(","));
}

const HASH_LENGTH = 16;

function hash(text: string): string {
  return new Bun.CryptoHasher("sha512").update(text).digest("hex").slice(0, HASH_LENGTH);
}
