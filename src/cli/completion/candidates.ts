import { ALL_FLAGS, flagsOf, type KnownFlag } from "../flags.ts";
import { isRepeated, type Verb } from "../verb.ts";
import { PLACES } from "./shells.ts";

/** What could be typed next, from the tables of verbs, flags and settings. */

export interface Candidate {
  readonly word: string;
  readonly help: string;
}

/** Lines for the shell: `word TAB help`, or one of PLACES. */
export type Answer = readonly Candidate[] | (typeof PLACES)[keyof typeof PLACES];

/**
 * Candidates for an argument or value by its name in the tables: NETWORK. `before`: the arguments that stand before it.
 * Never rejects.
 */
export type Names = (name: string, before: readonly string[]) => Promise<readonly Candidate[]>;

const FILES: Readonly<Record<string, Answer>> = {
  FILE: PLACES.files,
  PATH: PLACES.files,
  DIR: PLACES.dirs,
  "FOLDER...": PLACES.dirs,
};

/** `words` are all after the program's own name; the last one, which may be empty, is being typed. */
export async function candidates(
  words: readonly string[],
  verbs: readonly Verb[],
  names: Names,
): Promise<Answer> {
  const current = words.at(-1) ?? "";
  const { plain, pending } = read(words.slice(0, -1));
  if (pending !== undefined) return begun(current, await valuesOf(pending, names));
  const [, flag, eager] = /^(--[^=]+=)(.*)$/s.exec(current) ?? [];
  if (flag !== undefined) return valuesBehind(flag, eager ?? "", names);
  if (current.startsWith("-")) return begun(current, flagsFor(plain, verbs));
  const argument = await argumentAfter(plain, verbs, names);
  return begun(current, typeof argument === "string" ? argument : [...wordsAfter(plain, verbs), ...argument]);
}

function begun(current: string, answer: Answer): Answer {
  if (typeof answer === "string") return answer;
  return answer.filter(({ word }) => word.startsWith(current));
}

/** As `parseArgs`, but nothing is an error yet; `pending` is a flag whose value comes next. */
function read(before: readonly string[]): { plain: string[]; pending: KnownFlag | undefined } {
  const plain: string[] = [];
  let pending: KnownFlag | undefined;
  for (const word of before) {
    // bash makes a word of the sign.
    if (pending !== undefined && word === "=") continue;
    if (pending === undefined && word.startsWith("-")) {
      pending = flagWithoutValue(word);
      continue;
    }
    if (pending === undefined) plain.push(word);
    pending = undefined;
  }
  return { plain, pending };
}

function flagWithoutValue(word: string): KnownFlag | undefined {
  const last = word.at(-1) ?? "";
  const flag = ALL_FLAGS.find(({ long, short }) => (word.startsWith("--") ? long === word : short === last));
  return flag?.takes === undefined ? undefined : flag;
}

/** `--output=js`: zsh and fish complete the whole word. */
async function valuesBehind(flag: string, begin: string, names: Names): Promise<Answer> {
  const known = ALL_FLAGS.find(({ long }) => `${long}=` === flag);
  if (known === undefined) return [];
  const values = begun(begin, await valuesOf(known, names));
  return typeof values === "string"
    ? values
    : values.map(({ word, help }) => ({ word: `${flag}${word}`, help }));
}

async function valuesOf({ takes = "", values = [] }: KnownFlag, names: Names): Promise<Answer> {
  if (values.length > 0) return values.map((word) => ({ word, help: "" }));
  return FILES[takes] ?? (await names(takes, []));
}

function flagsFor(plain: readonly string[], verbs: readonly Verb[]): Candidate[] {
  const verb = verbOf(plain, verbs);
  return flagsOf(verb ?? {}).map(({ long, help }) => ({ word: long, help }));
}

function verbOf(plain: readonly string[], verbs: readonly Verb[]): Verb | undefined {
  const fits = (names: string) => names.split(" ").every((word, i) => plain[i] === word);
  return verbs.find(({ words, aliases = [] }) => [words, ...aliases].some(fits));
}

/** The next word of the verbs that begin so: a noun, or a verb of that noun. */
function wordsAfter(plain: readonly string[], verbs: readonly Verb[]): Candidate[] {
  const [first, ...rest] = plain;
  if (first === "help") return wordsAfter(rest, verbs).filter(({ word }) => word !== "help");
  const found = new Map<string, string[]>();
  for (const { words, help } of verbs) {
    const parts = words.split(" ");
    const next = parts[plain.length];
    if (next === undefined || plain.some((word, i) => word !== parts[i])) continue;
    found.set(next, [
      ...(found.get(next) ?? []),
      parts.length > plain.length + 1 ? (parts.at(-1) ?? "") : help,
    ]);
  }
  const help = plain.length === 0 ? [{ word: "help", help: "tell how a verb is used" }] : [];
  return [...[...found].map(([word, texts]) => ({ word, help: texts.join(", ") })), ...help];
}

async function argumentAfter(
  plain: readonly string[],
  verbs: readonly Verb[],
  names: Names,
): Promise<Answer> {
  const verb = verbOf(plain, verbs);
  if (verb === undefined || plain[0] === "help") return [];
  const { args = [], words } = verb;
  const before = plain.slice(words.split(" ").length);
  const name = args[before.length] ?? args.find(isRepeated);
  if (name === undefined) return [];
  const plainName = name.replace(/^\[|\]$/g, "");
  return FILES[plainName] ?? (await names(plainName, before));
}

export function answerLines(answer: Answer): string {
  if (typeof answer === "string") return `${answer}\n`;
  // A tab or a line feed of a name would be the shell's.
  const plain = (text: string) => text.replace(/[\p{Cc}\u2028\u2029]/gu, "?");
  return answer.map(({ word, help }) => `${plain(word)}\t${plain(help)}\n`).join("");
}
