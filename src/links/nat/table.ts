import { fromHex, toHex } from "../../lib/bytes.ts";
import { UnderlayError } from "../../lib/errors.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { isErrno, type Request } from "../../netlink/failure.ts";
import {
  addElementsRequests,
  addMapRequest,
  deleteElementsRequests,
  listElements,
  type NftElement,
  type NftMap,
} from "../../netlink/nft-map.ts";
import { listChains, POLICY } from "../../netlink/nft-read.ts";
import {
  addChainRequest,
  addRuleRequest,
  addTableRequest,
  commit,
  deleteTableRequest,
  listRules,
} from "../../netlink/nftables.ts";
import {
  type NatNetwork,
  TABLE,
  type WantedMap,
  type WantedRule,
  type WantedTable,
  wantedTable,
} from "./rules.ts";

/**
 * Makes the kernel have the table, whole or not at all. What is there is compared by what it says of itself: the kernel
 * tells a rule in other bytes than it was sent, so a rule's comment ends with a hash of those.
 */

/** What was found: all as wanted; or other ports, which were exchanged; or another table, or none; or one too many. */
export type Applied = "kept" | "ports" | "made" | "removed";

export interface NatKernelTable {
  /**
   * One transaction, and none when the kernel has it already. Packets meet the old rules or the new ones; connections
   * that are tracked go on. `isUntouched`: nobody but this object has changed anything since it was called last, so the
   * kernel need not be asked. Throws `kernel`, `permission`, `unsupported`.
   */
  apply(networks: readonly NatNetwork[], isUntouched: boolean): Promise<Applied>;
}

/** What a table is, in text that is equal when the tables are. */
interface Said {
  /** Chains and rules. */
  readonly frame: string;
  /** By map, then data by key, in hexadecimal digits. */
  readonly maps: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

export function natTable(firewall: () => Conversation): NatKernelTable {
  /** "none": there is no such table. Absent: not known. */
  let known: Said | "none" | undefined;

  async function apply(networks: readonly NatNetwork[], isUntouched: boolean): Promise<Applied> {
    const conversation = firewall();
    const wanted = wantedTable(networks);
    const goal = wanted ? saidBy(wanted) : "none";
    const found = isUntouched && known !== undefined ? known : await read(conversation, wanted?.maps ?? []);
    const ports = portChanges(found, goal, wanted);
    known = undefined;
    if (found !== goal && ports === undefined) await replace(conversation, wanted);
    else if (ports && ports.length > 0) {
      try {
        await commit(conversation, ports);
      } catch (thrown) {
        // Somebody was quicker: it is not what it was.
        if (!isErrno(thrown, "ENOENT", "EEXIST")) throw thrown;
        await replace(conversation, wanted);
      }
    }
    known = goal;
    if (found === goal || ports?.length === 0) return "kept";
    if (ports) return "ports";
    return wanted ? "made" : "removed";
  }

  return { apply };
}

/** It needs nothing that it does not make itself, so what is not there is a part of the kernel. */
async function replace(conversation: Conversation, wanted: WantedTable | undefined): Promise<void> {
  try {
    await commit(conversation, [
      // Made first, so that there is something to remove.
      addTableRequest(TABLE),
      deleteTableRequest(TABLE),
      ...(wanted ? contentOf(wanted) : []),
    ]);
  } catch (cause) {
    if (!isErrno(cause, "ENOENT", "EOPNOTSUPP", "EPROTONOSUPPORT")) throw cause;
    throw new UnderlayError("unsupported", `this kernel cannot be a gateway: ${NEEDED}`, { cause });
  }
}

const NEEDED = "it needs the modules nf_tables, nft_ct, nft_fib_inet, nft_masq and nft_chain_nat or nft_nat";

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

/** None when both are equal; undefined when more than ports is another. */
function portChanges(
  found: Said | "none",
  goal: Said | "none",
  wanted: WantedTable | undefined,
): readonly Request[] | undefined {
  if (found === "none" || goal === "none" || !wanted || found.frame !== goal.frame) return undefined;
  const changes: Request[] = [];
  for (const { map, elements } of wanted.maps) {
    const [before, after] = [found.maps.get(map.map), goal.maps.get(map.map)];
    if (!before || !after) return undefined;
    const stale = [...before].filter(([key, data]) => after.get(key) !== data).map(([key]) => fromHex(key));
    const fresh = elements.filter(({ key, data }) => before.get(toHex(key)) !== toHex(data));
    changes.push(...deleteElementsRequests(map, stale), ...addElementsRequests(map, fresh));
  }
  return changes;
}

/** Eight digits of a hash tell any change of ours; nobody is kept out by them. */
function markedComment({ expressions, comment }: WantedRule): string {
  const hash = new Bun.CryptoHasher("sha256").update(expressions).digest("hex").slice(0, 8);
  return `${comment} #${hash}`;
}

function saidBy({ chains, maps, rules }: WantedTable): Said {
  return {
    frame: frameOf(
      chains.map(({ chain, at }) => sayChain(chain, at && { ...at, policy: POLICY.accept })),
      rules.map((rule) => ({ chain: rule.chain, comment: markedComment(rule) })),
    ),
    maps: new Map(maps.map(({ map: { map }, elements }) => [map, sayMap(elements)])),
  };
}

/** Rules in their order within a chain; chains in none. */
function frameOf(
  chains: readonly string[],
  rules: readonly { readonly chain: string; readonly comment?: string }[],
): string {
  const byChain = rules.toSorted((one, other) =>
    one.chain === other.chain ? 0 : one.chain < other.chain ? -1 : 1,
  );
  return [...chains.toSorted(), ...byChain.map(({ chain, comment = "" }) => `rule ${chain} ${comment}`)].join(
    "\n",
  );
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

function sayMap(elements: readonly NftElement[]): ReadonlyMap<string, string> {
  return new Map(elements.map(({ key, data }) => [toHex(key), toHex(data)]));
}

async function read(conversation: Conversation, wanted: readonly WantedMap[]): Promise<Said | "none"> {
  const chains = (await listChains(conversation, TABLE.family)).filter(({ table }) => table === TABLE.table);
  if (chains.length === 0) return "none";
  const rules = await listRules(conversation, TABLE);
  const maps = new Map<string, ReadonlyMap<string, string>>();
  for (const { map } of wanted) {
    const elements = await elementsOf(conversation, map);
    if (elements) maps.set(map.map, elements);
  }
  const said = chains.map(({ chain, at }) => sayChain(chain, at));
  return { frame: frameOf(said, rules), maps };
}

async function elementsOf(conversation: Conversation, map: NftMap) {
  const elements = await listElements(conversation, map);
  return elements && sayMap(elements);
}
