import type { NeighbourTable } from "../lib/host-facts.ts";
import { formatCidr } from "../lib/ip.ts";
import type { Condition, Judgement, Subject } from "./condition.ts";
import { routable } from "./say.ts";

/** What this host allows: privileges, confinement, room in the kernel's tables. */

const HOST: Subject = { kind: "host", name: "host" };

const userNamespace: Condition = {
  id: "UL-K06",
  title: "not in the host's own namespaces",
  severity: "fail",
  refuses: false,
  confidence: "certain",
  explain:
    "Rootless Docker and processes in a user namespace have a network namespace of their own, in which there is no " +
    "NIC of the LAN, and the kernel lets nobody inside reach it. The same is true of a dockerd that runs in another " +
    "network namespace than Underlay: they do not see each other's links.",
  judgeHost({ process, docker }) {
    const found: Judgement[] = [];
    if (!process.initialUserNamespace) {
      found.push({
        subject: HOST,
        message: "this is a user namespace (rootless): it has no NIC of the LAN",
        evidence: [{ source: `/proc/${process.pid}/uid_map`, value: "not the identity of all ids" }],
        fix: [{ say: "run Underlay and dockerd as the host's root, not rootless" }],
      });
    }
    if ("known" in docker.dockerd && docker.dockerd.known.rootless) {
      found.push({
        subject: HOST,
        message: "dockerd is rootless: its network namespace has no NIC of the LAN",
        evidence: [{ source: `GET /info at ${docker.socket}`, value: "SecurityOptions name=rootless" }],
        fix: [{ say: "use a rootful dockerd, or published ports of the rootless one" }],
      });
    }
    const theirs = docker.process;
    if (theirs?.netns !== undefined && process.netns !== undefined && theirs.netns !== process.netns) {
      found.push({
        subject: HOST,
        message: "dockerd runs in another network namespace than this program",
        evidence: [
          { source: `/proc/${theirs.pid}/ns/net`, value: `net:[${theirs.netns}]` },
          { source: `/proc/${process.pid}/ns/net`, value: `net:[${process.netns}]` },
        ],
        fix: [{ say: "run the daemon where dockerd runs, and ask there" }],
      });
    }
    return found;
  },
};

/** What the daemon cannot do without each. */
const NEEDED: Readonly<Record<string, string>> = {
  CAP_NET_ADMIN: "make links",
  CAP_SYS_ADMIN: "enter network namespaces",
  CAP_SYS_PTRACE: "see which links containers have",
};

const capabilities: Condition = {
  id: "UL-K07",
  title: "a capability is missing",
  severity: "fail",
  refuses: false,
  confidence: "certain",
  explain:
    "Links are made with CAP_NET_ADMIN, namespaces entered with CAP_SYS_ADMIN and containers' namespaces found with " +
    "CAP_SYS_PTRACE. In a container or a hardened unit root may lack them; the kernel then says only EPERM.",
  hiddenBy: ["UL-K06"],
  judgeHost({ process }) {
    if (!process.root) return { skipped: "it is about what root may do here: run as root" };
    if (process.capabilities === undefined) return { skipped: `/proc/${process.pid}/status cannot be read` };
    const missing = Object.keys(NEEDED).filter((name) => !process.capabilities?.includes(name));
    if (missing.length === 0) return [];
    return [
      {
        subject: HOST,
        message: `root lacks ${missing.join(", ")}`,
        evidence: missing.map((name) => ({
          source: `/proc/${process.pid}/status CapEff`,
          value: `no ${name}, to ${NEEDED[name]}`,
        })),
        fix: [
          { say: "add it to CapabilityBoundingSet= of the unit" },
          { say: "in a container: --cap-add for each, --network host and --pid host" },
        ],
      },
    ];
  },
};

const noJit: Condition = {
  id: "UL-K09",
  title: "the C library cannot be called",
  severity: "fail",
  refuses: false,
  confidence: "certain",
  explain:
    "Underlay speaks to the kernel through the C library, and that needs a just-in-time compiler. " +
    "MemoryDenyWriteExecute=, a small LimitAS= or BUN_JSC_useJIT=0 forbid it, and on musl systems there is no glibc; " +
    "then neither the daemon nor a check of links works.",
  judgeHost({ process }) {
    if (process.noForeignCalls === undefined) return [];
    return [
      {
        subject: HOST,
        message: "nothing can be asked of the kernel: the C library cannot be called",
        evidence: [{ source: "dlopen of libc.so.6", value: process.noForeignCalls }],
        fix: [
          {
            say: "remove MemoryDenyWriteExecute= and LimitAS= from the unit; MemoryMax= bounds memory without harm",
          },
          { say: "on Alpine and other musl systems: use a glibc system" },
        ],
      },
    ];
  },
};

