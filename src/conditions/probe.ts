import type { ProbeFacts, ProbeSide } from "../lib/facts.ts";
import { formatIp } from "../lib/ip.ts";
import type { Condition, Evidence } from "./condition.ts";
import { parentOf, shellWord } from "./say.ts";

/** What is known of a parent after somebody behind it was asked, by its own MAC address and by a foreign one. */

/**
 * `passes`: the foreign one was answered. `dropped`: only the own one was. `silent`: neither, which says nothing of
 * MAC addresses. `unproven`: the neighbour answers, but to none who has no address.
 */
export type Verdict = "passes" | "dropped" | "silent" | "unproven";

export function verdictOf({ own, foreign, addressed }: ProbeFacts): Verdict {
  if (foreign.answeredBy !== undefined) return "passes";
  if (own.answeredBy !== undefined) return "dropped";
  return addressed?.answeredBy === undefined ? "silent" : "unproven";
}

/** Each question, by whom it was asked, and who answered. */
export function probeEvidence({ target, own, foreign, addressed }: ProbeFacts): readonly Evidence[] {
  const question = target.family === 4 ? "ARP probe of" : "neighbour solicitation for";
  const side = (what: string, who: string, { mac, answeredBy }: ProbeSide): Evidence => ({
    source: `${what} ${formatIp(target)} by ${mac}, ${who}`,
    value: answeredBy === undefined ? "no answer" : `answered by ${answeredBy}`,
  });
  return [
    side(question, "the parent's own", own),
    side(question, "a macvlan's for a moment", foreign),
    ...(addressed ? [side("ARP request for", "with the parent's address", addressed)] : []),
  ];
}

const foreignDropped: Condition = {
  id: "UL-P19",
  title: "foreign MAC addresses are dropped upstream",
  severity: "fail",
  refuses: false,
  confidence: "certain",
  explain:
    "A neighbour was asked twice, by the parent's own MAC address and by that of a macvlan, and answered only the " +
    "first. So something behind the parent passes only the MAC addresses it knows: a Wi-Fi access point, the virtual " +
    "switch of a hypervisor or a cloud, or port security of a switch. Containers with MAC addresses of their own " +
    "are not heard there, and nothing on this host can change that.",
  hiddenBy: ["UL-P05"],
  needs: ["probe", "answer"],
  judge(judged) {
    const { probe } = judged.parent;
    if (probe === undefined || verdictOf(probe) !== "dropped") return [];
    const parent = parentOf(judged);
    return [
      {
        subject: parent,
        message: `foreign MACs are dropped upstream of ${parent.name}: containers on it are not heard`,
        evidence: probeEvidence(probe),
        fix: [
          { say: "in a virtual machine: let its host pass other MAC addresses of this NIC (MAC spoofing)" },
          { say: "on a switch with port security: allow more MAC addresses on this port" },
          { say: "on Wi-Fi, or in a cloud: use a cable, or publish ports instead" },
        ],
      },
    ];
  },
};

const silentGateway: Condition = {
  id: "UL-I02",
  title: "the gateway does not answer",
  severity: "fail",
  refuses: false,
  confidence: "certain",
  explain:
    "The gateway, or the neighbour that was named, answered neither the parent's own MAC address nor a foreign one. " +
    "So nothing is known of foreign MAC addresses: the neighbour is down, in another VLAN or subnet, or the cable " +
    "ends elsewhere. A neighbour that answers only to who has an address cannot tell; name another one.",
  needs: ["probe"],
  judge(judged) {
    const { probe } = judged.parent;
    const verdict = probe && verdictOf(probe);
    if (probe === undefined || (verdict !== "silent" && verdict !== "unproven")) return [];
    const parent = parentOf(judged);
    const target = formatIp(probe.target);
    const another = `underlay doctor ${shellWord(parent.name)} --active --probe ADDRESS`;
    return [
      {
        subject: parent,
        ...(verdict === "unproven" && { severity: "warn" as const }),
        message:
          verdict === "silent"
            ? `${target} does not answer on ${parent.name}, to no MAC address`
            : `${target} on ${parent.name} answers only those with an address: nothing known of foreign MACs`,
        evidence: probeEvidence(probe),
        fix: [
          ...(verdict === "silent"
            ? [{ say: "is it up, in this VLAN and on this cable? The host's routes", run: "ip route show" }]
            : []),
          { say: "ask another neighbour that is on this LAN", run: another },
        ],
      },
    ];
  },
};

export const PROBE_CONDITIONS: readonly Condition[] = [foreignDropped, silentGateway];
