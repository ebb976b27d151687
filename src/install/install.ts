import { join } from "node:path";
import { problemsError } from "../lib/errors.ts";
import { executablePath, type InstallFile } from "./files.ts";
import { isListed, type Manifest, manifestPath, manifestText, readManifest } from "./manifest.ts";
import {
  type Content,
  hashAt,
  hashOf,
  makeFolder,
  missingFolders,
  placeFile,
  removeFile,
  removeFolderIfEmpty,
} from "./place.ts";

/** Puts files in place and takes them away again. What runs, and what networks there are, is the caller's business. */

export interface Place {
  /** What the paths are below; `/`. */
  readonly root: string;
  readonly prefix: string;
}

export interface Release {
  readonly version: string;
  readonly storeSchema: number;
  /** The program that runs. */
  readonly executable: string;
  readonly files: readonly InstallFile[];
}

export interface Change {
  readonly what: "made" | "changed" | "unchanged" | "removed" | "kept";
  readonly path: string;
}

interface Wanted {
  readonly path: string;
  readonly mode: number;
  readonly content: Content;
  readonly sha256: string;
}

/**
 * Idempotent. Throws `conflict` for files that are there and not ours, before anything is written; `permission` or
 * `state` for what cannot be written. `dryRun` only tells.
 */
export function installRelease(place: Place, release: Release, dryRun: boolean): readonly Change[] {
  const { root, prefix } = place;
  const old = readManifest(root, prefix);
  const wanted = wantedFiles(prefix, release);
  const changes = wanted.map(({ path, sha256 }): Change => ({ what: change(root, path, sha256), path }));
  refuseStrangers(root, wanted, old);
  const stale = (old?.files ?? []).filter((file) => !wanted.some(({ path }) => path === file.path));
  if (dryRun) return [...changes, ...stale.map(({ path }): Change => ({ what: "removed", path }))];

  const manifest: Manifest = {
    schema: "underlay.manifest/v1",
    version: release.version,
    store_schema: release.storeSchema,
    files: wanted.map(({ path, sha256 }) => ({ path, sha256 })),
    folders: folders(root, [...wanted.map(({ path }) => path), manifestPath(prefix)], old),
  };
  // First of all: whatever is written after this is known, however this ends.
  const list = (files: Manifest["files"]) => {
    const path = join(root, manifestPath(prefix));
    const text = manifestText({ ...manifest, files });
    if (hashAt(path) !== hashOf({ text })) placeFile(path, 0o644, { text });
  };
  for (const folder of manifest.folders) makeFolder(join(root, folder));
  list(merged(manifest.files, old?.files ?? []));
  for (const { path, mode, content } of wanted.filter((_, i) => changes[i]?.what !== "unchanged"))
    placeFile(join(root, path), mode, content);
  const gone = stale.map((file) => removeOurs(root, file));
  list(manifest.files);
  return [...changes, ...gone];
}

/** Removes what the manifest lists; files that were changed since are kept. Nothing when nothing is installed. */
export function removeRelease({ root, prefix }: Place, manifest: Manifest): readonly Change[] {
  const byPath = Map.groupBy(manifest.files, ({ path }) => path);
  const changes = [...byPath].map(([path, files]) =>
    removeOurs(root, { path, sha256: files.map((file) => file.sha256) }),
  );
  removeFile(join(root, manifestPath(prefix)));
  for (const folder of manifest.folders.toReversed()) removeFolderIfEmpty(join(root, folder));
  return changes;
}

function removeOurs(root: string, file: { path: string; sha256: string | readonly string[] }): Change {
  const found = hashAt(join(root, file.path));
  if (found !== undefined && ![file.sha256].flat().includes(found)) return { what: "kept", path: file.path };
  removeFile(join(root, file.path));
  return { what: "removed", path: file.path };
}

function wantedFiles(prefix: string, { executable, files }: Release): readonly Wanted[] {
  const program = { path: executablePath(prefix), mode: 0o755, content: { copyOf: executable } };
  const others = files.map(({ path, mode, text }) => ({ path, mode, content: { text } }));
  // The program last: a unit that is there before its program harms nobody.
  return [...others, program].map((file) => ({ ...file, sha256: hashOf(file.content) }));
}

function change(root: string, path: string, sha256: string): Change["what"] {
  const found = hashAt(join(root, path));
  if (found === undefined) return "made";
  return found === sha256 ? "unchanged" : "changed";
}

function refuseStrangers(root: string, wanted: readonly Wanted[], old: Manifest | undefined): void {
  const problems = wanted.flatMap(({ path, sha256 }) => {
    const found = hashAt(join(root, path));
    if (found === undefined || found === sha256 || isListed(old, path, found)) return [];
    const why = old?.files.some((file) => file.path === path)
      ? "was changed by hand"
      : "is there and not ours";
    return [{ subject: path, message: `${join(root, path)} ${why}: move it away` }];
  });
  if (problems.length > 0) throw problemsError("conflict", problems);
}

function folders(root: string, paths: readonly string[], old: Manifest | undefined): string[] {
  const missing = paths.flatMap((path) => missingFolders(root, path));
  return [...new Set([...(old?.folders ?? []), ...missing])].toSorted();
}

function merged(fresh: Manifest["files"], old: Manifest["files"]): Manifest["files"] {
  const isNew = (file: Manifest["files"][number]) =>
    !fresh.some(({ path, sha256 }) => path === file.path && sha256 === file.sha256);
  return [...fresh, ...old.filter(isNew)];
}
