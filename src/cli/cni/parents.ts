import type { Finding, Judged } from "../../conditions/condition.ts";
import { findings } from "../../conditions/judge.ts";
import type { ReadyRequest } from "../../engine/attach.ts";
import { problemsError, UnderlayError } from "../../lib/errors.ts";
import type { ParentFacts, TrialFacts } from "../../lib/facts.ts";
import { MACHINE_FILES } from "../../links/host/read.ts";
import { parseMacvlan } from "../../links/macvlan/spec.ts";
import { kindTrial, tryLink } from "../../links/parent/trial.ts";
import { MACVLAN_MODE } from "../../netlink/kinds/macvlan.ts";
import { type DoctorKernel, openKernel } from "../doctor/kernel.ts";

/** Links that a configuration wants, judged as networks of Docker's are: by the same conditions. */
export async function parentFindings(
  wanted: readonly ReadyRequest[],
  network: string,
  file: string,
): Promise<Finding[]> {
  if (wanted.length === 0) return [];
  const text = (path: string) => MACHINE_FILES.text(path) ?? "";
  const kernel = openKernel(
    MACHINE_FILES,
    text("/proc/sys/kernel/osrelease"),
    text("/proc/sys/kernel/random/boot_id"),
  );
  if ("unread" in kernel) throw new UnderlayError("unsupported", kernel.unread);
  using known = kernel.known;
  const found: Finding[] = [];
  for (const request of wanted) found.push(...(await ofRequest(known, request, network, file)));
  return found;
}

async function ofRequest(
  kernel: DoctorKernel,
  { parent, link, mtu }: ReadyRequest,
  network: string,
  file: string,
): Promise<Finding[]> {
  // A parent in the container is the container's affair.
  if (link === undefined || parent?.inside) return [];
  const known = await factsOf(kernel, parent ? (parent.name ?? "auto") : undefined);
  const trial = await trialOf(kernel, known, link);
  const judged: Judged = {
    ...{ network, exists: false, kind: link.kind, ipv6: false, internal: false },
    mode: "mode" in link ? link.mode : "",
    ...("flag" in link && { flag: link.flag }),
    ...(mtu !== undefined && { mtu }),
    ...{ subnets: [], neighbours: [], endpoints: [], released: [] },
    parent: { ...known, ...(trial && { trial }) },
  };
  return findings(judged)
    .filter(({ id }) => parent !== undefined || id === KIND)
    .map((finding) => ({ ...finding, fix: fixesFor(finding, file) }));
}

/** The one that is about no parent. */
const KIND = "UL-K01";

async function factsOf(kernel: DoctorKernel, name = "auto"): Promise<ParentFacts> {
  const parsed = parentNamed(name);
  if ("spec" in parsed) return await kernel.parents.facts(parsed.spec.parent);
  throw problemsError(parsed.code, parsed.problems);
}

/** Why this can be no link's name; undefined when it can. */
export function parentProblem(name: string): string | undefined {
  const parsed = parentNamed(name);
  return "spec" in parsed ? undefined : parsed.problems.map(({ message }) => message).join("; ");
}

const parentNamed = (name: string) => parseMacvlan({ parent: name }, {}, { ipv6: false });

/** On the parent itself only a macvlan can be tried: an ipvlan would switch its siblings' mode. Of others, whether the kernel has the kind. */
async function trialOf(
  { scratch }: DoctorKernel,
  { link: parent }: ParentFacts,
  link: NonNullable<ReadyRequest["link"]>,
): Promise<TrialFacts | undefined> {
  if ("unread" in scratch) return undefined;
  if (link.kind === "macvlan" && parent !== undefined) {
    const info = { kind: "macvlan", data: { mode: MACVLAN_MODE[link.mode] } } as const;
    return await tryLink(scratch.known, { parent: parent.ifindex, info });
  }
  const trial = await kindTrial(scratch.known.inside, link.kind);
  // That it lacks a parent and data is no answer.
  return trial.outcome === "failed" && trial.errno === "EOPNOTSUPP" ? trial : undefined;
}

/** Docker's commands are no way out of a file's trouble. */
function fixesFor({ fix }: Finding, file: string): Finding["fix"] {
  const others = fix.filter(({ run }) => run === undefined || !run.startsWith("docker "));
  return [...others, { say: `edit ${file}` }];
}