const confined: Condition = {
  id: "UL-M06",
  title: "AppArmor or snap confines Docker or Underlay",
  severity: "fail",
  refuses: false,
  confidence: "likely",
  explain:
    "Docker from a snap looks for plugins below the snap's own folders and is kept out of /run/docker/plugins, so it " +
    "does not find drivers. An AppArmor profile around Underlay itself must allow netlink, setns and its sockets.",
  judgeHost({ process, docker }) {
    const found: Judgement[] = [];
    if (docker.process?.profile?.startsWith("snap.") === true) {
      found.push({
        subject: HOST,
        message: "dockerd is a snap: it does not look for drivers in /run/docker/plugins",
        evidence: [
          { source: `/proc/${docker.process.pid}/attr/apparmor/current`, value: docker.process.profile },
        ],
        fix: [{ say: "install Docker from a package of the distribution or of Docker, not as a snap" }],
      });
    }
    if (process.profile !== undefined) {
      found.push({
        subject: HOST,
        severity: "warn",
        message: "an AppArmor profile confines this program",
        evidence: [{ source: `/proc/${process.pid}/attr/apparmor/current`, value: process.profile }],
        fix: [{ say: "look for denials of it", run: 'journalctl -k -g "apparmor=.DENIED"' }],
      });
    }
    return found;
  },
};

/** Above this share of its limit a table is nearly full. */
const NEARLY_FULL = 0.7;

const neighbourTable: Condition = {
  id: "UL-S01",
  title: "neighbour table is full, or nearly",
  severity: "warn",
  refuses: false,
  confidence: "certain",
  explain:
    "The kernel keeps one table of neighbours (ARP, ND) for all network namespaces together, and its limit exists " +
    "only on the host. When it is full, containers lose connections at random and the kernel logs " +
    '"neighbor table overflow".',
  judgeHost({ neighbours }) {
    if ("unread" in neighbours) return { skipped: neighbours.unread };
    return neighbours.known.flatMap(fullTable);
  },
};

function fullTable({ family, source, entries, limit, overflows }: NeighbourTable): Judgement[] {
  const full = entries >= limit;
  if (entries < limit * NEARLY_FULL && overflows === 0) return [];
  const sysctl = `net.${family.toLowerCase()}.neigh.default`;
  return [
    {
      subject: HOST,
      severity: full ? "fail" : "warn",
      message: full
        ? `the ${family} neighbour table is full: it holds ${limit} and no more`
        : overflows > 0
          ? `the ${family} neighbour table, which holds ${limit}, was full since boot`
          : `the ${family} neighbour table, which holds ${limit}, is nearly full`,
      evidence: [{ source, value: `entries ${entries}, table_fulls ${overflows}, gc_thresh3 ${limit}` }],
      fix: [
        {
          say: "raise the limits; in /etc/sysctl.d they last",
          run: `sysctl -w ${sysctl}.gc_thresh1=4096 ${sysctl}.gc_thresh2=8192 ${sysctl}.gc_thresh3=16384`,
        },
      ],
    },
  ];
}

const hostIsApart: Condition = {
  id: "UL-I14",
  title: "host and containers do not reach each other",
  severity: "info",
  refuses: false,
  confidence: "certain",
  explain:
    "The kernel never passes frames between a macvlan or ipvlan and the addresses of its own parent: this host cannot reach its " +
    "containers by the parent, nor they the host. That is by design, and other machines are not concerned.",
  judgeHost({ parents }) {
    return parents
      .map(({ name, addresses }) => ({ name, addresses: routable(addresses) }))
      .filter(({ addresses }) => addresses.length > 0)
      .map(({ name, addresses }) => ({
        subject: { kind: "parent" as const, name },
        message: `this host and containers on ${name} do not reach each other: kernel design`,
        evidence: [{ source: `RTM_GETADDR of ${name}`, value: addresses.map(formatCidr).join(", ") }],
        fix: [
          {
            say:
              "make the network with -o host_access=true (macvlan in mode bridge, ipvlan with flag bridge): the host then " +
              "has a link of its own beside its containers. Or reach them from another machine",
          },
        ],
      }));
  },
};

export const HOST_CONDITIONS: readonly Condition[] = [
  noJit,
  userNamespace,
  capabilities,
  confined,
  neighbourTable,
  hostIsApart,
];
