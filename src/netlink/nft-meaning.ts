import { eachAttr } from "./attribute.ts";
import { text, u32, u32be } from "./codec.ts";

/** What a rule of nftables comes to, whoever made it, as far as its steps can be told in a few words. */

const NFTA_LIST_ELEM = 1;
const NFTA_EXPR_NAME = 1;
const NFTA_EXPR_DATA = 2;
const NFTA_BITWISE_MASK = 4;
const NFTA_CMP_OP = 2;
const NFTA_CMP_DATA = 3;
const NFTA_CT_KEY = 2;
const NFTA_IMMEDIATE_DREG = 1;
const NFTA_IMMEDIATE_DATA = 2;
const NFTA_LOOKUP_DREG = 3;
const NFTA_META_KEY = 2;
const NFTA_PAYLOAD_BASE = 2;
const NFTA_PAYLOAD_OFFSET = 3;
const NFTA_DATA_VALUE = 1;
const NFTA_DATA_VERDICT = 2;
const NFTA_VERDICT_CODE = 1;
const NFTA_VERDICT_CHAIN = 2;
/** Of meta, ct and payload alike: they read something. Those that write have none. */
const NFTA_META_DREG = 1;
const NFT_REG_VERDICT = 0;
/** Of `<linux/netfilter/nf_tables_compat.h>`, whose symbols the others' abbreviate. */
const MATCH = { name: 1, info: 3 } as const;
const TARGET = { name: 1 } as const;

const NFT_META_IIFNAME = 6;
const NFT_META_OIFNAME = 7;
const NFT_META_L4PROTO = 16;
const NFT_CMP_EQ = 0;
const NFT_CMP_NEQ = 1;
const NFT_CT_STATE = 0;
const NFT_PAYLOAD_NETWORK_HEADER = 1;
/** Of the source's and the destination's address, in the headers of IPv4 and IPv6. */
const ADDRESS_OFFSETS: readonly number[] = [12, 16, 8, 24];
/** Bits of `ip_conntrack_info` as nf_tables tells it: new, and untracked. */
const FIRST_PACKETS = 0x8 | 0x40;

