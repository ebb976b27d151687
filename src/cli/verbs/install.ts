import { existsSync } from "node:fs";
import { join } from "node:path";
import { CONFIG_DIR, type Config, loadConfig } from "../../daemon/config.ts";
import { SETTINGS } from "../../daemon/settings.ts";
import { DEFAULT_PREFIX, executablePath, type Generated, installFiles } from "../../install/files.ts";
import { type Change, installRelease, type Place } from "../../install/install.ts";
import { readManifest } from "../../install/manifest.ts";
import { unawareReaders } from "../../install/readers.ts";
import { findSystemd, type Systemd } from "../../install/systemd.ts";
import { asUnderlayError, UnderlayError } from "../../lib/errors.ts";
import { SCHEMA_VERSION } from "../../store/schema.ts";
import { openStore } from "../../store/sqlite.ts";
import { usageError } from "../args.ts";
import { pluginsAreOlder } from "../cni/hint.ts";
import { SCRIPTS } from "../completion/shells.ts";
import { EXIT } from "../exit.ts";
import { manPages } from "../man/pages.ts";
import { hasRecords } from "../offline.ts";
import { clean } from "../table.ts";
import type { Call, Verb } from "../verb.ts";
import { VERSION } from "../version.ts";

/** Everything but the executable, of the tables of this program. */
export function generatedFiles(verbs: readonly Verb[]): Generated {
  return { completions: SCRIPTS, manPages: manPages(verbs, VERSION) };
}

async function install(call: Call): Promise<number> {
  const { given, io } = call;
  const place = placeOf(call);
  const dryRun = given.flags.has("dry-run");
  const executable = ownExecutable();
  const config = await configBelow(call, place.root);
  refuseDowngrade(place, config);
  const systemd = findSystemd(place.root);
  if (systemd && !dryRun) await refuseOtherDaemon(call, systemd);

  // Loaded here: the table of verbs has this verb in it.
  const { VERBS } = await import("../verbs.ts");
  const files = installFiles(place.prefix, generatedFiles(VERBS));
  const release = { version: VERSION, storeSchema: SCHEMA_VERSION, executable, files };
  const changes = installRelease(place, release, dryRun);
  io.stdout(changesText(place, changes) + pluginsAreOlder(place.root));
  for (const warning of foldersOutside(config)) io.stderr(`underlay: ${clean(warning)}\n`);
  if (dryRun) return EXIT.done;
  io.stdout(await started(place, systemd, changes));
  for (const { name, command } of unawareReaders(place, changes))
    io.stdout(`${name} reads that it leaves our links alone at the next boot; now: ${command}\n`);
  return EXIT.done;
}

export function placeOf({ given }: Call): Place {
  const folder = (name: "root" | "prefix", fallback: string) => {
    const text = given.flags.get(name)?.at(-1) ?? fallback;
    if (!text.startsWith("/")) throw usageError(`--${name}: ${JSON.stringify(text)} is no absolute path`);
    return text.replace(/\/+$/, "") || "/";
  };
  const place = { root: folder("root", "/"), prefix: folder("prefix", DEFAULT_PREFIX) };
  if (place.prefix === "/") throw usageError("--prefix: / is no place for programs; /usr is");
  if (!existsSync(place.root))
    throw new UnderlayError("not_found", `--root: there is no folder ${clean(place.root)}`);
  if (place.root === "/" && process.getuid?.() !== 0)
    throw new UnderlayError("permission", "only root may change what is installed on this host: use sudo");
  return place;
}

/** The settings of the host below `root`. */
export function configBelow({ given, env }: Call, root: string): Promise<Config> {
  const file = given.flags.get("config")?.at(-1);
  return loadConfig({ flags: given.settings, env, file, dir: join(root, CONFIG_DIR) });
}

/** A compiled program has its modules in a file system of its own. */
export function ownExecutable(verb = "install"): string {
  if (Bun.main.startsWith("/$bunfs/")) return process.execPath;
  throw usageError(`this is the source, not the executable: make build, then dist/underlay ${verb}`);
}

