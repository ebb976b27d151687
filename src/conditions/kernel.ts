import type { TrialFacts } from "../lib/facts.ts";
import type { KernelFacts, KindFacts, ModuleState } from "../lib/host-facts.ts";
import { configOf, moduleOf } from "../lib/kinds.ts";
import type { Condition, Fix, Judgement, Severity } from "./condition.ts";
import { errnoWords, parentOf, trialEvidence } from "./say.ts";

/** What the kernel itself said to a trial link. */

type FailedTrial = TrialFacts & { readonly outcome: "failed" };

const noSuchKind: Condition = {
  id: "UL-K01",
  title: "kernel lacks the link kind",
  severity: "fail",
  refuses: true,
  confidence: "certain",
  explain:
    "The running kernel can neither make this kind of link nor load a module that does. Small and cloud kernels " +
    "leave the module in a package of its own, and after a kernel upgrade the modules of the running one are gone " +
    "until the next boot.",
  judge(judged) {
    const { trial } = judged.parent;
    if (trial?.outcome !== "failed" || !isUnknownKind(trial)) return [];
    const kind = trial.kind ?? judged.kind;
    const module = moduleOf(kind);
    return [
      {
        subject: { kind: "host" as const, name: "kernel" },
        message: `this kernel cannot make ${kind} links: module ${module} is missing`,
        evidence: trialEvidence(judged.parent),
        fix: [
          { say: "load the module, if it is installed", run: `modprobe ${module}` },
          { say: "or reboot, if the kernel was upgraded since the last boot" },
          { say: "or install the running kernel's extra modules (linux-modules-extra-…, on OpenWrt kmod-…)" },
          { say: `or run a kernel built with ${configOf(module)}` },
        ],
      },
    ];
  },
  judgeHost({ kernel, kinds, process }) {
    if (process.noForeignCalls !== undefined) return { skipped: process.noForeignCalls };
    const [unread] = kinds.flatMap(({ tried }) => ("unread" in tried ? [tried.unread] : []));
    if (unread !== undefined) {
      const files = kinds.map(({ kind, state }) => `${kind} ${state}`).join(", ");
      return { skipped: `${unread}; files say: ${files}` };
    }
    const missing = kinds.filter(({ tried }) => "known" in tried && tried.known.errno !== undefined);
    return [
      ...missingKinds(kernel, missing.filter(isBase), "fail"),
      ...missingKinds(
        kernel,
        missing.filter((kind) => !isBase(kind)),
        "info",
      ),
    ];
  },
};

/** Without it nothing works; without the others, some networks do not. */
const isBase = ({ kind }: KindFacts) => kind === "macvlan";

/** What lacks without a kind. */
const NEEDED_FOR: Readonly<Record<string, string>> = {
  ipvlan: "ipvlan networks",
  vlan: "VLAN parents (eth0.20)",
  dummy: "networks without a parent",
};

function missingKinds(kernel: KernelFacts, missing: readonly KindFacts[], severity: Severity): Judgement[] {
  if (missing.length === 0) return [];
  const kinds = missing.map(({ kind }) => kind).join(", ");
  const fixes = missing.flatMap(({ module, state }) => waysToKind(kernel, module, state));
  return [
    {
      subject: { kind: "host", name: "kernel" },
      severity,
      message: `this kernel cannot make ${kinds} links`,
      evidence: missing.map(({ kind, module, state, source, tried }) => ({
        source: `RTM_NEWLINK kind ${kind}`,
        value:
          `${trialWords(tried)}; module ${module}: ${state} (${source})` +
          (NEEDED_FOR[kind] === undefined ? "" : `; for ${NEEDED_FOR[kind]}`),
      })),
      fix: [...new Map(fixes.map((fix) => [`${fix.say} ${fix.run}`, fix])).values()],
    },
  ];
}

function trialWords(tried: KindFacts["tried"]): string {
  if ("unread" in tried) return tried.unread;
  const { errno = "", text = "" } = tried.known;
  return text === "" ? errno : `${errno}: ${text}`;
}

