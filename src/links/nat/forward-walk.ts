import type { FoundMeaning } from "../../netlink/nft-meaning.ts";

/**
 * What becomes of the first packet of a connection in a chain of others: rule by rule, as the kernel goes. Only what is
 * sure is told. A rule that may let all of a link's packets pass, though that cannot be read, is believed to do so.
 */

/** `from`: it comes in by the link and goes elsewhere; `to`: it comes from elsewhere and leaves by the link. */
export interface Forwarded {
  readonly link: string;
  readonly way: "from" | "to";
}

/** What ends its way, in words, and whether that is so for every such packet; undefined when they may pass. */
export interface End {
  readonly by: string;
  readonly isAll: boolean;
}

export interface Ruleset {
  /** In their order. */
  rulesOf(chain: string): Promise<readonly FoundMeaning[]>;
}

type Outcome = { readonly end: "passes" | "goes on" } | { readonly end: "ends"; readonly by: string };

/** `policy`: of the chain at the hook. */
export async function endOf(
  packet: Forwarded,
  base: string,
  policy: "accept" | "drop",
  { rulesOf }: Ruleset,
): Promise<End | undefined> {
  let isAll = true;

  async function walk(chain: string): Promise<Outcome> {
    for (const [i, rule] of (await rulesOf(chain)).entries()) {
      const match = matchOf(rule, packet);
      if (match === "no") continue;
      const outcome = await outcomeOf(rule, `rule ${i + 1} of ${chain}`);
      if (outcome === undefined) continue;
      if (match === "all") return outcome;
      if (outcome.end === "ends") continue;
      if (match === "some" && packet.way === "from") isAll = false;
      // What is published is a part of what comes to it, and this may be that.
      else return { end: "passes" };
    }
    return { end: "goes on" };
  }

  /** Undefined: the next rule is asked. */
  async function outcomeOf(
    { verdict, chain = "" }: FoundMeaning,
    where: string,
  ): Promise<Outcome | undefined> {
    if (verdict === undefined) return undefined;
    if (verdict === "drop" || verdict === "reject") return { end: "ends", by: `${where}: ${verdict}` };
    if (verdict === "return") return { end: "goes on" };
    if (verdict !== "jump" && verdict !== "goto") return { end: "passes" };
    const outcome = await walk(chain);
    return outcome.end === "goes on" && verdict === "jump" ? undefined : outcome;
  }

  const outcome = await walk(base);
  if (outcome.end === "ends") return { by: outcome.by, isAll };
  return outcome.end === "goes on" && policy === "drop" ? { by: "policy drop", isAll } : undefined;
}

/** Whether a rule is for all such packets, for some, for none, or for nobody can tell which. */
function matchOf(rule: FoundMeaning, { link, way }: Forwarded): "all" | "some" | "perhaps" | "no" {
  const [own, other] = way === "from" ? [rule.in, rule.out] : [rule.out, rule.in];
  const isOfOthers = (own !== undefined && own !== link) || other === link || other === LOOPBACK;
  if (rule.later || isOfOthers) return "no";
  // Whoever names the link has thought of it.
  if (rule.narrow && own === undefined) return "some";
  return rule.narrow || rule.unread || other !== undefined ? "perhaps" : "all";
}

/** Nothing is forwarded by it. */
const LOOPBACK = "lo";
