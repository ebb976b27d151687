import { existsSync, statSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { SERVED_NAMES } from "../../cni/plugins.ts";
import type { Body } from "../../daemon/api.ts";
import { shellWord } from "../../lib/quote.ts";
import { type Checked, checked } from "./check.ts";
import { CONF_ENDINGS, findPlugin, isUnderlay, namesIn } from "./files.ts";

type Migration = Body<"underlay.cni-migrate/v1">;
type FileBody = Migration["files"][number];

/** Where runtimes have their configurations; rkt's are read by no runtime of today. */
export const CONF_FOLDERS = ["/etc/cni/net.d", "/etc/rkt/net.d"];

/**
 * What of the configurations in these folders this program would serve, under the names of plugins that are there or not yet. `folders`: where
 * plugins may be; the first that has one of them is meant, unless `binDir` says.
 */
export async function migration(
  confFolders: readonly string[],
  folders: readonly string[],
  binDir: string | undefined,
): Promise<Migration> {
  const paths = confFolders.flatMap((folder) =>
    namesIn(folder)
      .filter((name) => CONF_ENDINGS.includes(extname(name)))
      .map((name) => join(folder, name))
      .filter((path) => !statSync(path, { throwIfNoEntry: false })?.isDirectory()),
  );
  const all: Checked[] = [];
  for (const path of paths) all.push(await checked(path, folders));
  const refused = new Set(all.flatMap(refusedBy));
  const isOurs = (type: string) => SERVED_NAMES.some((name) => name === type) && !refused.has(type);
  const files = all.map((one) => fileBody(one, isOurs)).map(orShadowed);
  const place = binDir ?? placeOf(files, folders);
  // An installation gives back the names that it is not told.
  const kept = SERVED_NAMES.filter((name) => isOurs(name) && isInstalled(name, place));
  const commands = commandsFor(files, place, kept);
  return { schema: "underlay.cni-migrate/v1", bin_dir: place, files, commands };
}

function isInstalled(name: string, folder: string): boolean {
  const path = findPlugin(name, [folder]);
  return path !== undefined && isUnderlay(path);
}

/** Of files with the same name runtimes take one: the first list by its file name, else the first of the others. */
function orShadowed(one: FileBody, _: number, all: readonly FileBody[]): FileBody {
  const same = all.filter(({ file, name }) => name === one.name && dirname(file) === dirname(one.file));
  const taken = same.find(({ file }) => extname(file) === CONF_ENDINGS[0]) ?? same[0];
  if (one.name === null || one.problem !== null || taken === undefined || taken === one) return one;
  return { ...one, problem: `runtimes take the network of this name from ${taken.file}` };
}

/** Types of plugins of ours that could not work with the configuration of this file: their name stays with whoever has it. */
function refusedBy({ plugins, findings }: Checked): string[] {
  const wrong = findings
    .filter(({ id }) => id === REFUSED)
    .flatMap(({ evidence }) => evidence.map(({ value }) => value));
  return plugins.map(({ type }) => type).filter((type) => wrong.includes(`read by ${type}`));
}

const REFUSED = "UL-C04";
const UNREADABLE = "UL-C01";

function fileBody({ file, name, plugins, findings }: Checked, isOurs: (type: string) => boolean): FileBody {
  const types = [...new Set(plugins.map(({ type }) => type))];
  const ours = types.filter(isOurs);
  const others = types.filter((type) => !isOurs(type));
  const problem = findings.find(({ id }) => id === UNREADABLE || id === REFUSED)?.message ?? null;
  const taken = ours.length === 0 ? "no" : others.length === 0 ? "yes" : "partly";
  return { file, name, taken_over: name === null ? "unreadable" : taken, ours, others, problem };
}

function placeOf(files: readonly FileBody[], folders: readonly string[]): string {
  const types = files.flatMap(({ ours, others }) => [...ours, ...others]);
  const found = folders.find((folder) => types.some((type) => findPlugin(type, [folder]) !== undefined));
  return found ?? folders[0] ?? "";
}

function commandsFor(files: readonly FileBody[], binDir: string, kept: readonly string[]): string[] {
  const mine = files.filter(({ ours }) => ours.length > 0);
  if (mine.length === 0) return [];
  const types = [...new Set([...mine.flatMap(({ ours }) => ours), ...kept])];
  const place = `--bin-dir ${shellWord(binDir)}`;
  const moves = mine.map(({ file }) => ({ file, to: placeToRead(file) }));
  return [
    ...moves.flatMap(({ file, to }) =>
      file === to ? [] : [`install -D -m 0644 ${shellWord(file)} ${shellWord(to)}`],
    ),
    `underlay cni install ${place} --plugins ${types.join(",")}`,
    ...moves.map(({ to }) => `underlay cni check ${shellWord(to)} ${place}`),
  ];
}

/** What rkt read has to be where others look. */
function placeToRead(file: string): string {
  const [cni = "", rkt = ""] = CONF_FOLDERS;
  const target = join(cni, basename(file));
  return file.startsWith(`${rkt}/`) && !existsSync(target) ? target : file;
}
