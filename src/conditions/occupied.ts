import type { ChildFacts, LinkFacts, NeighbourNetwork } from "../lib/facts.ts";
import { ownerWords } from "../lib/owner.ts";
import type { Condition, Evidence, Fix, Judged } from "./condition.ts";
import {
  childEvidence,
  createCommand,
  evidenceOfMany,
  inNetns,
  linkAttribute,
  modeWords,
  netnsWords,
  parentOf,
  shellWord,
  trialEvidence,
} from "./say.ts";

/**
 * The parent's one receive handler: bridge, bond, team, Open vSwitch, macvlan and ipvlan each want it
 * (netdev_rx_handler_register of net/core/dev.c), and the kernel says EBUSY or EINVAL to whoever comes second.
 */

type Master = NonNullable<LinkFacts["master"]>;

interface MasterWords {
  readonly what: (master: Master) => string;
  readonly out: (judged: Judged, master: Master) => readonly Fix[];
}

/** How each kind of master is named, and the way out. */
const MASTERS: Readonly<Record<string, MasterWords>> = {
  bridge: { what: (master) => `a port of bridge ${master.name}`, out: onMaster("the bridge") },
  bond: { what: (master) => `a member of bond ${master.name}`, out: onMaster("the bond") },
  team: { what: (master) => `a member of team ${master.name}`, out: onMaster("the team") },
  openvswitch: {
    what: (master) => `a port of Open vSwitch (${master.name})`,
    out: () => [
      {
        say: "use the Open vSwitch bridge's own port as parent (on Synology ovs_eth0 or ovs_bond0); this lists them",
        run: "ip link show type openvswitch",
      },
    ],
  },
};

const OTHER_MASTER: MasterWords = {
  what: (master) => `owned by ${master.name}${master.kind === undefined ? "" : ` (${master.kind})`}`,
  out: onMaster("its owner"),
};

/** Kinds that own a link without taking its frames: `vrf` only chooses a routing table. */
const HARMLESS_MASTERS: ReadonlySet<string> = new Set(["vrf"]);

function onMaster(what: string): MasterWords["out"] {
  return (judged, master) => [
    { say: `use ${what} as parent`, run: createCommand(judged, { parent: master.name }) },
    {
      say: `or take the link out of ${master.name}`,
      run: `ip link set dev ${shellWord(judged.parent.asked)} nomaster`,
    },
  ];
}

const enslaved: Condition = {
  id: "UL-P06",
  title: "parent belongs to a bridge, bond, team or Open vSwitch",
  severity: "fail",
  refuses: true,
  confidence: "certain",
  explain:
    "A link hands its frames to one receiver only. A bridge, bond, team or Open vSwitch that owns the link is that " +
    'receiver, so the kernel answers "Device or resource busy" to a macvlan on it. Put the network on the owner, ' +
    "or on a VLAN link above it.",
  judge(judged) {
    const { link, trial } = judged.parent;
    const master = link?.master;
    if (link === undefined || master === undefined || trial?.outcome === "made") return [];
    if (master.kind !== undefined && HARMLESS_MASTERS.has(master.kind)) return [];
    const words = MASTERS[master.kind ?? ""] ?? OTHER_MASTER;
    const kind = master.kind === undefined ? "" : ` (kind ${master.kind})`;
    return [
      {
        subject: parentOf(judged),
        message: `${link.name} cannot carry ${judged.kind}: it is ${words.what(master)}`,
        evidence: [
          linkAttribute(link, "IFLA_MASTER", `${master.name}${kind}`),
          ...trialEvidence(judged.parent),
        ],
        fix: words.out(judged, master),
      },
    ];
  },
};

const FAMILY_OF: Readonly<Record<ChildFacts["kind"], string>> = {
  macvlan: "macvlan",
  macvtap: "macvlan",
  ipvlan: "ipvlan",
  ipvtap: "ipvlan",
};

/**
 * Children that can stand in the way. The kernel's word on a trial link is the last one; without it, links of ours are
 * left to the records of their networks, because the judged network's own are no conflict.
 */
function conflicting({ parent }: Judged): readonly ChildFacts[] {
  if (parent.trial?.outcome === "made") return [];
  return parent.trial === undefined ? parent.children.filter((child) => !child.ours) : parent.children;
}

/** Links of ours count: the judged network's own are of its kind. */
function ofOtherFamily({ kind, parent }: Judged): readonly ChildFacts[] {
  if (parent.trial?.outcome === "made") return [];
  return parent.children.filter((child) => FAMILY_OF[child.kind] !== kind);
}

const mixed: Condition = {
  id: "UL-P07",
  title: "parent carries the other family of links",
  severity: "fail",
  refuses: true,
  confidence: "certain",
  needs: ["namespaces"],
  explain:
    "macvlan and ipvlan both want to be the only receiver of their parent's frames, so one parent carries either, " +
    "never both. Links in other network namespaces and links made by hand count. A VLAN link on the parent is a " +
    "parent of its own.",
  judge(judged) {
    const { link } = judged.parent;
    const others = ofOtherFamily(judged);
    const networks = judged.neighbours.filter((network) => network.kind !== judged.kind);
    const first = others[0];
    if (link === undefined || (first === undefined && networks.length === 0)) return [];
    const kind = first?.kind ?? networks[0]?.kind ?? "";
    const where = holderWords(first, networks[0]) ?? "";
    return [
      {
        subject: parentOf(judged),
        message: `${link.name} cannot carry ${judged.kind}: it carries ${kind} already (${where})`,
        evidence: [
          ...evidenceOfMany(others, childEvidence),
          ...evidenceOfMany(networks, networkEvidence),
          ...trialEvidence(judged.parent),
        ],
        fix: [ownVlan(link), ...deleteChildren(others)],
      },
    ];
  },
};

