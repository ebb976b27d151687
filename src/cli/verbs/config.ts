import { CONFIG_DIR, type Config } from "../../daemon/config.ts";
import { SETTING_KEYS } from "../../daemon/settings.ts";
import { EXIT } from "../exit.ts";
import { formatOf, jsonOf, ONE_FORMATS } from "../output.ts";
import { clean } from "../table.ts";
import type { Call, Verb } from "../verb.ts";

async function show(call: Call): Promise<number> {
  const { given, io } = call;
  const format = formatOf(given, ONE_FORMATS);
  const config = await call.config();
  for (const warning of config.warnings) io.stderr(`underlay: ${clean(warning)}\n`);
  const settings = SETTING_KEYS.map((key) => {
    const said = config.settings.get(key);
    return {
      key,
      value: said?.text ?? null,
      from: said?.origin.from ?? null,
      where: said?.origin.where ?? null,
    };
  });
  const text = jsonOf(format, { schema: "underlay.config/v1", settings });
  io.stdout(text ?? toml(config, given.flags.has("origin")));
  return EXIT.done;
}

/** Every problem with its place is thrown by the reading itself. */
async function validate(call: Call): Promise<number> {
  const { given, io } = call;
  const format = formatOf(given, ONE_FORMATS);
  const { warnings, files } = await call.config();
  for (const warning of warnings) io.stderr(`underlay: ${clean(warning)}\n`);
  const body = { schema: "underlay.config-validation/v1", files, warnings };
  io.stdout(jsonOf(format, body) ?? files.map((file) => `${clean(file)} is right\n`).join(""));
  if (files.length === 0 && format === "table")
    io.stdout(`there is no file in ${CONFIG_DIR}; that is right, too\n`);
  return EXIT.done;
}

/** Good TOML again: dotted keys, origins as comments. */
function toml(config: Config, origin: boolean): string {
  const lines = SETTING_KEYS.map((key) => {
    const said = config.settings.get(key);
    if (!said) return `# ${key} is not set`;
    const { from, where } = said.origin;
    const place = from === "env" || from === "flag" ? `${from} ${where}` : where;
    return `${key} = ${JSON.stringify(said.text)}${origin ? `  # ${clean(place)}` : ""}`;
  });
  return lines.map((line) => `${line}\n`).join("");
}

/** `underlay config …`: the settings, as the daemon would read them. */
export const configVerbs: readonly Verb[] = [
  {
    words: "config show",
    flags: ["output", "origin"],
    settings: SETTING_KEYS,
    help: "show every setting as the daemon would read it",
    more: "Flags win over UNDERLAY_* variables, those over files; in files the last one read wins.",
    run: show,
  },
  {
    words: "config validate",
    flags: ["output"],
    settings: SETTING_KEYS,
    help: "say whether the daemon would start with the settings as they are now",
    more:
      `Reads what the daemon reads, in the same way, and changes nothing; --config FILE reads that file instead. Exits with ` +
      `${EXIT.usage} and tells every problem with its line.`,
    run: validate,
  },
];
