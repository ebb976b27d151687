import type { LinkFacts } from "../lib/facts.ts";
import type { Condition, Fix, Judged, Judgement } from "./condition.ts";
import { probeEvidence, verdictOf } from "./probe.ts";
import {
  createCommand,
  evidenceOfMany,
  linkAttribute,
  netnsWords,
  networkOf,
  parentOf,
  shellWord,
  trialEvidence,
} from "./say.ts";

/** The parent itself: is it there, and can it carry foreign MAC addresses at all? */

/** ARPHRD_ETHER of `<linux/if_arp.h>`. */
const ETHERNET = 1;

const absent: Condition = {
  id: "UL-P01",
  title: "parent link does not exist",
  onSwitches: true,
  severity: "fail",
  refuses: true,
  confidence: "certain",
  explain:
    "The network names a parent that no link of this host has as its name or altname. Kernel names change when " +
    "hardware, firmware or udev rules change; altnames and `parent=auto` survive that. A network that exists " +
    "already is degraded and heals by itself when the link is back.",
  hiddenBy: ["UL-K01"],
  judge(judged) {
    const { link, asked } = judged.parent;
    if (link !== undefined) return isCalled(link, asked) ? [] : [renamed(judged, link)];
    return [
      {
        subject: parentOf(judged),
        message:
          asked === "auto"
            ? "parent=auto finds no link: this host has no default route"
            : `no link is called ${asked}`,
        evidence: [absenceEvidence(asked)],
        fix: judged.exists ? waysBack(judged) : waysToName(judged),
      },
    ];
  },
};

/** For a create: a name that is right. */
function waysToName(judged: Judged): Fix[] {
  return [
    ...judged.parent.candidates.map((name) => otherParent(judged, name, `perhaps ${name} is meant`)),
    { say: "name a link that exists; this lists them", run: "ip link show" },
  ];
}

/** For a network whose parent is gone: it cannot be given another one, but a link can be given the name. */
function waysBack({ parent: { asked, candidates } }: Judged): Fix[] {
  return [
    ...candidates.map((name) => ({
      say: `${name} has its MAC address: give it the old name as altname`,
      run: `ip link property add dev ${shellWord(name)} altname ${shellWord(asked)}`,
    })),
    { say: "the network heals by itself when a link has this name or altname; links", run: "ip link show" },
  ];
}

function isCalled(link: LinkFacts, name: string): boolean {
  return link.name === name || link.altNames.includes(name);
}

/** The index found it, and only until the next boot. */
function renamed(judged: Judged, link: LinkFacts): Judgement {
  const { asked } = judged.parent;
  return {
    subject: parentOf(judged),
    severity: "warn",
    message: `${asked} is called ${link.name} now: after the next boot it would be missing`,
    evidence: [linkAttribute(link, "IFLA_IFNAME", `the link of index ${link.ifindex}, once ${asked}`)],
    fix: [
      {
        say: "give it its old name as altname, and make that lasting where the host's links are configured",
        run: `ip link property add dev ${shellWord(link.name)} altname ${shellWord(asked)}`,
      },
      otherParent(judged, link.name, "or make the network anew on the new name"),
    ],
  };
}

function absenceEvidence(asked: string) {
  return asked === "auto"
    ? { source: "RTM_GETROUTE dump", value: "no default route, IPv4 or IPv6" }
    : { source: `RTM_GETLINK of ${asked}`, value: "neither a name nor an altname" };
}

function otherParent(judged: Judged, parent: string, say: string): Fix {
  return { say, run: createCommand(judged, { parent }) };
}

const down: Condition = {
  id: "UL-P02",
  title: "parent link is down",
  onSwitches: true,
  onUplinks: true,
  severity: "warn",
  refuses: false,
  confidence: "certain",
  explain:
    "A link on a parent that is down shows LOWERLAYERDOWN and passes no frame, although containers start. " +
    "Underlay's daemon brings the parent up before it makes a link and says so in its log; whoever manages the link " +
    "may take it down again. CNI plugins leave it as it is, as the reference's do.",
  hiddenBy: ["UL-P04"],
  judge(judged) {
    const { link } = judged.parent;
    if (link === undefined || link.up) return [];
    return [
      {
        subject: parentOf(judged),
        message: `${link.name} is down: no frame passes until it is up`,
        evidence: [linkAttribute(link, "ifi_flags", "IFF_UP is not set")],
        fix: [
          {
            say:
              judged.kind === "uplink"
                ? "the daemon brings up those that it put on a bridge; or now"
                : "with the next container of Docker's the daemon brings it up, a CNI plugin does not; or now",
            run: `ip link set dev ${shellWord(link.name)} up`,
          },
        ],
      },
    ];
  },
};

const noEthernet: Condition = {
  id: "UL-P04",
  title: "parent has no Ethernet layer",
  severity: "fail",
  refuses: true,
  confidence: "certain",
  explain:
    "macvlan gives each container a MAC address, so its parent must be an Ethernet link. Loopback, WireGuard, tun, " +
    "ppp and other links without MAC addresses cannot carry it, and the kernel would only say EINVAL.",
  judge(judged) {
    const { link } = judged.parent;
    if (link === undefined || (link.hardwareType === ETHERNET && !link.loopback)) return [];
    return [
      {
        subject: parentOf(judged),
        message: link.loopback
          ? `${link.name} is the loopback link: it cannot carry ${judged.kind}`
          : `${link.name} has no Ethernet layer: it cannot carry ${judged.kind}`,
        evidence: [layerEvidence(link), ...trialEvidence(judged.parent)],
        fix: [
          otherParent(judged, "auto", "use the link of the default route"),
          { say: "or another Ethernet link; this lists them", run: "ip link show" },
        ],
      },
    ];
  },
};

