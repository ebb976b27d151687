import { concatBytes } from "../../lib/bytes.ts";
import type { Log } from "../../lib/log.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { isErrno } from "../../netlink/failure.ts";
import { meaningOf } from "../../netlink/nft-meaning.ts";
import { accept, byLink } from "../../netlink/nft-nat.ts";
import { type FoundChain, listChains, POLICY } from "../../netlink/nft-read.ts";
import { type Expressions, returns } from "../../netlink/nft-rule.ts";
import {
  addRuleRequest,
  commit,
  deleteRuleRequest,
  listRules,
  type NftRule,
} from "../../netlink/nftables.ts";
import { isLookedAt, type OurRule, planBeside, type SeenFilter } from "./beside-docker.ts";
import type { NatNetwork } from "./rules.ts";

/** Carries out what `beside-docker.ts` plans, in the tables of iptables-nft. What stays in the way is told by `forward-look.ts`. */

const FAMILIES = [
  { family: "ip", version: 4 },
  { family: "ip6", version: 6 },
] as const;
type IpFamily = (typeof FAMILIES)[number]["family"];

/** NF_INET_FORWARD of `<linux/netfilter.h>`. */
const HOOK_FORWARD = 2;

/** Nothing is sent when nothing is missing; tells how many transactions it took. Throws `kernel`, `permission`. */
export async function acceptForwarded(
  conversation: Conversation,
  networks: readonly NatNetwork[],
  log: Log,
): Promise<number> {
  const chains = await listChains(conversation);
  let transactions = 0;
  for (const { family, version } of FAMILIES) {
    const here = chains.filter((chain) => chain.family === family && chain.table === "filter");
    if (here.length === 0) continue;
    const concerned = networks.filter(
      ({ subnets, internal }) => !internal && subnets.some(({ ip }) => ip.family === version),
    );
    const { remove, add, ...place } = planBeside(await see(conversation, family, here), concerned);
    if (remove.length + add.length === 0) continue;
    const at = { family, table: "filter" } as const;
    const where = place.before ? { handle: place.before } : place.first ? "first" : "last";
    // Each is put before the one that was put before it.
    const ordered = where === "first" ? add.toReversed() : add;
    try {
      await commit(conversation, [
        ...remove.map(({ at: chain, handle }) => deleteRuleRequest({ ...at, chain, handle })),
        ...ordered.map((rule) =>
          addRuleRequest({ ...at, chain: place.chain }, stepsOf(rule), rule.comment, where),
        ),
      ]);
    } catch (thrown) {
      // Somebody changed it meanwhile, and of that there will be an event.
      if (!isErrno(thrown, "ENOENT")) throw thrown;
      continue;
    }
    transactions++;
    log("info", `${family === "ip" ? "iptables" : "ip6tables"}: ${add.length} rules in ${place.chain}`, {
      removed: remove.length,
    });
  }
  return transactions;
}

async function see(
  conversation: Conversation,
  family: IpFamily,
  chains: readonly FoundChain[],
): Promise<SeenFilter> {
  const forward = chains.find(({ chain, at }) => chain === "FORWARD" && at?.hook === HOOK_FORWARD);
  // One by one: in other chains there may be thousands.
  const rules: NftRule[] = [];
  for (const { chain } of chains.filter(({ chain: name }) => isLookedAt(name)))
    rules.push(...(await listRules(conversation, { family, table: "filter", chain })));
  return {
    chains: chains.map(({ chain }) => chain),
    ...(forward?.at && { policy: forward.at.policy === POLICY.drop ? "drop" : "accept" }),
    rules: rules.map(({ chain: at, handle, comment, expressions }) => {
      const meaning = meaningOf(expressions ?? new Uint8Array());
      return { ...meaning, at, handle, ...(comment !== undefined && { comment }) };
    }),
  };
}

function stepsOf({ in: from, out, verdict }: OurRule): Expressions {
  return concatBytes([
    ...(from === undefined ? [] : [byLink("in", from)]),
    ...(out === undefined ? [] : [byLink("out", out)]),
    verdict === "accept" ? accept() : returns(),
  ]);
}
