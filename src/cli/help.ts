import { EXIT, EXIT_MEANINGS } from "./exit.ts";
import { COMMON_FLAGS, COMMON_SETTINGS, flagsOf, type KnownFlag } from "./flags.ts";
import type { Verb } from "./verb.ts";

/** Help as text, made of the tables of verbs, flags and exit codes. */

export function overview(verbs: readonly Verb[]): string {
  const noun =
    verbs.length > 0 && verbs.every((verb) => verb.words.includes(" ")) ? verbs[0]?.words.split(" ")[0] : "";
  const exits = Object.entries(EXIT).map(([name, code]): [string, string] => [
    String(code),
    EXIT_MEANINGS[name as keyof typeof EXIT],
  ]);
  return [
    `Usage: underlay ${noun ? `${noun} ` : "[NOUN] "}VERB [flags]\n`,
    "Attaches containers directly to the networks that this host is on.\n",
    `Verbs:\n${rows(verbs.map((verb) => [usageOf(verb), verb.help]))}`,
    `Flags of every verb:\n${rows(flagsOf({}).map(flagRow))}`,
    `Exit codes:\n${rows(exits)}`,
    "`underlay help VERB` tells more about one.\n",
  ].join("\n");
}

export function verbHelp(verb: Verb): string {
  const isCommon = ({ target }: KnownFlag) =>
    target.kind === "flag" ? COMMON_FLAGS.includes(target.name) : COMMON_SETTINGS.includes(target.key);
  const flags = flagsOf(verb);
  const own = flags.filter((flag) => !isCommon(flag));
  return [
    `Usage: underlay ${usageOf(verb)} [flags]\n`,
    `${verb.help}\n${verb.more ? `\n${verb.more}\n` : ""}`,
    ...(own.length > 0 ? [`Flags:\n${rows(own.map(flagRow))}`] : []),
    `Flags of every verb:\n${rows(flags.filter(isCommon).map(flagRow))}`,
    ...(verb.aliases ? [`Also: ${verb.aliases.map((alias) => `underlay ${alias}`).join(", ")}\n`] : []),
  ].join("\n");
}

export function usageOf(verb: Verb): string {
  return [verb.words, ...(verb.args ?? [])].join(" ");
}

function flagRow({ short, long, takes, help }: KnownFlag): [string, string] {
  const name = `${short ? `-${short}, ` : "    "}${long}`;
  return [takes ? `${name} ${takes}` : name, help];
}

function rows(pairs: readonly (readonly [string, string])[]): string {
  const width = Math.max(...pairs.map(([left]) => left.length));
  return pairs.map(([left, right]) => `  ${left.padEnd(width)}  ${right}\n`).join("");
}