function layerEvidence(link: LinkFacts) {
  const kind = link.kind === undefined ? "" : `, kind ${link.kind}`;
  return link.loopback
    ? linkAttribute(link, "ifi_flags", "IFF_LOOPBACK is set")
    : linkAttribute(link, "ifi_type", `${link.hardwareType}, where Ethernet is ${ETHERNET}${kind}`);
}

const wireless: Condition = {
  id: "UL-P05",
  title: "parent is a Wi-Fi station",
  onUplinks: true,
  severity: "fail",
  refuses: true,
  confidence: "likely",
  explain:
    "An access point accepts frames only from MAC addresses that associated with it, and a station associates with " +
    "one. Containers with MAC addresses of their own are not heard, unless both ends speak the four-address frame " +
    "format (WDS). ipvlan, which shares the parent's MAC, or a cable works.",
  judge(judged) {
    const { link, probe } = judged.parent;
    if (link?.wireless?.type !== "station" || link.wireless.fourAddress) return [];
    const verdict = probe && verdictOf(probe);
    if (verdict === "passes") return [];
    const isProved = verdict === "dropped";
    return [
      {
        subject: parentOf(judged),
        message: `${link.name} is a Wi-Fi station: access points drop frames from other MAC addresses`,
        ...(isProved && { confidence: "certain" as const }),
        evidence: [
          { source: `nl80211 GET_INTERFACE of ${link.name}`, value: "type station, 4ADDR off" },
          ...(probe ? probeEvidence(probe) : []),
        ],
        fix: [
          { say: "use a cabled link; this lists all", run: "ip link show" },
          { say: "or turn on 4-address frames at both ends, the access point and this host" },
          ...(isProved || judged.kind === "uplink"
            ? []
            : [{ say: "or try it all the same", run: createCommand(judged, { allow: "UL-P05" }) }]),
        ],
        ...(judged.kind === "ipvlan" ? { severity: "warn" as const } : {}),
      },
    ];
  },
};

const mtu: Condition = {
  id: "UL-P12",
  title: "MTU does not fit the parent",
  severity: "fail",
  refuses: true,
  confidence: "certain",
  explain:
    "A link cannot carry larger packets than its parent; the kernel would only say EINVAL. When a parent's MTU is " +
    "lowered its links follow, but they do not rise with it again: containers keep the low value until they restart.",
  judge(judged) {
    const { link, children } = judged.parent;
    if (link === undefined) return [];
    if (judged.mtu !== undefined && judged.mtu > link.mtu) return [tooLarge(judged, judged.mtu, link)];
    // With a neighbour network, whose MTU is whose cannot be told from the links.
    const wanted = judged.mtu ?? link.mtu;
    const low =
      judged.neighbours.length > 0 ? [] : children.filter((child) => child.ours && child.mtu < wanted);
    if (low.length === 0) return [];
    return [
      {
        subject: networkOf(judged),
        severity: "warn" as const,
        message: `${low.length === 1 ? "a container link" : `${low.length} container links`} on ${link.name} kept an MTU below ${wanted}`,
        evidence: evidenceOfMany(low, (child) => ({
          source: `RTM_GETLINK IFLA_MTU of ${child.name} in ${netnsWords(child.netns)}`,
          value: String(child.mtu),
        })),
        fix: [{ say: "restart the containers; this names their endpoints", run: "underlay endpoint ls" }],
      },
    ];
  },
};

function tooLarge(judged: Judged, wanted: number, link: LinkFacts) {
  return {
    subject: networkOf(judged),
    message: `mtu ${wanted} is more than the ${link.mtu} of ${link.name}`,
    evidence: [linkAttribute(link, "IFLA_MTU", String(link.mtu))],
    fix: [
      { say: "use the parent's MTU", run: createCommand(judged, { mtu: "" }) },
      {
        say: "or raise the parent's, if the network behind it carries such packets",
        run: `ip link set dev ${shellWord(link.name)} mtu ${wanted}`,
      },
    ],
  };
}

const vepa: Condition = {
  id: "UL-P17",
  title: "vepa needs a reflecting switch",
  severity: "warn",
  refuses: false,
  confidence: "possible",
  explain:
    "In vepa mode all frames leave by the parent, also those between two containers of this host. They come back " +
    "only when the switch port reflects them (802.1Qbg, hairpin); most do not, and then these containers " +
    "cannot talk to each other.",
  judge(judged) {
    const option = judged.kind === "macvlan" ? "macvlan_mode" : "ipvlan_flag";
    if ((judged.kind === "macvlan" ? judged.mode : judged.flag) !== "vepa") return [];
    return [
      {
        subject: networkOf(judged),
        message: "vepa: containers of this host reach each other only if the switch sends frames back",
        evidence: [{ source: `option ${option}`, value: "vepa" }],
        fix: [
          { say: "turn on reflective relay (hairpin) at the switch port" },
          { say: "or use bridge", run: createCommand(judged, { [option]: "bridge" }) },
        ],
      },
    ];
  },
};

export const PARENT_CONDITIONS: readonly Condition[] = [absent, noEthernet, wireless, mtu, down, vepa];
