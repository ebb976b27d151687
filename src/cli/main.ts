import { errorBody } from "../daemon/admin.ts";
import { loadConfig } from "../daemon/config.ts";
import { type OldKind, oldPluginArgs } from "../daemon/old-plugins.ts";
import { asUnderlayError, type UnderlayError } from "../lib/errors.ts";
import { didYouMean } from "../lib/nearest.ts";
import { word } from "../lib/quote.ts";
import { type Given, parseArgs, usageError } from "./args.ts";
import { daemonClient, type Source } from "./client.ts";
import { COMPLETE } from "./completion/shells.ts";
import { EXIT, exitCodeOf } from "./exit.ts";
import { flagsOf } from "./flags.ts";
import { overview, usageOf, verbHelp } from "./help.ts";
import type { Env, Io } from "./io.ts";
import { fixOf, wantsJson } from "./output.ts";
import { clean } from "./table.ts";
import { type Call, isRepeated, type Verb } from "./verb.ts";
import { findVerb, VERBS } from "./verbs.ts";

/**
 * Runs one command line (without argv0) and resolves with its exit code. Data goes to stdout, all else to stderr;
 * with `-o json` errors are JSON too. Never rejects.
 */
export function runCli(argv: readonly string[], env: Env, io: Io): Promise<number> {
  return reporting(argv, io, () => run(argv, env, io));
}

/** The same for the command line of an old Docker plugin, which starts a daemon with its kind's defaults. */
export function runOldPlugin(kind: OldKind, argv: readonly string[], env: Env, io: Io): Promise<number> {
  return reporting(argv, io, () => run(oldPluginArgs(kind, argv), env, io));
}

async function reporting(argv: readonly string[], io: Io, work: () => Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (thrown) {
    const error = asUnderlayError(thrown);
    io.stderr(wantsJson(argv) ? `${JSON.stringify(errorBody(error, fixOf(error)))}\n` : errorText(error));
    return exitCodeOf(error.code);
  }
}

async function run(argv: readonly string[], env: Env, io: Io): Promise<number> {
  if (argv[0] === "--version") return run(["version", ...argv.slice(1)], env, io);
  if (argv[0] === COMPLETE) {
    const { complete } = await import("./completion/complete.ts");
    return complete(argv.slice(1), env, io);
  }
  const given = parseArgs(argv);
  const help = helpText(given);
  if (help !== undefined) {
    io.stdout(help);
    return EXIT.done;
  }
  const { verb, rest } = findVerb(given.words);
  checkFlags(verb, given);
  checkArgs(verb, rest);
  const file = given.flags.get("config")?.at(-1);
  const json = wantsJson(argv);
  const call: Call = {
    given,
    args: rest,
    env,
    io,
    now: Date.now(),
    config: () => loadConfig({ flags: given.settings, env, file }),
    ask: (question) => ask(call, json, question),
  };
  return verb.run(call);
}

/** `underlay`, `underlay help [NOUN] [VERB]` and `… --help`; undefined when something is to be done. */
function helpText({ words, flags }: Given): string | undefined {
  const about = words[0] === "help" ? words.slice(1) : words;
  if (words[0] !== "help" && words.length > 0 && !flags.has("help")) return undefined;
  if (about.length === 0) return overview(VERBS);
  const ofNoun = VERBS.filter((verb) => verb.words.startsWith(`${about[0]} `));
  if (about.length === 1 && ofNoun.length > 0) return overview(ofNoun);
  return verbHelp(findVerb(about).verb);
}

function checkFlags(verb: Verb, given: Given): void {
  const known = flagsOf(verb).map(({ long }) => long);
  const strange = given.used.find(({ long }) => !known.includes(long));
  if (!strange) return;
  const hint = didYouMean(strange.long, known);
  throw usageError(
    `underlay ${verb.words} has no flag ${strange.long}${hint} (see \`underlay help ${verb.words}\`)`,
  );
}

function checkArgs(verb: Verb, rest: readonly string[]): void {
  const wanted = verb.args ?? [];
  const missing = wanted[rest.length];
  if (missing !== undefined && !isOptional(missing))
    throw usageError(`${missing.replace("...", "")} is missing: underlay ${usageOf(verb)}`);
  const repeated = wanted.find(isRepeated);
  const empty = rest.includes("") ? (wanted[rest.indexOf("")] ?? repeated) : undefined;
  if (empty !== undefined) throw usageError(`${empty} is empty: underlay ${usageOf(verb)}`);
  const extra = repeated === undefined ? rest[wanted.length] : undefined;
  if (extra !== undefined) throw usageError(`${word(extra)} is too much: underlay ${usageOf(verb)}`);
}

/** `[LINK]`: may be left out, and then stands last. */
function isOptional(arg: string): boolean {
  return arg.startsWith("[");
}

/** The daemon first; when none runs, the records, and stderr says so. */
async function ask<Answer>(
  { config, io }: Call,
  json: boolean,
  question: (source: Source) => Promise<Answer>,
): Promise<{ answer: Answer; fromRecords: boolean }> {
  const { run_dir, state_dir } = (await config()).values;
  try {
    return { answer: await question(daemonClient(run_dir)), fromRecords: false };
  } catch (thrown) {
    const error = asUnderlayError(thrown);
    const { hasRecords, offlineSource } = await import("./offline.ts");
    if (error.code !== "unreachable" || !hasRecords(state_dir)) throw error;
    const answer = await question(offlineSource(state_dir, error));
    const message = `${error.message}; this is what the records in ${state_dir} say`;
    io.stderr(
      json
        ? `${JSON.stringify({ warning: { code: error.code, message } })}\n`
        : `underlay: ${clean(message)}\n`,
    );
    return { answer, fromRecords: true };
  }
}

function errorText(error: UnderlayError): string {
  const fix = fixOf(error);
  const lines =
    error.problems.length > 1
      ? [`${error.problems.length} problems:`, ...error.problems.map(({ message }) => `  ${message}`)]
      : [error.message];
  if (fix !== undefined) lines.push(`try: ${fix}`);
  return lines.map((line, i) => `${i === 0 ? "underlay: " : ""}${clean(line)}\n`).join("");
}
