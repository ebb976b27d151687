import type { BlockedForward } from "../lib/forward-facts.ts";
import type { HostFacts } from "../lib/host-facts.ts";
import type { Condition, Fix, Judgement } from "./condition.ts";
import { shellWord } from "./say.ts";

/** Whether the firewall of this host lets networks behind it out. Asked only where there are such. */

const blocked: Condition = {
  id: "UL-O10",
  title: "a firewall drops what the host forwards",
  severity: "fail",
  refuses: false,
  confidence: "likely",
  explain:
    "In mode nat the host forwards what containers send, and every chain that sees it has to let it pass: an accept in one does " +
    "not undo a drop in another. Beside Docker's rules, and where FORWARD of iptables drops by its policy, Underlay has rules of its " +
    "own; chains of ufw, of firewalld and of a person are theirs to change. A rule that may let all pass is believed to do so.",
  judgeHost({ forward, boot }) {
    if (forward === undefined) return [];
    if ("unread" in forward) return { skipped: forward.unread };
    const { blocked: ways, unread } = forward.known;
    const byChain = Map.groupBy(ways, (way) => `${nameOf(way)} ${way.link}`);
    return [
      ...[...byChain.values()].flatMap(([first, ...rest]) => (first ? ofChain(first, rest, boot) : [])),
      ...unread.map(ofLegacy),
    ];
  },
};

/** All of one chain and one link. */
function ofChain(first: BlockedForward, rest: readonly BlockedForward[], boot: HostFacts["boot"]): Judgement {
  const { link } = first;
  const chain = nameOf(first);
  const ways = [first, ...rest];
  const goesOut = ways.find(({ way }) => way === "from");
  const message =
    goesOut === undefined
      ? `chain ${chain} drops what comes to ${link}: published ports are not reached`
      : `chain ${chain} drops what containers on ${link} send`;
  return {
    subject: { kind: "parent", name: link },
    ...((goesOut?.isAll ?? true) && { confidence: "certain" }),
    ...(goesOut?.isAll !== true && { severity: "warn" }),
    message,
    evidence: ways.map(({ way, by }) => ({
      source: `chain ${chain}, ${way === "from" ? "in by" : "out by"} ${link}`,
      value: by,
    })),
    fix: WAYS_OUT[first.keeper](first, boot),
  };
}

function nameOf({ chain: { family, table, chain } }: BlockedForward): string {
  return `${family} ${table} ${chain}`;
}

const WAYS_OUT: Readonly<
  Record<BlockedForward["keeper"], (way: BlockedForward, boot: HostFacts["boot"]) => readonly Fix[]>
> = {
  ufw: ({ link }) => [
    { say: "let ufw pass what comes from the bridge", run: `ufw route allow in on ${shellWord(link)}` },
    { say: "and what goes to it", run: `ufw route allow out on ${shellWord(link)}` },
  ],
  firewalld: ({ link }) => [
    {
      say: "put the bridge in a zone that forwards; containers then reach this host, too",
      run: `firewall-cmd --permanent --zone=trusted --add-interface=${shellWord(link)}`,
    },
    { say: "and have that read", run: "firewall-cmd --reload" },
  ],
  iptables: ({ by, link, chain: { family } }, boot) => {
    const program = family === "ip6" ? "ip6tables" : "iptables";
    return by === "policy drop"
      ? [daemonFix(boot), ...iptablesFixes(program, link, "or let")]
      : iptablesFixes(program, link);
  },
  nobody: ({ link, chain: { family, table, chain } }) => {
    const insert = `nft insert rule ${family} ${table} ${chain}`;
    return [
      { say: "let pass what comes from the bridge", run: `${insert} iifname ${nftWord(link)} accept` },
      { say: "and what goes to it", run: `${insert} oifname ${nftWord(link)} accept` },
      { say: "write both where these rules come from, or they are gone when that is loaded again" },
    ];
  },
};

function daemonFix(boot: HostFacts["boot"]): Fix {
  const say = "start Underlay's daemon, which lets it pass where the policy drops";
  return "unread" in boot ? { say } : { say, run: "systemctl start underlay.service" };
}

function iptablesFixes(program: string, link: string, words = "let"): Fix[] {
  return [
    {
      say: `${words} pass what comes from the bridge`,
      run: `${program} -I FORWARD -i ${shellWord(link)} -j ACCEPT`,
    },
    { say: "and what goes to it", run: `${program} -I FORWARD -o ${shellWord(link)} -j ACCEPT` },
  ];
}

/** nft(8) reads a word of other letters only in quotes of its own. */
function nftWord(link: string): string {
  return shellWord(`"${link}"`);
}

function ofLegacy(link: string): Judgement {
  return {
    subject: { kind: "parent", name: link },
    severity: "info",
    confidence: "possible",
    message: `iptables-legacy has rules, too, and they may drop what containers on ${link} send`,
    evidence: [{ source: "/proc/net/ip_tables_names", value: "filter" }],
    fix: [
      { say: "see whether its chain FORWARD drops", run: "iptables-legacy -S FORWARD" },
      ...iptablesFixes("iptables-legacy", link, "if it does, let"),
    ],
  };
}

export const FORWARD_CONDITIONS: readonly Condition[] = [blocked];