/** Packages that hold modules which the base installation leaves out, by ID of os-release. */
const PACKAGES: Readonly<Record<string, (release: string, module: string) => string>> = {
  ubuntu: (release) => `apt install linux-modules-extra-${release}`,
  debian: (release) => `apt install linux-image-${release.endsWith("arm64") ? "arm64" : "amd64"}`,
  fedora: () => "dnf install kernel-modules-extra",
  rhel: () => "dnf install kernel-modules-extra",
  rocky: () => "dnf install kernel-modules-extra",
  almalinux: () => "dnf install kernel-modules-extra",
  openwrt: (_, module) => `opkg install kmod-${module}`,
};

function waysToKind({ release, distribution }: KernelFacts, module: string, state: ModuleState): Fix[] {
  const build = { say: `or run a kernel built with ${configOf(module)}` };
  if (state === "loadable") {
    return [
      {
        say: "the module is installed and was not loaded: is it blacklisted in /etc/modprobe.d?",
        run: `modprobe ${module}`,
      },
      { say: "in a container: load it on the host" },
    ];
  }
  if (state === "no modules") {
    return [
      { say: `reboot, if the kernel was upgraded since the last boot: there is no /lib/modules/${release}` },
      { say: "in a container: look at the host" },
      build,
    ];
  }
  const install = PACKAGES[distribution]?.(release, module);
  return install === undefined
    ? [{ say: `install the extra modules of kernel ${release}` }, build]
    : [{ say: "install the package that has the module", run: install }, build];
}

/** rtnl_newlink answers EOPNOTSUPP for a kind without operations; some older paths ENODEV with the same text. */
function isUnknownKind(trial: FailedTrial): boolean {
  return (
    (trial.errno === "EOPNOTSUPP" && !isOfVlan(trial)) ||
    (trial.errno === "ENODEV" && /unknown device type/i.test(trial.text))
  );
}

/** vlan_check_real_dev: the kernel has VLANs, but this link takes none. */
function isOfVlan({ text }: FailedTrial): boolean {
  return /VLANs not supported/.test(text);
}

interface Refusal {
  /** After "…: ". */
  readonly why: (parent: string) => string;
  readonly fix: readonly Fix[];
}

const LOOK_FOR_HOLDERS: readonly Fix[] = [
  {
    say: "look for a user of the link in containers and namespaces that this process cannot see; its details",
    run: "ip link show",
  },
  { say: "or use another parent" },
];

/** The errno in words, when no other condition explains it. */
const REFUSALS: Readonly<Record<string, Refusal>> = {
  EBUSY: {
    why: (parent) => `something unseen from here receives the frames of ${parent}`,
    fix: LOOK_FOR_HOLDERS,
  },
  EINVAL: {
    why: (parent) => `${parent} is unfit, or held by a passthru link unseen from here`,
    fix: LOOK_FOR_HOLDERS,
  },
  EPERM: {
    why: () => "this process may not make links",
    fix: [{ say: "run the daemon as root, with CAP_NET_ADMIN and CAP_SYS_ADMIN" }],
  },
  ENODEV: {
    why: (parent) => `${parent} vanished while it was tried`,
    fix: [{ say: "try again; links", run: "ip link show" }],
  },
};

function wordsOf({ text, errno }: FailedTrial): string {
  return text === "" ? (errnoWords(errno) ?? `the kernel answers ${errno}`) : text;
}

const unexplained: Condition = {
  id: "UL-K10",
  title: "kernel refuses a link on the parent",
  severity: "fail",
  refuses: true,
  confidence: "certain",
  explain:
    "A trial link of the wanted kind and mode could not be made on the parent, and nothing that can be read tells " +
    "why. Most often the link is used in a network namespace that the daemon cannot enter, or by a driver that " +
    "takes its frames without showing up as its owner.",
  needs: ["trial"],
  hiddenBy: ["UL-P01", "UL-P04", "UL-P06", "UL-P07", "UL-P08", "UL-P12", "UL-K01"],
  judge(judged) {
    const { trial } = judged.parent;
    if (trial?.outcome !== "failed") return [];
    const parent = parentOf(judged);
    const refusal = REFUSALS[trial.errno];
    const why = refusal?.why(parent.name) ?? wordsOf(trial);
    return [
      {
        subject: parent,
        message: `no ${trial.kind ?? judged.kind} can be made on ${parent.name}: ${why}`,
        evidence: trialEvidence(judged.parent),
        fix: refusal?.fix ?? [{ say: "look at the parent's state", run: "ip link show" }],
      },
    ];
  },
};

export const KERNEL_CONDITIONS: readonly Condition[] = [noSuchKind, unexplained];
