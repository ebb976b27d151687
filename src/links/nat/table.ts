import { toHex } from "../../lib/bytes.ts";
import { UnderlayError } from "../../lib/errors.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import type { Request } from "../../netlink/failure.ts";
import { addElementsRequests, addMapRequest, listElements, type NftElement } from "../../netlink/nft-map.ts";
import { listChains, POLICY } from "../../netlink/nft-read.ts";
import {
  addChainRequest,
  addRuleRequest,
  addTableRequest,
  commit,
  deleteTableRequest,
  listRules,
} from "../../netlink/nftables.ts";
import { type NatNetwork, TABLE, type WantedRule, type WantedTable, wantedTable } from "./rules.ts";

/**
 * Makes the kernel have the table, whole or not at all. What is there is compared by what it says of itself: the kernel
 * tells a rule in other bytes than it was sent, so a rule's comment ends with a hash of those.
 */

/** What `applyTable` found: as wanted, or not and replaced, or there and not wanted any more. */
export type Applied = "kept" | "made" | "removed";

/**
 * One transaction, and none when the kernel has it already. Packets meet the old rules or the new ones; connections
 * that are tracked go on. Throws `kernel`, `permission`; `unsupported` as EOPNOTSUPP.
 */
export async function applyTable(
  conversation: Conversation,
  networks: readonly NatNetwork[],
): Promise<Applied> {
  const wanted = wantedTable(networks);
  const found = await read(conversation, wanted);
  const isSame = wanted ? found === saidBy(wanted) : found === undefined;
  if (isSame) return "kept";
  await commit(conversation, [
    // Made first, so that there is something to remove.
    addTableRequest(TABLE),
    deleteTableRequest(TABLE),
    ...(wanted ? contentOf(wanted) : []),
  ]);
  return wanted ? "made" : "removed";
}

/** Throws `kernel` when the kernel tells something else than was made: comparing would never come to an end. */
export async function verifyTable(
  conversation: Conversation,
  networks: readonly NatNetwork[],
): Promise<void> {
  const wanted = wantedTable(networks);
  const found = await read(conversation, wanted);
  if (found === (wanted && saidBy(wanted))) return;
  throw new UnderlayError("kernel", `table ${TABLE.family} ${TABLE.table} is not what was made of it`);
}

function contentOf({ chains, maps, rules }: WantedTable): Request[] {
  return [
    addTableRequest(TABLE),
    ...chains.map(({ chain, at }) => addChainRequest({ ...TABLE, chain }, at)),
    ...maps.map(({ map }) => addMapRequest(map)),
    ...maps.flatMap(({ map, elements }) => addElementsRequests(map, elements)),
    ...rules.map((rule) =>
      addRuleRequest({ ...TABLE, chain: rule.chain }, rule.expressions, markedComment(rule)),
    ),
  ];
}

/** Eight digits of a hash tell any change of ours; nobody is kept out by them. */
function markedComment({ expressions, comment }: WantedRule): string {
  const hash = new Bun.CryptoHasher("sha256").update(expressions).digest("hex").slice(0, 8);
  return `${comment} #${hash}`;
}

/** A table as lines that are equal when the tables are. */
interface Said {
  readonly chains: readonly string[];
  readonly maps: readonly string[];
  readonly rules: readonly string[];
}

/** Rules in their order within a chain; all else in none. */
function linesOf({ chains, maps, rules }: Said): string {
  return [...chains.toSorted(), ...maps.toSorted(), ...rules].join("\n");
}

function saidBy({ chains, maps, rules }: WantedTable): string {
  return linesOf({
    chains: chains.map(({ chain, at }) => sayChain(chain, at && { ...at, policy: POLICY.accept })),
    maps: maps.map(({ map: { map }, elements }) => sayMap(map, elements)),
    rules: chains.flatMap(({ chain }) =>
      rules.filter((rule) => rule.chain === chain).map((rule) => sayRule(chain, markedComment(rule))),
    ),
  });
}

interface SaidHook {
  readonly type: string;
  readonly hook: number;
  readonly priority: number;
  readonly policy: number;
}

function sayChain(chain: string, at: SaidHook | undefined): string {
  return `chain ${chain} ${at ? `${at.type} ${at.hook} ${at.priority} ${at.policy}` : ""}`;
}

function sayMap(map: string, elements: readonly NftElement[]): string {
  const lines = elements.map(({ key, data }) => `${toHex(key)}:${toHex(data)}`);
  return `map ${map} ${lines.toSorted().join(" ")}`;
}

function sayRule(chain: string, comment = ""): string {
  return `rule ${chain} ${comment}`;
}

/** What is there, in the same lines; undefined when there is no such table, or one without anything in it. */
async function read(
  conversation: Conversation,
  wanted: WantedTable | undefined,
): Promise<string | undefined> {
  const chains = (await listChains(conversation, TABLE.family)).filter(({ table }) => table === TABLE.table);
  if (chains.length === 0) return undefined;
  const rules = await listRules(conversation, TABLE);
  const maps: string[] = [];
  for (const { map } of wanted?.maps ?? []) {
    const elements = await listElements(conversation, map);
    if (elements) maps.push(sayMap(map.map, elements));
  }
  // In the order of the wanted chains, whatever the kernel's is.
  const names = [...new Set([...(wanted?.chains ?? []), ...chains].map(({ chain }) => chain))];
  return linesOf({
    chains: chains.map(({ chain, at }) => sayChain(chain, at)),
    maps,
    rules: names.flatMap((name) =>
      rules.filter(({ chain }) => chain === name).map(({ chain, comment }) => sayRule(chain, comment)),
    ),
  });
}
