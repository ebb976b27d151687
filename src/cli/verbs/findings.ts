import type { FindingBody } from "../../daemon/api.ts";
import { clean, type Paint, type Style } from "../table.ts";

const STYLES: Readonly<Record<FindingBody["severity"], Style>> = { fail: "red", warn: "yellow", info: "dim" };
const WORST_FIRST: readonly FindingBody["severity"][] = ["fail", "warn", "info"];

/** One finding after the other, worst first, each with what to do. */
export function findingLines(findings: readonly FindingBody[], paint: Paint): string {
  return findings
    .toSorted((a, b) => WORST_FIRST.indexOf(a.severity) - WORST_FIRST.indexOf(b.severity))
    .map(({ id, severity, message, fix }) => {
      const head = `${paint(STYLES[severity], severity)}  ${id}  ${clean(message)}\n`;
      const ways = fix.map(({ say, run }) => `      ${clean(run === undefined ? say : `${say}: ${run}`)}\n`);
      return head + ways.join("");
    })
    .join("");
}
