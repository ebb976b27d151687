import type { ConfFacts } from "../lib/conf-facts.ts";
import { type Inputs, type Problem, problemsError, UnderlayError } from "../lib/errors.ts";
import type { HostFacts } from "../lib/host-facts.ts";
import { didYouMean } from "../lib/nearest.ts";
import { word } from "../lib/quote.ts";
import type { Condition, Finding, Judged, Judgement, Severity } from "./condition.ts";
import { CONDITIONS } from "./registry.ts";
import { oneLine } from "./render.ts";

const BY_WEIGHT: readonly Severity[] = ["fail", "warn", "info"];
const PLACE: readonly string[] = CONDITIONS.map(({ id }) => id);

/**
 * All that is wrong, worst first, and what one finding explains left out.
 * `allow`: ids that the user overrides; a refusing condition that is not certain is then a warning.
 */
export function findings(judged: Judged, allow: readonly string[] = []): Finding[] {
  return weighed(
    CONDITIONS.filter((condition) => isAskedOf(judged.kind, condition)).flatMap((condition) =>
      (condition.judge?.(judged) ?? []).map((judgement) => findingOf(condition, judgement, allow)),
    ),
  );
}

/** Whether a condition can hold for an attachment of that kind: `uplink` is a NIC on the bridge of a switch. */
export function isAskedOf(kind: string, { onSwitches, onUplinks }: Condition): boolean {
  if (kind === "ovs") return onSwitches === true;
  return kind === "uplink" ? onUplinks === true : true;
}

/** What is wrong with the host, and the ids of what could not be checked, with the reason. */
export function hostFindings(host: HostFacts): {
  readonly findings: Finding[];
  readonly skipped: ReadonlyMap<string, string>;
} {
  const found: Finding[] = [];
  const skipped = new Map<string, string>();
  for (const condition of CONDITIONS) {
    const judgements = condition.judgeHost?.(host) ?? [];
    if ("skipped" in judgements) skipped.set(condition.id, judgements.skipped);
    else found.push(...judgements.map((judgement) => findingOf(condition, judgement, [])));
  }
  return { findings: weighed(found), skipped };
}

/** What is wrong with a configuration of container runtimes. */
export function confFindings(conf: ConfFacts): Finding[] {
  return weighed(
    CONDITIONS.flatMap((condition) =>
      (condition.judgeConf?.(conf) ?? []).map((judgement) => findingOf(condition, judgement, [])),
    ),
  );
}

/** Worst first, of one severity the most fundamental, without those that another one explains. */
export function weighed<Found extends Pick<Finding, "id" | "severity">>(all: readonly Found[]): Found[] {
  const worst = new Map<string, number>();
  for (const { id, severity } of all) {
    worst.set(id, Math.min(BY_WEIGHT.indexOf(severity), worst.get(id) ?? BY_WEIGHT.length));
  }
  return all
    .filter((finding) => !isExplained(finding, worst))
    .sort(
      (a, b) =>
        BY_WEIGHT.indexOf(a.severity) - BY_WEIGHT.indexOf(b.severity) ||
        PLACE.indexOf(a.id) - PLACE.indexOf(b.id),
    );
}

/**
 * Whether another finding is its cause. A warning is no reason for a refusal: a parent that was renamed does not make
 * the kernel say no. `worst`: of each id found, the place of its worst severity.
 */
function isExplained(
  { id, severity }: Pick<Finding, "id" | "severity">,
  worst: ReadonlyMap<string, number>,
): boolean {
  const causes = CONDITIONS.find((condition) => condition.id === id)?.hiddenBy ?? [];
  return causes.some((cause) => (worst.get(cause) ?? BY_WEIGHT.length) <= BY_WEIGHT.indexOf(severity));
}

function findingOf(condition: Condition, judgement: Judgement, allow: readonly string[]): Finding {
  const { id, title, confidence } = condition;
  const severity = judgement.severity ?? condition.severity;
  const allowed = condition.refuses && severity === "fail" && isAllowed(condition, allow);
  return { id, title, confidence, ...judgement, severity: allowed ? "warn" : severity };
}

/** The condition that `P05`, `p05` or `UL-P05` means. Throws `invalid_option`, with the nearest id. */
export function conditionOf(given: string): Condition {
  const found = CONDITIONS.find(({ id }) => [id, id.slice("UL-".length)].includes(given.toUpperCase()));
  if (found !== undefined) return found;
  const ids = CONDITIONS.map(({ id }) => id);
  throw new UnderlayError("invalid_option", `no condition ${word(given)}${suggestion(given, ids)}`);
}

function isAllowed(condition: Condition, allow: readonly string[]): boolean {
  return condition.confidence !== "certain" && allow.includes(condition.id);
}

/**
 * The error that a create gets: `refused` with every refusing finding as a problem, together with what is wrong with
 * `allow` itself (`invalid_option` when that is all). Undefined when nothing stands against the create.
 */
export function refusals(judged: Judged, allow: readonly string[]): UnderlayError | undefined {
  const refusing = findings(judged, allow).filter(
    (finding) => finding.severity === "fail" && refuses(finding.id),
  );
  const problems = [...refusing.map((finding) => refusalOf(finding, allow)), ...allowProblems(allow)];
  if (problems.length === 0) return undefined;
  const inputs: Inputs = { network: judged.network, parent: judged.parent.asked };
  return problemsError(refusing.length > 0 ? "refused" : "invalid_option", problems, inputs);
}

function refuses(id: string): boolean {
  return CONDITIONS.some((condition) => condition.id === id && condition.refuses);
}

function refusalOf(finding: Finding, allow: readonly string[]): Problem {
  const overridden = allow.includes(finding.id);
  const certain = overridden ? `; allow=${finding.id} does not help, because this is certain` : "";
  return { subject: finding.id, message: oneLine(finding) + certain };
}

/** Ids in `-o allow=` that no condition has. */
export function allowProblems(allow: readonly string[]): Problem[] {
  const ids = CONDITIONS.map((condition) => condition.id);
  return allow.flatMap((id) => {
    if (!ids.includes(id)) {
      return [{ subject: "allow", message: `allow: no condition ${word(id)}${suggestion(id, ids)}` }];
    }
    return refuses(id) ? [] : [{ subject: "allow", message: `allow: ${id} refuses nothing, leave it out` }];
  });
}

/** `p05` and `P05` are `UL-P05`. */
function suggestion(given: string, ids: readonly string[]): string {
  const upper = given.slice(0, 64).toUpperCase();
  const whole = ids.find((id) => id === upper || id === `UL-${upper}`);
  return whole === undefined ? didYouMean(upper, ids) : `, did you mean ${whole}?`;
}
