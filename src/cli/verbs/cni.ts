import { usageError } from "../args.ts";
import { BIN_DIR } from "../cni/hint.ts";
import { EXIT } from "../exit.ts";
import { formatOf, jsonOf, ONE_FORMATS, paintOf } from "../output.ts";
import { clean } from "../table.ts";
import type { Call, Verb } from "../verb.ts";
import { VERSION } from "../version.ts";
import { failOnOf } from "./doctor.ts";
import { ownExecutable, toldChanges } from "./install.ts";

function binDirOf({ given }: Call): string {
  const text = given.flags.get("bin-dir")?.at(-1) ?? BIN_DIR;
  if (!text.startsWith("/")) throw usageError(`--bin-dir: ${JSON.stringify(text)} is no absolute path`);
  const folder = text.replace(/\/+$/, "");
  if (folder === "") throw usageError("--bin-dir: / is no place for plugins");
  return folder;
}

async function install(call: Call): Promise<number> {
  const { given, io } = call;
  const { installInto, pluginsNamed } = await import("../cni/bin-dir.ts");
  const plugins = pluginsNamed(given.flags.get("plugins")?.at(-1));
  const binDir = binDirOf(call);
  const release = { version: VERSION, executable: ownExecutable("cni install"), plugins };
  io.stdout(toldChanges(await installInto(binDir, release, given.flags.has("dry-run"))));
  return EXIT.done;
}

async function check(call: Call): Promise<number> {
  const { given, env, io, args } = call;
  const format = formatOf(given, ONE_FORMATS);
  const paint = paintOf(given, env, io.stdoutIsTty);
  const failOn = failOnOf(given);
  const { checked } = await import("../cni/check.ts");
  const answer = await checked(args[0] ?? "", foldersOf(call));
  const { checkText } = await import("../cni/check-text.ts");
  io.stdout(jsonOf(format, answer) ?? checkText(answer, paint));
  return answer.findings.some(({ severity }) => failOn.includes(severity)) ? EXIT.findings : EXIT.done;
}

/** Where a runtime would look: as told, as CNI_PATH tells, else where most of them look. */
function foldersOf({ given, env }: Call): readonly string[] {
  const told = given.flags.get("bin-dir") ?? (env["CNI_PATH"] || FOLDERS).split(":");
  return told.filter((folder) => folder !== "");
}

async function migrate(call: Call): Promise<number> {
  const { given, io, args } = call;
  const format = formatOf(given, ONE_FORMATS);
  const { CONF_FOLDERS, migration } = await import("../cni/migrate.ts");
  const told = given.flags.has("bin-dir") ? binDirOf(call) : undefined;
  const answer = await migration(args.length > 0 ? args : CONF_FOLDERS, foldersOf(call), told);
  const { migrateText } = await import("../cni/migrate-text.ts");
  io.stdout(jsonOf(format, answer) ?? migrateText(answer));
  return EXIT.done;
}

const FOLDERS = `${BIN_DIR}:/usr/lib/cni`;

async function uninstall(call: Call): Promise<number> {
  const { io } = call;
  const { uninstallFrom } = await import("../cni/bin-dir.ts");
  const binDir = binDirOf(call);
  const removed = await uninstallFrom(binDir);
  if (removed === undefined) {
    io.stdout(`nothing is installed in ${clean(binDir)}\n`);
    return EXIT.done;
  }
  io.stdout(toldChanges(removed.changes));
  for (const path of removed.left)
    io.stderr(`underlay: ${clean(path)} was kept aside, and its name is somebody else's now\n`);
  return EXIT.done;
}

/** `underlay cni …`: this program as plugins of container runtimes. */
export const cniVerbs: readonly Verb[] = [
  {
    words: "cni install",
    flags: ["bin-dir", "plugins", "dry-run"],
    help: "put this program where container runtimes look for CNI plugins",
    more:
      "One executable, and a link to it for each plugin. A plugin of somebody else that has the name is kept aside, and put " +
      "back by cni uninstall. May be repeated, and is the way to upgrade; plugins of an earlier run that are not named any more " +
      "are given back. Containers that run are not touched, and a runtime may start plugins meanwhile.",
    run: install,
  },
  {
    words: "cni uninstall",
    flags: ["bin-dir"],
    help: "remove what cni install put there, and put back what was there before",
    more: "Containers keep their links; what removes them is the plugin that has the name then.",
    run: uninstall,
  },
  {
    words: "cni check",
    args: ["FILE"],
    flags: ["output", "bin-dir", "fail-on"],
    help: "tell what a CNI configuration would do on this host, and what is wrong with it",
    more:
      "FILE is a .conflist, or a .conf or .json with one plugin. It is read by the plugins' own code; parents are looked at as " +
      "doctor does, and plugins are looked for in --bin-dir, which may be repeated, or on CNI_PATH. Plugins of others are asked for " +
      `their versions. Nothing is changed. Exits with ${EXIT.findings} when something fails.`,
    run: check,
  },
  {
    words: "cni migrate",
    args: ["[FOLDER...]"],
    flags: ["output", "bin-dir"],
    help: "tell which CNI configurations of this host Underlay could serve, and the commands for that",
    more:
      "Without FOLDER it looks at /etc/cni/net.d, and at /etc/rkt/net.d of old. A configuration stays as it is: what changes is who " +
      "has its plugins' names. A name stays with whoever has it when a configuration has keys that our plugin refuses. " +
      "Prints commands for a shell and does nothing.",
    run: migrate,
  },
];
