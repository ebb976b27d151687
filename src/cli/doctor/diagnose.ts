import type { Condition, Finding } from "../../conditions/condition.ts";
import { hostFindings, isAskedOf, weighed } from "../../conditions/judge.ts";
import { CONDITIONS, isOfHost, isOfSwitch } from "../../conditions/registry.ts";
import { type Body, type FindingBody, findingBody } from "../../daemon/api.ts";
import type { Values } from "../../daemon/settings.ts";
import type { SwitchFacts } from "../../lib/switch-facts.ts";
import { MACHINE_FILES } from "../../links/host/read.ts";
import { gatewayLinksOf } from "../../links/nat/forward-look.ts";
import { bridgesOf, flatBridgesOf } from "../../links/ovs/look.ts";
import { askSwitch, type HostQuestion, hostFacts } from "./host.ts";
import { type DoctorKernel, openKernel } from "./kernel.ts";
import { type KnownNetworks, knownNetworks } from "./networks.ts";
import { type LookedAt, lookAtParent, roleOf } from "./parent.ts";
import {
  type Active,
  checkMayProbe,
  type Lacks,
  type Probed,
  probeBodies,
  probed,
  unprobed,
} from "./probe.ts";

const NOT_LOOKED = "no parent was looked at: name one, underlay doctor LINK";

type Diagnosis = Body<"underlay.doctor/v1">;

/**
 * Everything that can be known now: the host, and a link as a parent or, without one, all networks and their parents.
 * Sends frames only when `active` is there. Throws `invalid_option` for what can be no link's name; with `active`
 * also `permission`.
 */
export async function diagnose(
  values: Values,
  asked: string | undefined,
  active?: Active,
): Promise<Diagnosis> {
  const files = MACHINE_FILES;
  const release = files.text("/proc/sys/kernel/osrelease") ?? "";
  const bootId = files.text("/proc/sys/kernel/random/boot_id") ?? "";
  const kernel = openKernel(files, release, bootId);
  using open = "known" in kernel ? kernel.known : undefined;
  if (active) checkMayProbe(kernel);

  const read = await knownNetworks(values, open, bootId);
  const known: KnownNetworks = "known" in read ? read.known : { from: "nobody", networks: [], findings: [] };
  const ovs = await askSwitch(
    { files, kernel },
    {
      target: values.ovsdb,
      bridges: bridgesOf(known.networks),
      flatBridges: flatBridgesOf(known.networks),
      asked,
    },
  );
  const looks = open ? await looksAt(open, asked, known, ovs, active) : [];
  // What is true of links that macvlan hangs on is not of a switch's.
  const parents = looks.filter(({ role }) => role === "macvlan");
  const question: HostQuestion = {
    files,
    kernel,
    dockerSocket: values.docker_socket,
    pluginDir: values.plugin_dir,
    pid: known.pid ?? process.pid,
    dockerNetworks: known.networks.filter(({ owner }) => owner.startsWith("docker:")).length,
    parents: parents.flatMap(({ facts }) => facts.link ?? []),
    probes: looks.flatMap(({ facts }) => facts.probe ?? []),
    gatewayLinks: gatewayLinksOf(known.networks),
    ovs,
  };
  const host = await hostFacts(question);
  const ofHost = hostFindings(host);
  const ofParents = looks.flatMap((look) => (isAbout(look, asked, known) ? look.findings : ofProbe(look)));
  const ofNetworks = asked === undefined ? known.findings : findingsOn(asked, known);
  const findings = distinct(weighed([...[...ofHost.findings, ...ofParents].map(findingBody), ...ofNetworks]));

  const lacks = { ...lacking(open, host.process.root, asked), ...unprobed(looks, asked, active) };
  const isJudged =
    looks.some(({ facts }) => facts.link !== undefined || asked !== undefined) || known.networks.length > 0;

  const unjudged = "unread" in kernel ? kernel.unread : "unread" in read ? read.unread : NOT_LOOKED;
  const asks = CONDITIONS.filter((one) => isOfHost(one) && (host.ovs !== undefined || !isOfSwitch(one)));
  const checks = asks.map((condition) => {
    const reason =
      ofHost.skipped.get(condition.id) ??
      whyNotAsked(condition, looks) ??
      whySkipped(condition, isJudged ? lacks : unjudged);
    return checkOf(condition, findings, reason);
  });
  return {
    schema: "underlay.doctor/v1",
    kernel: release,
    parents: looks.flatMap(({ facts }) => facts.link?.name ?? []),
    networks: { from: known.from, total: known.networks.length },
    counts: countsOf(checks),
    checks,
    probes: probeBodies(looks),
    findings,
  };
}

