import { join } from "node:path";
import type { KeyDocs } from "../src/cni/keys/doc.ts";
import { EVERY_PLUGIN, LIST_KEYS, PLUGIN_KEYS } from "../src/cni/keys/tables.ts";
import { VERSIONS } from "../src/cni/versions.ts";
import { CONDITIONS } from "../src/conditions/registry.ts";
import { envOf, flagOf, SETTING_KEYS, SETTINGS } from "../src/daemon/settings.ts";
import { adminApi } from "./admin-api.ts";

/** Writes `docs/reference` from the tables of src: `bun tools/reference.ts`. A test fails when they differ. */

const NOTE = "<!-- Written by tools/reference.ts. Do not edit. -->\n\n";

const cell = (text: string) => text.replaceAll("|", "\\|");

function settings(): string {
  const rows = SETTING_KEYS.map((key) => {
    const { fallback, takes, help } = SETTINGS[key];
    const names = `\`${key}\` | \`${flagOf(key)} ${takes}\` | \`${envOf(key)}\``;
    return `| ${names} | ${fallback === undefined ? "" : `\`${fallback}\``} | ${cell(help)} |\n`;
  });
  return [
    `# Settings\n\n${NOTE}`,
    "Flags win over environment variables, those over files. Files are `/etc/underlay/underlay.toml`, then\n",
    "`/etc/underlay/conf.d/*.toml` in the order of their names; an unknown key is an error with its line.\n",
    "`underlay config show --origin` tells where each value came from.\n\n",
    "| key | flag of `underlay daemon` | environment | default | |\n|---|---|---|---|---|\n",
    ...rows,
  ].join("");
}

function conditions(): string {
  const rows = CONDITIONS.map(({ id, title, severity, refuses, confidence }) => {
    const verdict = refuses ? (confidence === "certain" ? "yes" : `yes, unless \`-o allow=${id}\``) : "no";
    return `| [${id}](#${id.toLowerCase()}) | ${cell(title)} | ${severity} | ${confidence} | ${verdict} |\n`;
  });
  const sections = CONDITIONS.map(({ id, title, explain }) => `\n## ${id}\n\n**${title}.** ${explain}\n`);
  return [
    `# Conditions\n\n${NOTE}`,
    "What can be wrong with a host, a parent or a network. Those that refuse are judged at `docker network create`;\n",
    "all show in `underlay status`, in the log when they begin and end, and in `underlay doctor`, with what was read and\n",
    "what to do. `underlay doctor --explain ID` prints what is here.\n\n",
    "| id | | severity | confidence | refuses a create |\n|---|---|---|---|---|\n",
    ...rows,
    ...sections,
  ].join("");
}

function cni(): string {
  const plugins = Object.entries(PLUGIN_KEYS);
  const sections = plugins.map(
    ([name, { title, keys }]) =>
      `\n## ${name}\n\n${title}.\n\n${Object.keys(keys).length === 0 ? "No keys of its own.\n" : keyTable(keys)}`,
  );
  return [
    `# Keys of CNI configurations\n\n${NOTE}`,
    "What the plugins of Underlay read of a configuration. Keys match whatever their case, types are strict, and a key that nobody\n",
    "reads is ignored, as Go has it: `underlay cni check FILE` tells of such. Versions of the protocol: ",
    `${VERSIONS.map((version) => `\`${version}\``).join(", ")}.\n\n`,
    `Plugins: ${plugins.map(([name]) => `[${name}](#${name})`).join(", ")}.\n`,
    `\n## A list\n\nOf a \`.conflist\`; runtimes read them.\n\n${keyTable(LIST_KEYS)}`,
    `\n## Every plugin\n\nOf each of \`plugins\`, and of a \`.conf\`, which is one plugin alone.\n\n${keyTable(EVERY_PLUGIN)}`,
    ...sections,
  ].join("");
}

function keyTable(keys: KeyDocs): string {
  return `| key | type | when absent | |\n|---|---|---|---|\n${keyRows(keys, "").join("")}`;
}

/** Keys of objects follow it, by their path. */
function keyRows(keys: KeyDocs, path: string): string[] {
  return Object.entries(keys).flatMap(([key, { is, absent = "", help, keys: inner = {} }]) => {
    const isList = is.startsWith("list of");
    const row = `| \`${path}${key}\` | ${is} | ${cell(absent)} | ${cell(help)} |\n`;
    return [row, ...keyRows(inner, `${path}${key}${isList ? "[]" : ""}.`)];
  });
}

/** Path from the repository root to text. */
export function referencePages(): Record<string, string> {
  return {
    "docs/reference/settings.md": settings(),
    "docs/reference/conditions.md": conditions(),
    "docs/reference/cni.md": cni(),
    "docs/reference/admin-api.md": adminApi(NOTE),
  };
}

if (import.meta.main) {
  for (const [path, text] of Object.entries(referencePages())) {
    await Bun.write(join(import.meta.dir, "..", path), text);
  }
}