function networkEvidence(network: NeighbourNetwork): Evidence {
  return {
    source: `record of network ${ownerWords(network.owner)}`,
    value: modeWords(network),
  };
}

function ownVlan(link: LinkFacts): Fix {
  return {
    say: `use another parent, or a VLAN of this one, which is made for it: -o parent=${link.name}.10`,
  };
}

/** Links of ours go with their containers, not by hand. */
function deleteChildren(children: readonly ChildFacts[]): Fix[] {
  const [child] = children.filter(({ ours }) => !ours);
  if (child === undefined) return [];
  const run = inNetns(child.netns, `ip link delete dev ${shellWord(child.name)}`);
  return [{ say: `or delete ${child.name}, if nobody needs it`, run }];
}

const exclusive: Condition = {
  id: "UL-P08",
  title: "passthru needs the parent alone",
  severity: "fail",
  refuses: true,
  confidence: "certain",
  needs: ["namespaces"],
  explain:
    "A passthru link takes over its parent's MAC address and promiscuity, so the kernel allows no other macvlan " +
    "beside it, in either order, and says EINVAL. Links in other network namespaces and links made by hand count.",
  judge(judged) {
    const { link } = judged.parent;
    if (link === undefined || judged.kind !== "macvlan") return [];
    const wantsAll = judged.mode === "passthru";
    const excludes = ({ mode }: { readonly mode: string }) => wantsAll || mode === "passthru";
    const children = conflicting(judged).filter(
      (child) => FAMILY_OF[child.kind] === "macvlan" && excludes(child),
    );
    const networks = judged.neighbours.filter((network) => network.kind === "macvlan" && excludes(network));
    const holder = holderWords(children[0], networks[0]);
    if (holder === undefined) return [];
    return [
      {
        subject: parentOf(judged),
        message: wantsAll
          ? `passthru needs ${link.name} alone, but it carries ${holder}`
          : `${link.name} belongs to a passthru link alone: ${holder}`,
        evidence: [
          ...evidenceOfMany(children, childEvidence),
          ...evidenceOfMany(networks, networkEvidence),
          ...trialEvidence(judged.parent),
        ],
        fix: exclusiveFixes(judged, children, wantsAll, link),
      },
    ];
  },
};

function holderWords(
  child: ChildFacts | undefined,
  network: NeighbourNetwork | undefined,
): string | undefined {
  if (child !== undefined) return `${child.name} in ${netnsWords(child.netns)}`;
  return network && `network ${ownerWords(network.owner)}`;
}

function exclusiveFixes(
  judged: Judged,
  children: readonly ChildFacts[],
  wantsAll: boolean,
  link: LinkFacts,
): Fix[] {
  return [
    ...wayOut(judged, children, wantsAll, link),
    ...deleteChildren(children),
    { say: "networks of this host and their parents", run: "underlay network ls" },
  ];
}

function wayOut(judged: Judged, children: readonly ChildFacts[], wantsAll: boolean, link: LinkFacts): Fix[] {
  const bridge = createCommand(judged, { macvlan_mode: "bridge" });
  const holders = children.filter((child) => child.mode === "passthru");
  if (wantsAll && holders.some((child) => child.ours)) {
    return [
      { say: "a passthru network carries one container at a time: stop the other" },
      { say: "or make it a network in bridge mode", run: bridge },
    ];
  }
  return wantsAll && holders.length === 0 ? [{ say: "use bridge mode", run: bridge }] : [ownVlan(link)];
}

/** What the kernel keeps once for all ipvlan links of a parent, and the option that asks for it. */
const PER_PORT = [
  { word: "mode", option: "ipvlan_mode" },
  { word: "flag", option: "ipvlan_flag" },
] as const;

const ipvlanMode: Condition = {
  id: "UL-P09",
  title: "ipvlan mode and flag are the parent's",
  severity: "fail",
  refuses: true,
  confidence: "certain",
  needs: ["namespaces"],
  explain:
    "All ipvlan links of a parent share one mode and one flag: a new link with others silently changes its siblings', " +
    "also those of other networks and namespaces. Networks on one parent must therefore agree on them.",
  judge(judged) {
    const { link, children } = judged.parent;
    if (link === undefined || judged.kind !== "ipvlan") return [];
    return PER_PORT.flatMap(({ word, option }) => {
      const wanted = judged[word];
      const differs = (other: { readonly mode: string; readonly flag?: string }) =>
        other[word] !== undefined && wanted !== undefined && other[word] !== wanted;
      const others = children.filter((child) => FAMILY_OF[child.kind] === "ipvlan" && differs(child));
      const networks = judged.neighbours.filter((network) => network.kind === "ipvlan" && differs(network));
      const runs = networks[0]?.[word] ?? others[0]?.[word];
      // Of a link of ours in a container, its network says more.
      const holder = holderWords(networks.length > 0 ? undefined : others[0], networks[0]);
      if (runs === undefined) return [];
      return [
        {
          subject: parentOf(judged),
          message: `ipvlan ${word} is per parent: ${link.name} runs ${runs}, not ${wanted} (${holder})`,
          evidence: [...evidenceOfMany(others, childEvidence), ...evidenceOfMany(networks, networkEvidence)],
          fix: [
            { say: `use the same ${word}`, run: createCommand(judged, { [option]: runs }) },
            ownVlan(link),
          ],
        },
      ];
    });
  },
};

export const OCCUPIED_CONDITIONS: readonly Condition[] = [enslaved, mixed, exclusive, ipvlanMode];
