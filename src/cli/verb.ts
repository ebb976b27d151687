import type { Config } from "../daemon/config.ts";
import type { SettingKey } from "../daemon/settings.ts";
import type { Given } from "./args.ts";
import type { Source } from "./client.ts";
import type { FlagName } from "./flags.ts";
import type { Env, Io } from "./io.ts";

/** Everything that a verb works with. */
export interface Call {
  readonly given: Given;
  /** The words after the verb, as many as it has `args`; more only of one that is repeated. */
  readonly args: readonly string[];
  readonly env: Env;
  readonly io: Io;
  /** Reads files, environment and flags. Throws what `loadConfig` throws; verbs that need no setting work without. */
  config(): Promise<Config>;
  /** Milliseconds since 1970. */
  readonly now: number;
  /**
   * Asks the daemon, or the records when none runs and there are some; that is said on stderr.
   * `fromRecords` tells which it was.
   */
  ask<Answer>(
    question: (source: Source) => Promise<Answer>,
  ): Promise<{ answer: Answer; fromRecords: boolean }>;
}

/** A line of the verb table: dispatch, help, completion and man pages are made of it. */
export interface Verb {
  /** `network ls`, `status`. */
  readonly words: string;
  readonly aliases?: readonly string[];
  /** Names of its arguments; one in brackets may be left out, and the last, with three dots, repeated. */
  readonly args?: readonly string[];
  readonly flags?: readonly FlagName[];
  /** Settings that it takes as flags besides the common ones. */
  readonly settings?: readonly SettingKey[];
  readonly help: string;
  /** More than one line, for `help VERB`. */
  readonly more?: string;
  /** The exit code. Throws our error. */
  readonly run: (call: Call) => Promise<number>;
}

/** Whether the argument, `[NETWORK...]` or `ADDRESS...`, stands for as many words as one likes. */
export function isRepeated(arg: string): boolean {
  return /\.\.\.\]?$/.test(arg);
}
