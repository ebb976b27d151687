import type { BlockedForward, ForwardFacts } from "../../lib/forward-facts.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { meaningOf } from "../../netlink/nft-meaning.ts";
import { type FoundChain, listChains, POLICY } from "../../netlink/nft-read.ts";
import { listRules } from "../../netlink/nftables.ts";
import { endOf, type Ruleset } from "./forward-walk.ts";
import { TABLE } from "./rules.ts";

/** Whether others' rules let networks behind this host out and in. Reads, and changes nothing. */

export interface ForwardQuestion {
  /** Those that have gateways' addresses, and of which families. */
  readonly links: readonly GatewayLink[];
  /** Tables of iptables-legacy: `/proc/net/ip_tables_names`. */
  readonly legacyTables: readonly string[];
}

export interface GatewayLink {
  readonly name: string;
  readonly families: readonly (4 | 6)[];
}

/** What is told of a network, as far as it matters here. */
interface Behind {
  readonly internal: boolean;
  readonly gateway_link?: string | undefined;
  readonly subnets: readonly { readonly pool: string }[];
}

/** The links of networks that packets are forwarded for. */
export function gatewayLinksOf(networks: readonly Behind[]): GatewayLink[] {
  const open = networks.flatMap(({ internal, gateway_link: name, subnets }) =>
    internal || name === undefined ? [] : subnets.map(({ pool }) => ({ name, pool })),
  );
  return [...Map.groupBy(open, ({ name }) => name)].map(([name, its]) => ({
    name,
    families: [...new Set(its.map(({ pool }) => (pool.includes(":") ? 6 : 4)))],
  }));
}

/** NF_INET_FORWARD of `<linux/netfilter.h>`. */
const HOOK_FORWARD = 2;
const WAYS = ["from", "to"] as const;

/** Throws `kernel`, `permission`. */
export async function forwardFacts(
  conversation: Conversation,
  { links, legacyTables }: ForwardQuestion,
): Promise<ForwardFacts> {
  const chains = links.length === 0 ? [] : await listChains(conversation);
  const bases = chains.filter(
    ({ family, table, at }) =>
      at?.hook === HOOK_FORWARD && at.type === "filter" && (table !== TABLE.table || family !== TABLE.family),
  );
  const blocked: BlockedForward[] = [];
  for (const base of bases) blocked.push(...(await blockedBy(conversation, base, chains, links)));
  const hasLegacy = legacyTables.includes("filter");
  const unread = links.filter(({ families }) => hasLegacy && families.includes(4)).map(({ name }) => name);
  return { blocked, unread };
}

async function blockedBy(
  conversation: Conversation,
  { family, table, chain, at }: FoundChain,
  chains: readonly FoundChain[],
  links: readonly GatewayLink[],
): Promise<BlockedForward[]> {
  const concerned = links.filter(({ families }) =>
    family === "ip" ? families.includes(4) : family === "ip6" ? families.includes(6) : family === "inet",
  );
  const policy = at?.policy === POLICY.drop ? "drop" : "accept";
  const keeper = keeperOf(
    table,
    chain,
    chains.filter((other) => other.family === family && other.table === table),
  );
  const read = new Map<string, ReturnType<Ruleset["rulesOf"]>>();
  const rulesOf = (name: string) => {
    const known = read.get(name) ?? meaningsIn(conversation, { family, table, chain: name });
    read.set(name, known);
    return known;
  };
  const blocked: BlockedForward[] = [];
  for (const { name: link } of concerned)
    for (const way of WAYS) {
      const end = await endOf({ link, way }, chain, policy, { rulesOf });
      if (end) blocked.push({ chain: { family, table, chain }, link, way, ...end, keeper });
    }
  return blocked;
}

async function meaningsIn(conversation: Conversation, chain: Pick<FoundChain, "family" | "table" | "chain">) {
  const rules = await listRules(conversation, chain);
  return rules.map(({ expressions }) => meaningOf(expressions ?? new Uint8Array()));
}

function keeperOf(table: string, chain: string, beside: readonly FoundChain[]): BlockedForward["keeper"] {
  if (table === "firewalld") return "firewalld";
  if (table !== "filter" || chain !== "FORWARD") return "nobody";
  return beside.some(({ chain: name }) => /^ufw6?-/.test(name)) ? "ufw" : "iptables";
}