/** `unread`: a map decides, or another program. */
export type Verdict = "drop" | "reject" | "accept" | "jump" | "goto" | "return" | "unread";
const VERDICTS = new Map<number, Verdict>([
  [0, "drop"],
  [1, "accept"],
  [3, "unread"],
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
  /** Never for the first packet of a connection. */
  readonly later?: true;
  /** Asks for more than links and addresses, a protocol say: it is not for all that somebody sends. */
  readonly narrow?: true;
  /** Asks for something that is not told here: an address, a set of links. */
  readonly unread?: true;
  /** Absent for one that decides nothing. */
  readonly verdict?: Verdict;
  /** Of a jump. */
  readonly chain?: string;
  /** As iptables keeps it when it read the rule from text; nftables' own is the rule's. */
  readonly comment?: string;
}

type Meaning = { -readonly [K in keyof FoundMeaning]: FoundMeaning[K] };
type Data = ReadonlyMap<number, Uint8Array>;

/** What a step has read, for the next one to compare. */
interface Loaded {
  readonly what: "in" | "out" | "state" | "narrow" | "unread";
  readonly mask?: number;
}

const PASSED_BY = new Set(["counter", "log", "nat", "masq", "redir", "notrack", "last", "objref"]);
const LIMITS = new Set(["limit", "quota", "connlimit"]);
/** Extensions of iptables that ask for a kind of packet. */
const NARROW_MATCHES = new Set([
  ...["tcp", "udp", "udplite", "sctp", "dccp", "icmp", "icmp6", "esp", "ah", "multiport"],
  ...["conntrack", "state", "limit", "hashlimit", "recent", "addrtype", "pkttype", "rt", "dscp", "length"],
]);
/** Extensions of iptables that hand a packet to somebody else. */
const HANDING_ON = new Set(["NFQUEUE", "QUEUE", "SYNPROXY"]);

/** Names of links stand with their final NUL, one that begins a name without. */
const nameIn = (bytes: Uint8Array | undefined) => (bytes?.includes(0) ? text.decode(bytes) : undefined);

export function meaningOf(expressions: Uint8Array): FoundMeaning {
  const meaning: Meaning = { always: true };
  let loaded: Loaded | undefined;
  for (const { name, data } of stepsOf(expressions)) {
    if (PASSED_BY.has(name) || takeVerdict(meaning, name, data)) continue;
    const next = loadedBy(name, data);
    if (next === "nothing") continue;
    if (next) loaded = next;
    else if (name === "bitwise") loaded = masked(loaded, data);
    else ask(meaning, name, data, loaded);
  }
  return meaning;
}

function takeVerdict(meaning: Meaning, name: string, data: Data): boolean {
  if (name === "immediate") {
    if ((numberIn(data.get(NFTA_IMMEDIATE_DREG)) ?? NFT_REG_VERDICT) === NFT_REG_VERDICT)
      Object.assign(meaning, verdictOf(data.get(NFTA_IMMEDIATE_DATA)));
    return true;
  }
  if (name === "reject") meaning.verdict = "reject";
  else if (name === "queue") meaning.verdict = "unread";
  else if (name === "target") {
    const target = wordIn(data.get(TARGET.name));
    if (target === "REJECT") meaning.verdict = "reject";
    else if (HANDING_ON.has(target)) meaning.verdict = "unread";
  } else if (name === "match" && wordIn(data.get(MATCH.name)) === "comment") {
    const info = data.get(MATCH.info);
    if (info) meaning.comment = text.decode(info);
  } else return false;
  return true;
}

/** `nothing`: the step writes. Undefined: it reads nothing. */
function loadedBy(name: string, data: Data): Loaded | "nothing" | undefined {
  if (!["meta", "ct", "payload", "fib", "rt", "socket", "exthdr"].includes(name)) return undefined;
  if (!data.has(NFTA_META_DREG)) return "nothing";
  if (name === "meta") return { what: META.get(numberIn(data.get(NFTA_META_KEY)) ?? 0) ?? "unread" };
  if (name === "ct") return { what: numberIn(data.get(NFTA_CT_KEY)) === NFT_CT_STATE ? "state" : "narrow" };
  if (name === "payload") return { what: isAddress(data) ? "unread" : "narrow" };
  return { what: "unread" };
}

const META = new Map<number, Loaded["what"]>([
  [NFT_META_IIFNAME, "in"],
  [NFT_META_OIFNAME, "out"],
  [NFT_META_L4PROTO, "narrow"],
]);

function isAddress(data: Data): boolean {
  const offset = numberIn(data.get(NFTA_PAYLOAD_OFFSET)) ?? 0;
  const isInHeader = numberIn(data.get(NFTA_PAYLOAD_BASE)) === NFT_PAYLOAD_NETWORK_HEADER;
  return isInHeader && ADDRESS_OFFSETS.includes(offset);
}

function masked(loaded: Loaded | undefined, data: Data): Loaded | undefined {
  const mask = byType(data.get(NFTA_BITWISE_MASK) ?? NOTHING).get(NFTA_DATA_VALUE);
  if (loaded?.what !== "state" || mask?.length !== 4) return loaded;
  return { ...loaded, mask: u32.decode(mask) };
}

function ask(meaning: Meaning, name: string, data: Data, loaded: Loaded | undefined): void {
  meaning.always = false;
  if (name === "match") {
    const isNarrow = NARROW_MATCHES.has(wordIn(data.get(MATCH.name)));
    meaning[isNarrow ? "narrow" : "unread"] = true;
    return;
  }
  if (LIMITS.has(name)) meaning.narrow = true;
  else if (name === "cmp") compared(meaning, data, loaded);
  else meaning[loaded?.what === "narrow" || loaded?.what === "state" ? "narrow" : "unread"] = true;
  if (name === "lookup" && numberIn(data.get(NFTA_LOOKUP_DREG)) === NFT_REG_VERDICT)
    meaning.verdict = "unread";
}

function compared(meaning: Meaning, data: Data, loaded: Loaded | undefined): void {
  const operator = numberIn(data.get(NFTA_CMP_OP));
  const value = byType(data.get(NFTA_CMP_DATA) ?? NOTHING).get(NFTA_DATA_VALUE);
  const { what = "unread", mask } = loaded ?? {};
  if (what === "in" || what === "out") {
    const link = operator === NFT_CMP_EQ ? nameIn(value) : undefined;
    if (link === undefined) meaning.unread = true;
    else meaning[what] = link;
  } else if (what === "state") {
    const isOfThese = mask !== undefined && operator === NFT_CMP_NEQ && value?.every((byte) => byte === 0);
    if (isOfThese && (mask & FIRST_PACKETS) === 0) meaning.later = true;
    else meaning.unread = true;
  } else meaning[what] = true;
}

const NOTHING = new Uint8Array();

const wordIn = (bytes: Uint8Array | undefined): string => (bytes ? text.decode(bytes) : "");

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
  readonly data: Data;
}

function stepsOf(expressions: Uint8Array): FoundStep[] {
  return eachAttr(expressions)
    .filter(({ type }) => type === NFTA_LIST_ELEM)
    .map(({ payload }) => {
      const parts = byType(payload);
      const name = parts.get(NFTA_EXPR_NAME);
      return { name: wordIn(name), data: byType(parts.get(NFTA_EXPR_DATA) ?? NOTHING) };
    });
}

function byType(bytes: Uint8Array): Data {
  return new Map(eachAttr(bytes).map(({ type, payload }) => [type, payload]));
}
