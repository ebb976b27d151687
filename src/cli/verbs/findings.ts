import type { FindingBody } from "../../daemon/api.ts";
import { clean, type Paint, type Style } from "../table.ts";

const STYLES: Readonly<Record<FindingBody["severity"], Style>> = { fail: "red", warn: "yellow", info: "dim" };
const WORST_FIRST: readonly FindingBody["severity"][] = ["fail", "warn", "info"];
const INDENT = "      ";

/**
 * What is wrong, worst first, each with whom it is about and what to do. What is said of several networks or endpoints
 * is said once, and so is a way out that several share. `about`: the id of the network that is shown anyway.
 */
export function findingLines(findings: readonly FindingBody[], paint: Paint, about?: string): string {
  const sorted = findings.toSorted(
    (a, b) => WORST_FIRST.indexOf(a.severity) - WORST_FIRST.indexOf(b.severity),
  );
  const groups = [...Map.groupBy(sorted, ({ id, message }) => `${id} ${message}`).values()];
  const clusters = Map.groupBy(groups, ([first]) => JSON.stringify([first?.id, first?.severity, first?.fix]));
  return [...clusters.values()].map((cluster) => clusterLines(cluster, paint, about)).join("");
}

/** Groups of one condition with one way out. */
function clusterLines(
  cluster: readonly (readonly FindingBody[])[],
  paint: Paint,
  about: string | undefined,
): string {
  const fix = cluster[0]?.[0]?.fix ?? [];
  const more = cluster.length - MOST_SHOWN;
  const differ = cluster.flat().some((other) => !Bun.deepEquals(other.fix, fix));
  const ways = [
    ...(more > 0 ? [`and ${more} more like these: underlay status -o json`] : []),
    ...fix.map(({ say, run }) => (run === undefined ? say : `${say}: ${run}`)),
    ...(differ ? ["that is for the first; for another: underlay network inspect NETWORK"] : []),
  ];
  const heads = cluster.slice(0, MOST_SHOWN).map((alike) => headLines(alike, paint, about));
  return heads.join("") + ways.map(indented).join("");
}

function headLines(alike: readonly FindingBody[], paint: Paint, about: string | undefined): string {
  const [first] = alike;
  if (first === undefined) return "";
  const { id, severity, message } = first;
  const head = `${paint(STYLES[severity], severity)}  ${id}  ${clean(message)}\n`;
  return head + subjectLine(alike, about).map(indented).join("");
}

function indented(line: string): string {
  return `${INDENT}${clean(line)}\n`;
}

/** The message names a parent itself; ids of networks and endpoints are cut as in the lists. */
function subjectLine(alike: readonly FindingBody[], about: string | undefined): string[] {
  const kind = alike[0]?.subject.kind ?? "";
  if (kind !== "network" && kind !== "endpoint") return [];
  const ids = alike
    .map(({ subject }) => subject.name.split(/[:/]/).at(-1) ?? "")
    .filter((id) => id !== about)
    .map((id) => id.slice(0, SHORT_ID));
  if (ids.length === 0) return [];
  const shown = ids.slice(0, MOST_SHOWN).join(", ");
  const more = ids.length > MOST_SHOWN ? ` and ${ids.length - MOST_SHOWN} more` : "";
  return [`${kind}${ids.length > 1 ? "s" : ""} ${shown}${more}`];
}

const SHORT_ID = 12;
const MOST_SHOWN = 4;
