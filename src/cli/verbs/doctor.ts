import type { Condition } from "../../conditions/condition.ts";
import { conditionOf } from "../../conditions/judge.ts";
import { block } from "../../conditions/render.ts";
import type { Body, FindingBody } from "../../daemon/api.ts";
import { quote } from "../../lib/quote.ts";
import { usageError } from "../args.ts";
import { EXIT } from "../exit.ts";
import type { Env } from "../io.ts";
import { formatOf, jsonOf, ONE_FORMATS, paintOf } from "../output.ts";
import { clean, type Paint, type Style } from "../table.ts";
import type { Call, Verb } from "../verb.ts";

type Diagnosis = Body<"underlay.doctor/v1">;

async function doctor(call: Call): Promise<number> {
  const { given, env, io } = call;
  const format = formatOf(given, ONE_FORMATS);
  const paint = paintOf(given, env, io.stdoutIsTty);
  const failOn = failOnOf(given.flags.get("fail-on")?.at(-1));
  const id = given.flags.get("explain")?.at(-1);
  if (id !== undefined) {
    const condition = conditionOf(id);
    io.stdout(jsonOf(format, conditionBody(condition)) ?? explanation(condition));
    return EXIT.done;
  }
  const { values } = await call.config();
  const { diagnose } = await import("../doctor/diagnose.ts");
  const diagnosis = await diagnose(values, call.args[0]);
  io.stdout(jsonOf(format, diagnosis) ?? screen(diagnosis, paint, isAscii(env)));
  return diagnosis.findings.some(({ severity }) => failOn.includes(severity)) ? EXIT.findings : EXIT.done;
}

const FAIL_ON: Readonly<Record<string, readonly FindingBody["severity"][]>> = {
  fail: ["fail"],
  warn: ["fail", "warn"],
};

function failOnOf(text = "fail"): readonly FindingBody["severity"][] {
  const severities = Object.hasOwn(FAIL_ON, text) ? FAIL_ON[text] : undefined;
  if (severities === undefined) throw usageError(`--fail-on: ${quote(text)} is none of fail, warn`);
  return severities;
}

function conditionBody(condition: Condition): Body<"underlay.condition/v1"> {
  const { id, title, severity, confidence, refuses, explain } = condition;
  return { schema: "underlay.condition/v1", ...{ id, title, severity, confidence, refuses, explain } };
}

const WIDTH = 100;

function explanation({ id, title, severity, confidence, refuses, explain }: Condition): string {
  const override = confidence === "certain" ? "" : `, unless -o allow=${id}`;
  const verdict = refuses ? `a network is refused${override}` : "no network is refused";
  return `${id}  ${title} (${severity}, ${confidence}; ${verdict})\n\n${wrapped(explain)}\n`;
}

function wrapped(text: string): string {
  return text.replace(new RegExp(`(?=.{${WIDTH},})(.{1,${WIDTH}}) `, "g"), "$1\n");
}

/** setlocale(3): the first of these that is set decides. */
function isAscii(env: Env): boolean {
  const locale = env["LC_ALL"] || env["LC_CTYPE"] || env["LANG"];
  return locale !== undefined && !/utf-?8/i.test(locale);
}

function screen(diagnosis: Diagnosis, paint: Paint, ascii: boolean): string {
  const findings = diagnosis.findings.map((finding) => `${findingText(finding, paint, ascii)}\n\n`);
  return [...findings, ...skipLines(diagnosis), summary(diagnosis)].join("");
}

const STYLES: Readonly<Record<FindingBody["severity"], Style>> = { fail: "red", warn: "yellow", info: "dim" };

function findingText(finding: FindingBody, paint: Paint, ascii: boolean): string {
  const [head = "", ...rest] = block(finding, { ascii }).split("\n");
  const more = `  more    underlay doctor --explain ${finding.id}`;
  return [paint(STYLES[finding.severity], head), ...rest, more].join("\n");
}

/** One line for each reason. */
function skipLines({ checks }: Diagnosis): string[] {
  const skipped = checks.flatMap(({ id, reason }) => (reason === null ? [] : [{ id, reason }]));
  const byReason = Map.groupBy(skipped, ({ reason }) => reason);
  return [...byReason].map(
    ([reason, alike]) => `skipped ${alike.map(({ id }) => id).join(" ")}: ${clean(reason)}\n`,
  );
}

function summary({ checks, counts, parents, kernel }: Diagnosis): string {
  const about = parents.length === 0 ? "" : `, ${parents.map(clean).join(", ")}`;
  const { fail, warn, info, ok, skip } = counts;
  return (
    `${checks.length} checks of kernel ${clean(kernel)}${about}: ` +
    `${fail} fail, ${warn} warn, ${info} info, ${ok} ok, ${skip} skipped\n`
  );
}

/** `underlay doctor`: what is wrong with this host and its parents. */
export const doctorVerbs: readonly Verb[] = [
  {
    words: "doctor",
    args: ["[LINK]"],
    flags: ["output", "explain", "fail-on"],
    help: "find out what is wrong with this host, a link as a parent, and the networks",
    more:
      `Sends nothing and changes nothing; works without a daemon, and without root as far as that goes. Exits with ` +
      `${EXIT.findings} when something fails. Without LINK it looks at all networks, or at the link of the default route.`,
    run: doctor,
  },
];
