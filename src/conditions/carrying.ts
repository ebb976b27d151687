import type { Condition } from "./condition.ts";
import { linkAttribute, parentOf, shellWord } from "./say.ts";

/** Parents that take a macvlan and then lose its frames. */

const noCarrier: Condition = {
  id: "UL-P03",
  title: "parent has no carrier",
  onUplinks: true,
  severity: "fail",
  refuses: false,
  confidence: "certain",
  explain:
    "The parent is up, but there is no signal on its cable: it is unplugged, the port of the switch is off, or the " +
    "other end is down. Containers start, reach each other and nobody else.",
  hiddenBy: ["UL-P04"],
  judge(judged) {
    const { link } = judged.parent;
    if (link?.up !== true || link.carrier !== false) return [];
    const isBridge = link.kind === "bridge";
    return [
      {
        subject: parentOf(judged),
        message: isBridge
          ? `${link.name} has no carrier: none of its ports has a link`
          : `${link.name} has no carrier: cable, switch port or the other end`,
        evidence: [linkAttribute(link, "IFLA_CARRIER", "0, while IFF_UP is set")],
        fix: [
          isBridge
            ? { say: "give the bridge a port that is up; its ports", run: "ip link show" }
            : {
                say: "look at the cable and at the port of the switch; the link's state",
                run: "ip link show",
              },
        ],
      },
    ];
  },
};

/** Kinds whose containers have MAC addresses of their own. */
const OWN_MACS: readonly string[] = ["macvlan", "uplink"];

interface Balance {
  readonly why: string;
  readonly severity: "fail" | "warn";
}

/** Modes in which the bond writes MAC addresses of its own into frames, or answers ARP in others' names. */
const BALANCES: Readonly<Record<string, Balance>> = {
  "balance-alb": { why: "balance-alb answers ARP with the bond's MAC addresses", severity: "fail" },
  "balance-tlb": { why: "balance-tlb sends by links that expect no answer", severity: "warn" },
};

const rewritingBond: Condition = {
  id: "UL-P10",
  title: "bond balances by rewriting MAC addresses",
  onUplinks: true,
  severity: "fail",
  refuses: false,
  confidence: "likely",
  explain:
    "Adaptive load balancing (balance-alb) puts the MAC addresses of the bond's own links into ARP and into frames, " +
    "so that answers for a container go to the bond's address and are lost; balance-tlb does part of it. 802.3ad and " +
    "active-backup leave addresses alone.",
  judge(judged) {
    const bond = judged.parent.link?.bond;
    const balance = bond === undefined ? undefined : BALANCES[bond.mode];
    if (bond === undefined || balance === undefined || !OWN_MACS.includes(judged.kind)) return [];
    return [
      {
        subject: parentOf(judged),
        severity: balance.severity,
        message: `frames of containers are lost on bond ${bond.name}: ${balance.why}`,
        evidence: [{ source: `RTM_GETLINK IFLA_BOND_MODE of ${bond.name}`, value: bond.mode }],
        fix: [
          {
            say: "set the bond's mode to 802.3ad (the switch must agree) or active-backup, where it is configured",
          },
          { say: "or use a parent that is no bond; this lists all", run: "ip link show" },
        ],
      },
    ];
  },
};

const filteringBridge: Condition = {
  id: "UL-P15",
  title: "the host's firewall filters the parent bridge",
  severity: "warn",
  refuses: false,
  confidence: "possible",
  explain:
    "With br_netfilter the frames of a Linux bridge pass the host's iptables rules, although the host routes nothing. " +
    "Docker's FORWARD policy drops them then: ping may work and TCP from the LAN is refused. Docker's own bridge " +
    "networks and Kubernetes turn the setting on, and isolate containers by it.",
  judge(judged) {
    const { link } = judged.parent;
    const hooks = link?.filteredBy ?? [];
    if (link === undefined || hooks.length === 0) return [];
    return [
      {
        subject: parentOf(judged),
        message: `frames of containers on ${link.name} pass the firewall of this host (br_netfilter)`,
        evidence: hooks.map((hook) => ({ source: `/proc/sys/${hook.replaceAll(".", "/")}`, value: "1" })),
        fix: [
          {
            say: "if no Kubernetes and no network isolation of Docker needs it",
            run: `sysctl -w ${hooks.map((hook) => `${hook}=0`).join(" ")}`,
          },
          {
            say: "or let such frames pass, where Docker runs",
            run: `iptables -I DOCKER-USER -i ${shellWord(link.name)} -o ${shellWord(link.name)} -j ACCEPT`,
          },
          { say: "or use a NIC as parent that is no port of a bridge" },
        ],
      },
    ];
  },
};

export const CARRYING_CONDITIONS: readonly Condition[] = [noCarrier, rewritingBond, filteringBridge];
