import type { Finding, Severity } from "./condition.ts";

/**
 * Findings as text: what is wrong, how it is known, what to do. The only place where they become text,
 * and so the only place that keeps odd link names from reaching a terminal.
 */

const MARKS: Readonly<Record<Severity, { readonly unicode: string; readonly ascii: string }>> = {
  fail: { unicode: "✗", ascii: "FAIL" },
  warn: { unicode: "!", ascii: "WARN" },
  info: { unicode: "i", ascii: "INFO" },
};

/** A finding, or its JSON body read back. */
type Printed = Pick<Finding, "id" | "severity" | "message" | "evidence"> & {
  readonly fix: readonly { readonly say: string; readonly run?: string | undefined }[];
};

/** Several lines for a person, without colour and without a final newline. */
export function block(finding: Printed, options: { readonly ascii?: boolean } = {}): string {
  const mark = MARKS[finding.severity][options.ascii === true ? "ascii" : "unicode"];
  const seen = finding.evidence.map(({ source, value }) => `${source}: ${value}`);
  const steps = finding.fix.map(fixWords);
  const lines = [
    `${mark} ${finding.id}  ${finding.message}`,
    ...column("seen", seen),
    ...column("do", steps),
  ];
  return lines.map(clean).join("\n");
}

/** `label` before the first text, blanks of the same width before the others. */
function column(label: string, texts: readonly string[]): string[] {
  return texts.map((text, i) => `  ${(i === 0 ? label : "").padEnd(8)}${text}`);
}

/** One line for the error string of a protocol: id and message, evidence, fix. No final full stop. */
export function oneLine(finding: Finding): string {
  const seen = finding.evidence.map(({ source, value }) => `${source}: ${value}`).join("; ");
  const steps = finding.fix.map(fixWords).join("; ");
  return clean(`${finding.id} ${finding.message} (${seen}); to mend it: ${steps}`);
}

function fixWords(fix: Printed["fix"][number]): string {
  return fix.run === undefined ? fix.say : `${fix.say}: ${fix.run}`;
}

/** Control characters, C1 and the Unicode line separators become `?`: a link name may hold escape sequences. */
function clean(line: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must go
  return line.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, "?");
}
