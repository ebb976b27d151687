import type { SettingKey } from "../daemon/settings.ts";
import { UnderlayError } from "../lib/errors.ts";
import { didYouMean } from "../lib/nearest.ts";
import { word } from "../lib/quote.ts";
import { ALL_FLAGS, type FlagName, type KnownFlag } from "./flags.ts";

/** What was typed, taken apart; which verb it is and whether the flags fit is judged later. */
export interface Given {
  /** Noun, verb and arguments, without flags. */
  readonly words: readonly string[];
  /** Values in the order given; a flag that is on has one empty value. */
  readonly flags: ReadonlyMap<FlagName, readonly string[]>;
  readonly settings: ReadonlyMap<SettingKey, string>;
  /** Every flag that was given, by its long name. */
  readonly used: readonly KnownFlag[];
}

export function usageError(message: string): UnderlayError {
  return new UnderlayError("invalid_option", message);
}

/**
 * `--name value`, `--name=value`, `-n value`, `-nvalue`, `-n=value`, `-ab`; flags may stand anywhere, `--` ends them.
 * Throws `invalid_option` for an unknown flag (with the nearest one) and for a missing or needless value.
 */
export function parseArgs(argv: readonly string[]): Given {
  const words: string[] = [];
  const flags = new Map<FlagName, string[]>();
  const settings = new Map<SettingKey, string>();
  const used: KnownFlag[] = [];

  const note = (flag: KnownFlag, value: string) => {
    used.push(flag);
    if (flag.target.kind === "setting") settings.set(flag.target.key, value);
    else flags.set(flag.target.name, [...(flags.get(flag.target.name) ?? []), value]);
  };

  for (let i = 0; i < argv.length; i++) {
    const arg = argv[i] ?? "";
    if (arg === "--") {
      words.push(...argv.slice(i + 1));
      break;
    }
    if (!arg.startsWith("-") || arg === "-") {
      words.push(arg);
      continue;
    }
    for (const { flag, value } of arg.startsWith("--") ? [readLong(arg)] : readShort(arg)) {
      if (flag.takes === undefined || value !== undefined) {
        note(flag, value ?? "");
        continue;
      }
      const next = argv[++i];
      if (next === undefined) throw usageError(`${arg} needs a value: ${flag.long} ${flag.takes}`);
      note(flag, next);
    }
  }
  return { words, flags, settings, used };
}

interface Read {
  readonly flag: KnownFlag;
  readonly value: string | undefined;
}

function readLong(arg: string): Read {
  const [, name = arg, , value] = /^([^=]+)(=(.*))?$/s.exec(arg) ?? [];
  const flag = ALL_FLAGS.find(({ long }) => long === name);
  if (!flag) {
    const known = ALL_FLAGS.map(({ long }) => long);
    throw usageError(`unknown flag ${word(name)}${didYouMean(name.slice(0, 64), known)}`);
  }
  if (flag.takes === undefined && value !== undefined) throw usageError(`${flag.long} takes no value`);
  return { flag, value };
}

/** A cluster: `-qo json` is `-q -o json`. The first that takes a value takes the rest. */
function readShort(arg: string): Read[] {
  const read: Read[] = [];
  for (let i = 1; i < arg.length; i++) {
    const flag = ALL_FLAGS.find(({ short }) => short === arg[i]);
    if (!flag) {
      const known = ALL_FLAGS.flatMap(({ short, long }) => (short ? [`-${short} (${long})`] : [])).join(", ");
      throw usageError(`unknown flag -${word(arg[i] ?? "")}; short ones are ${known}`);
    }
    if (flag.takes !== undefined) {
      const rest = arg.slice(i + 1).replace(/^=/, "");
      return [...read, { flag, value: rest === "" ? undefined : rest }];
    }
    read.push({ flag, value: undefined });
  }
  return read;
}
