import { flagOf, SETTING_KEYS, SETTINGS, type SettingKey } from "../daemon/settings.ts";

export const LIST_FORMATS = ["table", "wide", "json", "jsonl", "yaml", "name"] as const;

export interface Flag {
  readonly short?: string;
  /** The word for its value in help; absent for a flag that is on or off. */
  readonly takes?: string;
  /** All values that it can have, when they are few. */
  readonly values?: readonly string[];
  readonly help: string;
}

/** Flags of the CLI; a name means the same with every verb. */
export const FLAGS = {
  output: {
    short: "o",
    takes: "FORMAT",
    values: LIST_FORMATS,
    help: "table, json, jsonl or yaml; of a list also wide or name",
  },
  quiet: { short: "q", help: "print ids only" },
  "no-trunc": { help: "print ids whole" },
  noheading: { help: "print no heading over the columns" },
  filter: { short: "f", takes: "KEY=VALUE", help: "show only what fits; different keys must all fit" },
  sort: { takes: "KEY", help: "order by this; with a - before it the other way round" },
  "dry-run": { help: "say what would be done and do nothing" },
  apply: { help: "do it, for networks that no container uses" },
  docker: { help: "also ask dockerd, and drop what it does not know any more" },
  explain: { takes: "ID", help: "say what a finding means, such as UL-P06; asks nobody" },
  active: { help: "send a few frames as well, to know whether foreign MAC addresses pass" },
  probe: { takes: "ADDRESS", help: "ask this neighbour of LINK instead of its default gateway" },
  "fail-on": {
    takes: "SEVERITY",
    values: ["fail", "warn"],
    help: "exit with 8 from this on: fail (as if nothing is given) or warn",
  },
  origin: { help: "say where each value comes from" },
  prefix: { takes: "DIR", help: "where programs go: bin and share below it; /usr/local unless told" },
  root: { takes: "DIR", help: "the host's root; when it is not / nothing is started or stopped" },
  "bin-dir": { takes: "DIR", help: "where the runtime looks for CNI plugins; /opt/cni/bin unless told" },
  plugins: { takes: "NAMES", help: "only these CNI plugins, parted by commas" },
  yes: { short: "y", help: "do not ask" },
  color: { takes: "WHEN", values: ["auto", "always", "never"], help: "auto, always or never" },
  config: { takes: "FILE", help: "read this file instead of /etc/underlay/underlay.toml and conf.d" },
  help: { short: "h", help: "say how the verb is used" },
} as const satisfies Readonly<Record<string, Flag>>;

export type FlagName = keyof typeof FLAGS;

/** Understood by every verb, with the settings that tell where the daemon is. */
export const COMMON_FLAGS: readonly FlagName[] = ["color", "config", "help"];
export const COMMON_SETTINGS: readonly SettingKey[] = ["state_dir", "run_dir"];

export type Target =
  | { readonly kind: "flag"; readonly name: FlagName }
  | { readonly kind: "setting"; readonly key: SettingKey };

export interface KnownFlag extends Flag {
  /** `--output`. */
  readonly long: string;
  readonly target: Target;
}

const ownFlags = Object.entries(FLAGS).map(
  ([name, flag]): KnownFlag => ({
    ...flag,
    long: `--${name}`,
    // Object.entries forgets that its keys are those of the table.
    target: { kind: "flag", name: name as FlagName },
  }),
);

const settingFlags = SETTING_KEYS.map((key): KnownFlag => {
  const { takes, values = [], help } = SETTINGS[key];
  return { long: flagOf(key), takes, values, help, target: { kind: "setting", key } };
});

export const ALL_FLAGS: readonly KnownFlag[] = [...ownFlags, ...settingFlags];

/** The flags of a verb that names these, with the common ones: first its own. */
export function flagsOf(verb: {
  readonly flags?: readonly FlagName[];
  readonly settings?: readonly SettingKey[];
}): KnownFlag[] {
  const names = [...(verb.flags ?? []), ...COMMON_FLAGS];
  const keys = new Set([...COMMON_SETTINGS, ...(verb.settings ?? [])]);
  return ALL_FLAGS.filter(({ target }) =>
    target.kind === "flag" ? names.includes(target.name) : keys.has(target.key),
  );
}
