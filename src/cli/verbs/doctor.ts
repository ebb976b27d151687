import type { Condition } from "../../conditions/condition.ts";
import { conditionOf } from "../../conditions/judge.ts";
import { block } from "../../conditions/render.ts";
import type { Body, FindingBody } from "../../daemon/api.ts";
import { formatIp, type Ip, isUnspecified, parseIp } from "../../lib/ip.ts";
import { quote } from "../../lib/quote.ts";
import { usageError } from "../args.ts";
import type { Active } from "../doctor/probe.ts";
import { EXIT } from "../exit.ts";
import type { Env, Io } from "../io.ts";
import { formatOf, jsonOf, ONE_FORMATS, paintOf } from "../output.ts";
import { clean, type Paint, type Style } from "../table.ts";
import type { Call, Verb } from "../verb.ts";

type Diagnosis = Body<"underlay.doctor/v1">;

async function doctor(call: Call): Promise<number> {
  const { given, env, io } = call;
  const format = formatOf(given, ONE_FORMATS);
  const paint = paintOf(given, env, io.stdoutIsTty);
  const failOn = failOnOf(given);
  const id = given.flags.get("explain")?.at(-1);
  if (id !== undefined) {
    const condition = conditionOf(id);
    io.stdout(jsonOf(format, conditionBody(condition)) ?? explanation(condition));
    return EXIT.done;
  }
  const active = activeOf(call, format);
  const { values } = await call.config();
  const { diagnose } = await import("../doctor/diagnose.ts");
  const diagnosis = await diagnose(values, call.args[0], active);
  io.stdout(jsonOf(format, diagnosis) ?? screen(diagnosis, paint, isAscii(env)));
  return diagnosis.findings.some(({ severity }) => failOn.includes(severity)) ? EXIT.findings : EXIT.done;
}

function activeOf({ given: { flags }, args, io }: Call, format: string): Active | undefined {
  const text = flags.get("probe")?.at(-1);
  if (text !== undefined && (!flags.has("active") || args[0] === undefined))
    throw usageError("--probe tells whom --active asks: underlay doctor LINK --active --probe ADDRESS");
  if (!flags.has("active")) return undefined;
  const target = text === undefined ? undefined : targetOf(text);
  const notice = noticeOn(io, format);
  return {
    ...(target && { target }),
    onSend: (parent, ip, foreign) =>
      notice(
        `sending frames by ${parent}: who has ${formatIp(ip)}? from its own MAC address and from ${foreign}, ` +
          "which switches forget in time",
      ),
    onUnsent: (parent, reason) => notice(`nothing was sent by ${parent}: ${reason}`),
  };
}

/** One host's address: not all of them, nor a group. */
function targetOf(text: string): Ip {
  const ip = parseIp(text);
  const [first = 0] = ip?.bytes ?? [];
  const isGroup = ip?.family === 4 ? first >= 224 : first === 0xff;
  if (ip === undefined || isGroup || isUnspecified(ip))
    throw usageError(`--probe: ${quote(text)} is no address of a neighbour`);
  return ip;
}

/** What is done, beside what is found: for a program as JSON. */
function noticeOn(io: Io, format: string): (message: string) => void {
  const isJson = format.startsWith("json");
  return (message) =>
    io.stderr(isJson ? `${JSON.stringify({ notice: { message } })}\n` : `underlay: ${clean(message)}\n`);
}

const FAIL_ON: Readonly<Record<string, readonly FindingBody["severity"][]>> = {
  fail: ["fail"],
  warn: ["fail", "warn"],
};

/** Severities from which on a check exits with 8. Throws `invalid_option`. */
export function failOnOf({ flags }: Call["given"]): readonly FindingBody["severity"][] {
  const text = flags.get("fail-on")?.at(-1) ?? "fail";
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
  return [...findings, ...probeLines(diagnosis), ...skipLines(diagnosis), summary(diagnosis)].join("");
}

const STYLES: Readonly<Record<FindingBody["severity"], Style>> = { fail: "red", warn: "yellow", info: "dim" };

function findingText(finding: FindingBody, paint: Paint, ascii: boolean): string {
  const [head = "", ...rest] = block(finding, { ascii }).split("\n");
  const more = `  more    underlay doctor --explain ${finding.id}`;
  return [paint(STYLES[finding.severity], head), ...rest, more].join("\n");
}

const VERDICTS: Readonly<Record<Diagnosis["probes"][number]["verdict"], string>> = {
  passes: "foreign MAC addresses pass",
  dropped: "foreign MAC addresses are dropped",
  silent: "no answer to any MAC address",
  unproven: "an answer only to who has an address",
};

function probeLines({ probes }: Diagnosis): string[] {
  return probes.map(
    ({ parent, target, verdict }) => `asked ${target} by ${clean(parent)}: ${VERDICTS[verdict]}\n`,
  );
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
    flags: ["output", "explain", "active", "probe", "fail-on"],
    help: "find out what is wrong with this host, a link as a parent, and the networks",
    more:
      `Sends nothing and changes nothing; works without a daemon, and without root as far as that goes. Exits with ` +
      `${EXIT.findings} when something fails. Without LINK it looks at all networks, or at the link of the default route. ` +
      "With --active it also asks the gateway for its MAC address, by the parent's own and by a foreign one: up to nine " +
      "ARP or neighbour discovery frames, for which it must be root. An answer to the first alone means that containers " +
      "are not heard.",
    run: doctor,
  },
];
