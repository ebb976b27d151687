import type { FindingBody } from "../../daemon/api.ts";
import { clean, type Paint, type Style } from "../table.ts";

const STYLES: Readonly<Record<FindingBody["severity"], Style>> = { fail: "red", warn: "yellow", info: "dim" };
const WORST_FIRST: readonly FindingBody["severity"][] = ["fail", "warn", "info"];
const INDENT = "      ";

/**
 * What is wrong, worst first, each with whom it is about and what to do. What is said of several networks or endpoints
 * is said once. `about`: the id of the network that is shown anyway.
 */
export function findingLines(findings: readonly FindingBody[], paint: Paint, about?: string): string {
  const sorted = findings.toSorted(
    (a, b) => WORST_FIRST.indexOf(a.severity) - WORST_FIRST.indexOf(b.severity),
  );
  const groups = Map.groupBy(sorted, ({ id, message }) => `${id} ${message}`);
  return [...groups.values()].map((alike) => groupLines(alike, paint, about)).join("");
}

function groupLines(alike: readonly FindingBody[], paint: Paint, about: string | undefined): string {
  const [first] = alike;
  if (first === undefined) return "";
  const { id, severity, message, fix } = first;
  const differ = alike.some((other) => !Bun.deepEquals(other.fix, fix));
  const lines = [
    ...subjectLine(alike, about),
    ...fix.map(({ say, run }) => (run === undefined ? say : `${say}: ${run}`)),
    ...(differ ? ["that is for the first; for another: underlay network inspect NETWORK"] : []),
  ];
  const head = `${paint(STYLES[severity], severity)}  ${id}  ${clean(message)}\n`;
  return head + lines.map((line) => `${INDENT}${clean(line)}\n`).join("");
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
