import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type Problem, problemsError } from "../lib/errors.ts";
import { didYouMean } from "../lib/nearest.ts";
import { word } from "../lib/quote.ts";
import {
  envOf,
  flagOf,
  isSettingKey,
  SETTING_KEYS,
  SETTINGS,
  type SettingKey,
  type Values,
} from "./settings.ts";

export const CONFIG_DIR = "/etc/underlay";

export interface Origin {
  readonly from: "default" | "file" | "env" | "flag";
  /** `/etc/underlay/underlay.toml:12`, `UNDERLAY_LOG_LEVEL`, `--log-level`. */
  readonly where: string;
}

export interface Config {
  readonly values: Values;
  /** Each setting as its text, with where it was said; unset ones are not there. */
  readonly settings: ReadonlyMap<SettingKey, { readonly text: string; readonly origin: Origin }>;
  /** What is odd but harmless; the daemon logs it. */
  readonly warnings: readonly string[];
  /** Those that were read, in that order. */
  readonly files: readonly string[];
}

export interface ConfigSources {
  /** Texts of the flags that were given. */
  readonly flags: ReadonlyMap<SettingKey, string>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `--config`: this file instead of those in `dir`. */
  readonly file?: string | undefined;
  /** Has `underlay.toml` and `conf.d/*.toml`; either may be missing. */
  readonly dir?: string;
}

interface Said {
  readonly key: string;
  readonly text: string;
  readonly origin: Origin;
}

/** Read from the environment by other parts: not ours to judge. */
const OTHER_ENV = ["UNDERLAY_CONFIG", "UNDERLAY_DEBUG", "UNDERLAY_FAULT"];

/**
 * Files, then environment, then flags; the last one who says a key wins, but all that was said must be right.
 * Throws `invalid_option` with every problem and its place, `not_found` or `permission` for a file.
 */
export async function loadConfig(sources: ConfigSources): Promise<Config> {
  const paths = configFiles(sources);
  const files = await readFiles(paths);
  const said: readonly Said[] = [
    ...defaults(),
    ...files.said,
    ...fromEnv(sources.env),
    ...fromFlags(sources.flags),
  ];
  const problems = [...files.problems];
  const settings = new Map<SettingKey, { readonly text: string; readonly origin: Origin }>();
  const values: Partial<Record<SettingKey, unknown>> = {};

  for (const { key, text, origin } of said) {
    if (!isSettingKey(key)) {
      const message = `${origin.where}: unknown key ${word(key)}${didYouMean(key.slice(0, 64), SETTING_KEYS)}`;
      problems.push({ subject: key, message });
      continue;
    }
    const reading = SETTINGS[key].read(text);
    if ("problem" in reading) {
      const place = origin.from === "file" ? `${origin.where}: ${key}` : origin.where;
      problems.push({ subject: key, message: `${place}: ${reading.problem}` });
      continue;
    }
    values[key] = reading.value;
    settings.set(key, { text, origin });
  }
  if (problems.length > 0) throw problemsError("invalid_option", problems);
  // Every needed key has a default, and each key's own reader made its value: that is what Values says.
  return {
    values: values as Values,
    settings,
    warnings: strangeEnv(sources.env),
    files: paths,
  };
}

function configFiles({ file, dir = CONFIG_DIR, env }: ConfigSources): string[] {
  const chosen = file ?? env["UNDERLAY_CONFIG"];
  if (chosen) return [chosen];
  const main = join(dir, "underlay.toml");
  const parts = join(dir, "conf.d");
  const names = existsSync(parts) ? readdirSync(parts).filter((name) => name.endsWith(".toml")) : [];
  return [...(existsSync(main) ? [main] : []), ...names.sort().map((name) => join(parts, name))];
}

async function readFiles(paths: readonly string[]): Promise<{ said: Said[]; problems: Problem[] }> {
  const result: { said: Said[]; problems: Problem[] } = { said: [], problems: [] };
  if (paths.length === 0) return result;
  const { readTomlFile } = await import("./toml.ts");
  for (const path of paths) {
    const { entries, problems } = readTomlFile(path);
    for (const { key, text, line } of entries)
      result.said.push({ key, text, origin: { from: "file", where: `${path}:${line}` } });
    for (const { line, problem } of problems)
      result.problems.push({ subject: path, message: `${path}:${line}: ${problem}` });
  }
  return result;
}

function defaults(): Said[] {
  return SETTING_KEYS.flatMap((key) => {
    const text = SETTINGS[key].fallback;
    return text === undefined ? [] : [{ key, text, origin: { from: "default", where: "default" } }];
  });
}

/** An empty variable says nothing: that is how units and shells unset one. */
function fromEnv(env: ConfigSources["env"]): Said[] {
  return SETTING_KEYS.flatMap((key) => {
    const where = envOf(key);
    const text = env[where];
    return text ? [{ key, text, origin: { from: "env", where } }] : [];
  });
}

function fromFlags(flags: ConfigSources["flags"]): Said[] {
  return [...flags].map(([key, text]) => ({ key, text, origin: { from: "flag", where: flagOf(key) } }));
}

/** Only warned about: the environment is shared, and a variable may be meant for a newer version. */
function strangeEnv(env: ConfigSources["env"]): string[] {
  const known = [...SETTING_KEYS.map(envOf), ...OTHER_ENV];
  return Object.keys(env)
    .filter((name) => name.startsWith("UNDERLAY_") && !known.includes(name))
    .map((name) => `environment variable ${word(name)} is not known${didYouMean(name.slice(0, 64), known)}`);
}
