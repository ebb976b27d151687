import type { Problem } from "./errors.ts";
import { didYouMean } from "./nearest.ts";
import { quote, word } from "./quote.ts";

/**
 * Options of `docker network create -o key=value` as tables: one row an option. Reading them never stops at the
 * first problem, and what no row knows is an error: Docker's own drivers swallow both.
 */

export type Reading<Value> = { readonly value: Value } | { readonly problem: string };

export interface Option<Value> {
  /** Other spellings, of the same meaning. */
  readonly aliases?: readonly string[];
  /** Says what would be right when the text is wrong; the message names the option itself. */
  readonly read: (text: string) => Reading<Value>;
  /** Why this version refuses a good value; undefined when it does not. */
  readonly notYet?: (value: Value) => string | undefined;
}

// A method's parameter is bivariant: rows of different values stand in one table.
interface AnyOption {
  readonly aliases?: readonly string[];
  read(text: string): Reading<unknown>;
  notYet?(value: unknown): string | undefined;
}

export type OptionTable = Readonly<Record<string, AnyOption>>;

export type OptionValues<Table extends OptionTable> = {
  readonly [Name in keyof Table]?: ReturnType<Table[Name]["read"]> extends Reading<infer Value>
    ? Value
    : never;
};

export interface ReadOptions<Table extends OptionTable> {
  readonly values: OptionValues<Table>;
  readonly problems: readonly Problem[];
  /** Problems that a later version will not have. */
  readonly notYet: readonly Problem[];
}

interface Given {
  readonly name: string;
  readonly key: string;
  readonly text: string;
}

/** Reads every option of the map by the table; unknown keys, contradictions and bad values are all reported. */
export function readOptions<Table extends OptionTable>(
  table: Table,
  options: Readonly<Record<string, string>>,
): ReadOptions<Table> {
  const names = namesOf(table);
  const problems: Problem[] = [];
  const notYet: Problem[] = [];
  const values: Record<string, unknown> = {};
  const given = new Map<string, Given>();

  for (const [key, text] of Object.entries(options)) {
    const name = names.get(key);
    if (name === undefined) {
      problems.push({
        subject: key,
        message: `unknown option ${word(key)}${didYouMean(key.slice(0, 64), names.keys())}`,
      });
      continue;
    }
    const before = given.get(name);
    if (before !== undefined && before.text !== text)
      problems.push(contradiction(before, { name, key, text }));
    if (before === undefined) given.set(name, { name, key, text });
  }
  for (const { name, key, text } of given.values()) {
    const option = table[name];
    if (option === undefined) continue;
    const reading = option.read(text);
    if ("problem" in reading) {
      problems.push({ subject: key, message: `${key}: ${reading.problem}` });
      continue;
    }
    const later = option.notYet?.(reading.value);
    if (later === undefined) values[name] = reading.value;
    else notYet.push({ subject: key, message: `${key}: ${later}` });
  }
  // The table's own readers made the values, key by key: that is what OptionValues says.
  return { values: values as OptionValues<Table>, problems, notYet };
}

function namesOf(table: OptionTable): ReadonlyMap<string, string> {
  const pairs = Object.entries(table).flatMap(([name, option]) =>
    [name, ...(option.aliases ?? [])].map((key) => [key, name] as const),
  );
  return new Map(pairs);
}

function contradiction(one: Given, other: Given): Problem {
  const both = `${one.key}=${word(one.text)} and ${other.key}=${word(other.text)}`;
  return {
    subject: one.name,
    message: `${both} are the same option with different values; give one of them`,
  };
}

/** One of a closed set of words. The set is listed when the text is none of them. */
export function oneOf<Word extends string>(words: readonly Word[]): (text: string) => Reading<Word> {
  return (text) => {
    const value = words.find((candidate) => candidate === text);
    if (value !== undefined) return { value };
    return {
      problem: `${quote(text)} is none of ${words.join(", ")}${didYouMean(text.slice(0, 64), words)}`,
    };
  };
}

/** A decimal number, without sign or unit, within the bounds (both included). */
export function wholeNumber(least: number, most: number, what: string): (text: string) => Reading<number> {
  return (text) => {
    const value = /^(0|[1-9]\d{0,9})$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return { value };
    return { problem: `${quote(text)} is no ${what} from ${least} to ${most}` };
  };
}

/** Words with commas between them; blanks around them are dropped. */
export function commaList(text: string): Reading<readonly string[]> {
  const words = text.split(",").map((word) => word.trim());
  if (words.includes("")) return { problem: `${quote(text)} has an empty word in its list` };
  return { value: [...new Set(words)] };
}

export const yesOrNo = oneOf(["false", "true"]);

/** Docker has read and checked the value already. */
export function anyText(text: string): Reading<string> {
  return { value: text };
}