/** Newer records are unreadable for an older program, and its daemon would not start. */
function refuseDowngrade({ root, prefix }: Place, config: Config): void {
  const old = readManifest(root, prefix);
  if (old !== undefined && old.store_schema > SCHEMA_VERSION)
    throw downgrade(
      `Underlay ${old.version} is installed and keeps its records as schema ${old.store_schema}, this Underlay ` +
        `${VERSION} knows only up to ${SCHEMA_VERSION}; to go back, uninstall the newer one with its networks first`,
    );
  const stateDir = join(root, config.values.state_dir);
  if (!hasRecords(stateDir)) return;
  try {
    openStore(stateDir, { readonly: true }).close();
  } catch (thrown) {
    throw downgrade(asUnderlayError(thrown).message);
  }
}

const downgrade = (why: string) => new UnderlayError("conflict", `nothing was installed: ${why}`);

async function refuseOtherDaemon(call: Call, systemd: Systemd): Promise<void> {
  const running = await runningDaemon(call);
  if (running === undefined || running === (await systemd.mainPid())) return;
  throw new UnderlayError(
    "conflict",
    `a daemon that systemd did not start is running (pid ${running}): stop it first, its containers keep their links`,
  );
}

/** Pid of the daemon that answers. */
export async function runningDaemon(call: Call): Promise<number | undefined> {
  const { daemonClient } = await import("../client.ts");
  const { run_dir } = (await call.config()).values;
  try {
    return (await daemonClient(run_dir).status()).daemon?.pid;
  } catch (thrown) {
    const error = asUnderlayError(thrown);
    if (error.code === "unreachable") return undefined;
    throw error;
  }
}

/** What is as it was is only counted. */
export function toldChanges(changes: readonly { readonly what: string; readonly path: string }[]): string {
  const told = changes.filter(({ what }) => what !== "unchanged");
  const same = changes.length - told.length;
  return [
    ...told.map(({ what, path }) => `${what.padEnd(9)} ${clean(path)}\n`),
    ...(same > 0 ? [`unchanged ${same} files\n`] : []),
  ].join("");
}

export function changesText({ root }: Place, changes: readonly Change[]): string {
  return toldChanges(changes.map(({ what, path }) => ({ what, path: join(root, path) })));
}

/** The unit lets the daemon write to its own folders only. */
function foldersOutside({ values }: Config): string[] {
  const keys = ["state_dir", "run_dir", "plugin_dir"] as const;
  return keys
    .filter((key) => values[key] !== SETTINGS[key].fallback)
    .map(
      (key) =>
        `${key} is ${values[key]}: the unit must be allowed to write there (systemctl edit underlay: ` +
        `[Service] ReadWritePaths=${values[key]})`,
    );
}

async function started(
  place: Place,
  systemd: Systemd | undefined,
  changes: readonly Change[],
): Promise<string> {
  const program = executablePath(place.prefix);
  if (systemd !== undefined) {
    await systemd.enable(changes.some(({ what }) => what !== "unchanged"));
    return "underlay.service is enabled and runs; Docker need not be restarted\n";
  }
  return place.root === "/"
    ? `no systemd runs here: have ${program} daemon started at boot, before dockerd; start it again now if it runs\n`
    : `nothing was started: this is not the root of the running host. There: systemctl enable --now underlay\n`;
}

/** `underlay install`: this program becomes a service of the host. */
export const installVerbs: readonly Verb[] = [
  {
    words: "install",
    flags: ["prefix", "root", "dry-run"],
    help: "put this program, its service, completions and manual pages in place, and start it",
    more:
      "May be repeated, and is the way to upgrade: running containers keep their links while the new daemon takes over. " +
      "Docker is not touched. What other programs put in the same places is an error, nothing is overwritten.",
    run: install,
  },
];