/** The link that was asked for; else the parents of networks, but no bridge of a switch; else what `parent=auto` would be. */
async function looksAt(
  kernel: DoctorKernel,
  asked: string | undefined,
  { networks }: KnownNetworks,
  ovs: SwitchFacts | undefined,
  active: Active | undefined,
): Promise<Probed[]> {
  const parents = [...new Set(networks.flatMap(({ kind, parent }) => (kind === "ovs" ? [] : parent)))];
  const names = asked === undefined ? (networks.length > 0 ? parents : ["auto"]) : [asked];
  const looks: Probed[] = [];
  for (const name of names) {
    const role = asked === undefined ? "macvlan" : roleOf(name, networks, ovs);
    const look = await lookAtParent(kernel, name, networks, asked !== undefined, role);
    looks.push(active ? await probed(kernel, look, networks, active) : look);
  }
  return looks;
}

/** What would be wrong with a new network is told of a link that was asked for, or of the first one to come. */
function isAbout({ facts }: LookedAt, asked: string | undefined, { networks }: KnownNetworks): boolean {
  return asked !== undefined || (networks.length === 0 && facts.link !== undefined);
}

/** What was answered is told of every parent. */
function ofProbe({ findings }: LookedAt): readonly Finding[] {
  const ids = CONDITIONS.filter(({ needs }) => needs?.includes("probe")).map(({ id }) => id);
  return findings.filter(({ id }) => ids.includes(id));
}

/** What is said of a link, of networks on it and of their endpoints. */
function findingsOn(asked: string, { networks, findings }: KnownNetworks): FindingBody[] {
  const owners = networks.filter(({ parent }) => parent === asked).map(({ owner }) => owner);
  const subjects = [asked, ...owners];
  return findings.filter(({ subject: { name } }) =>
    subjects.some((subject) => name === subject || name.startsWith(`${subject}/`)),
  );
}

function lacking(kernel: DoctorKernel | undefined, root: boolean, asked: string | undefined): Lacks {
  const scratch = kernel?.scratch;
  const untried = asked === undefined ? "no link was tried: name one, underlay doctor LINK" : undefined;
  const trial = scratch && "unread" in scratch ? scratch.unread : untried;
  return {
    ...(!root && { namespaces: "the namespaces of containers are not for this user: run as root" }),
    ...(trial !== undefined && { trial }),
  };
}

/** Of one link alone that is a switch's. */
function whyNotAsked(condition: Condition, looks: readonly LookedAt[]): string | undefined {
  const [look] = looks;
  if (look === undefined || looks.some(({ role }) => isAskedOf(role, condition))) return undefined;
  if (condition.judge === undefined) return undefined;
  const what = look.role === "ovs" ? "a bridge of Open vSwitch" : "a NIC on a bridge of Open vSwitch";
  return `about parents of macvlan and ipvlan; ${look.facts.link?.name ?? look.facts.asked} is ${what}`;
}

function whySkipped({ judge, judgeHost, needs }: Condition, lacks: Lacks | string): string | undefined {
  if (judge === undefined) return undefined;
  if (typeof lacks === "string") return judgeHost === undefined ? lacks : undefined;
  return needs?.flatMap((need) => lacks[need] ?? [])[0];
}

type Check = Diagnosis["checks"][number];

function checkOf(
  { id, title }: Condition,
  findings: readonly FindingBody[],
  reason: string | undefined,
): Check {
  // Worst first.
  const found = findings.find((finding) => finding.id === id);
  if (found) return { id, title, status: found.severity, reason: null };
  return { id, title, status: reason === undefined ? "ok" : "skip", reason: reason ?? null };
}

function countsOf(checks: readonly Check[]): Diagnosis["counts"] {
  const count = (status: Check["status"]) => checks.filter((check) => check.status === status).length;
  return {
    fail: count("fail"),
    warn: count("warn"),
    info: count("info"),
    ok: count("ok"),
    skip: count("skip"),
  };
}

/** What is found of the host and of a link alike is told once. */
function distinct(findings: readonly FindingBody[]): FindingBody[] {
  const keyed = findings.map(
    (finding) =>
      [`${finding.id} ${finding.subject.kind} ${finding.subject.name} ${finding.message}`, finding] as const,
  );
  return [...new Map(keyed).values()];
}
