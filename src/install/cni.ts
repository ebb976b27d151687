import { linkSync, lstatSync, readlinkSync, renameSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { problemsError } from "../lib/errors.ts";
import { type CniManifest, cniPlaces, EXECUTABLE, readCniManifest } from "./cni-manifest.ts";
import {
  type Content,
  explained,
  hashAt,
  hashOf,
  makeFolder,
  placeFile,
  removeFile,
  removeFolderIfEmpty,
  synced,
} from "./place.ts";

/**
 * One executable in a folder of CNI plugins, and links to it under the plugins' names. Runtimes start plugins from there
 * at any time: every change of a name is one rename, so that each works before and after it, whoever kills us between. One run
 * at a time is the caller's to see to.
 */

export interface CniRelease {
  readonly version: string;
  /** The program that runs. */
  readonly executable: string;
  /** Names that shall lead to it; those of an earlier run that are not among them are given back. */
  readonly plugins: readonly string[];
}

export interface CniChange {
  readonly what: "made" | "changed" | "replaced" | "put back" | "removed" | "kept" | "unchanged";
  readonly path: string;
}

/** Called before each change of the disk. */
export type BeforeChange = () => void;

const nothing: BeforeChange = () => undefined;

/**
 * Idempotent. `fresh`: folders that were made for this. Throws `conflict` for what is in the way, before anything is
 * written; `permission` or `state` for what cannot be written.
 */
export function installPlugins(
  binDir: string,
  release: CniRelease,
  fresh: readonly string[],
  before = nothing,
): readonly CniChange[] {
  const places = cniPlaces(binDir);
  const old = readCniManifest(binDir);
  const plan = planned(binDir, release, old);
  const sha256 = hashOf({ copyOf: release.executable });
  const list = (manifest: Pick<CniManifest, "executables" | "plugins">) => {
    const whole = { schema: "underlay.cni-manifest/v1", version: release.version, ...manifest };
    const folders = [...new Set([...(old?.folders ?? []), ...fresh])].toSorted();
    const content = { text: `${JSON.stringify({ ...whole, folders }, undefined, 2)}\n` };
    if (hashAt(places.manifest) === hashOf(content)) return;
    before();
    placeFile(places.manifest, 0o644, content, places.unfinished);
  };

  makeFolder(places.originals);
  removeFile(places.unfinished);
  // First of all: whatever is made after this is known, however this ends.
  list({
    executables: [...new Set([sha256, ...(old?.executables ?? [])])],
    plugins: [...new Set([...release.plugins, ...(old?.plugins ?? [])])],
  });
  const program: Content = { copyOf: release.executable };
  if (hashAt(places.executable) !== sha256) {
    before();
    placeFile(places.executable, 0o755, program, places.unfinished);
  }
  for (const name of release.plugins) takeOver(binDir, name, before);
  for (const name of stale(release, old)) giveBack(binDir, name, before);
  list({ executables: [sha256], plugins: [...release.plugins] });
  return plan;
}

/** What `installPlugins` would do. Throws `conflict`. */
export function planned(
  binDir: string,
  release: CniRelease,
  old: CniManifest | undefined,
): readonly CniChange[] {
  const { executable } = cniPlaces(binDir);
  const found = hashAt(executable);
  const sha256 = hashOf({ copyOf: release.executable });
  const folders = release.plugins.filter((name) => thingAt(join(binDir, name)) === "folder");
  const inTheWay = [
    ...(isFree(executable, [sha256, ...(old?.executables ?? [])]) ? [] : [executable]),
    ...folders.map((name) => join(binDir, name)),
  ];
  if (inTheWay.length > 0) {
    const problem = (path: string) => ({
      subject: path,
      message: `${path} is there and not ours: move it away`,
    });
    throw problemsError("conflict", inTheWay.map(problem));
  }
  const program = found === undefined ? "made" : found === sha256 ? "unchanged" : "changed";
  return [
    { what: program, path: executable },
    ...release.plugins.map((name) => ({ what: taken(join(binDir, name)), path: join(binDir, name) })),
    ...stale(release, old).map((name) => givenBack(binDir, name)),
  ];
}

/** Nothing is there, or a file with one of these hashes. A link of somebody's leads to what is not ours to replace. */
function isFree(executable: string, hashes: readonly string[]): boolean {
  const found = lstatSync(executable, { throwIfNoEntry: false });
  return found === undefined || (!found.isSymbolicLink() && hashes.includes(hashAt(executable) ?? ""));
}

/** Gives back every name that the manifest has, then removes the executable. A name that is somebody else's by now stays. */
export function removePlugins(binDir: string, manifest: CniManifest, before = nothing): readonly CniChange[] {
  const places = cniPlaces(binDir);
  const names = manifest.plugins.map((name) => {
    const change = givenBack(binDir, name);
    giveBack(binDir, name, before);
    return change;
  });
  const found = hashAt(places.executable);
  const isOurs = found !== undefined && manifest.executables.includes(found);
  if (isOurs) remove(places.executable, before);
  remove(places.unfinished, before);
  remove(places.manifest, before);
  for (const folder of [places.originals, places.folder, ...manifest.folders.toReversed()]) {
    before();
    removeFolderIfEmpty(folder);
  }
  const gone = { what: isOurs ? "removed" : "kept", path: places.executable } as const;
  return [...names, ...(found === undefined ? [] : [gone])];
}

/** Originals that were kept aside and are not put back, because there is something else in their place. */
export function leftOriginals(binDir: string, manifest: CniManifest): readonly string[] {
  const { originals } = cniPlaces(binDir);
  return manifest.plugins.map((name) => join(originals, name)).filter((path) => thingAt(path) !== "nothing");
}

function stale({ plugins }: CniRelease, old: CniManifest | undefined): string[] {
  return (old?.plugins ?? []).filter((name) => !plugins.includes(name));
}

/** `ours`: the relative link to our executable. */
type Thing = "nothing" | "ours" | "other" | "folder";

function thingAt(path: string): Thing {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return "nothing";
  if (found.isSymbolicLink()) return readlinkSync(path) === EXECUTABLE ? "ours" : "other";
  return found.isDirectory() ? "folder" : "other";
}

const TAKEN: Readonly<Record<Thing, CniChange["what"]>> = {
  nothing: "made",
  ours: "unchanged",
  other: "replaced",
  folder: "kept",
};

function taken(path: string): CniChange["what"] {
  return TAKEN[thingAt(path)];
}

function takeOver(binDir: string, name: string, before: BeforeChange): void {
  const places = cniPlaces(binDir);
  const path = join(binDir, name);
  const thing = thingAt(path);
  if (thing === "ours") return;
  explained(path, () => {
    if (thing === "other") keepAside(path, join(places.originals, name), places.unfinished, before);
    removeFile(places.unfinished);
    before();
    symlinkSync(EXECUTABLE, places.unfinished);
    before();
    renameSync(places.unfinished, path);
    synced(binDir);
  });
}

/** A second name for it: the first goes on working. What was kept before is older. */
function keepAside(path: string, original: string, unfinished: string, before: BeforeChange): void {
  removeFile(unfinished);
  before();
  linkSync(path, unfinished);
  before();
  renameSync(unfinished, original);
  // Two names of one file: a rename of one to the other leaves both.
  removeFile(unfinished);
  synced(join(original, ".."));
}

function giveBack(binDir: string, name: string, before: BeforeChange): void {
  const path = join(binDir, name);
  const original = join(cniPlaces(binDir).originals, name);
  const { what } = givenBack(binDir, name);
  if (what === "put back")
    explained(path, () => {
      before();
      renameSync(original, path);
      synced(binDir);
    });
  if (what === "removed") remove(path, before);
  if (what === "unchanged") remove(original, before);
}

/** What becomes of a name. `unchanged`: it was never taken, or is back already; then it is what was kept. */
function givenBack(binDir: string, name: string): CniChange {
  const path = join(binDir, name);
  const original = join(cniPlaces(binDir).originals, name);
  const thing = thingAt(path);
  const kept = thingAt(original) !== "nothing";
  if (thing === "ours" || thing === "nothing")
    return { what: kept ? "put back" : thing === "ours" ? "removed" : "unchanged", path };
  return { what: kept && !isSame(path, original) ? "kept" : "unchanged", path };
}

function isSame(path: string, other: string): boolean {
  const [one, two] = [lstatSync(path), lstatSync(other)];
  if (one.ino === two.ino) return true;
  if (one.isSymbolicLink() && two.isSymbolicLink()) return readlinkSync(path) === readlinkSync(other);
  return one.isFile() && two.isFile() && hashAt(path) === hashAt(other);
}

function remove(path: string, before: BeforeChange): void {
  if (thingAt(path) === "nothing") return;
  before();
  removeFile(path);
}
