import { statSync } from "node:fs";
import { SERVED_NAMES } from "../../cni/plugins.ts";
import {
  type CniChange,
  type CniRelease,
  installPlugins,
  leftOriginals,
  planned,
  removePlugins,
} from "../../install/cni.ts";
import { readCniManifest } from "../../install/cni-manifest.ts";
import { makeFolder, missingFolders } from "../../install/place.ts";
import { UnderlayError } from "../../lib/errors.ts";
import { didYouMean } from "../../lib/nearest.ts";
import { word } from "../../lib/quote.ts";
import { type Libc, openLibc } from "../../sys/libc.ts";
import { type Lock, tryLockDirectory } from "../../sys/lock.ts";
import { usageError } from "../args.ts";

/** A folder of CNI plugins: who may change it now, and what is changed. */

/** Throws `invalid_option` for names that are no plugins of this version. */
export function pluginsNamed(text: string | undefined): readonly string[] {
  if (text === undefined) return SERVED_NAMES;
  const names = [...new Set(text.split(",").filter((name) => name !== ""))];
  if (names.length === 0) throw usageError("--plugins names none");
  const known: readonly string[] = SERVED_NAMES;
  const strange = names.find((name) => !known.includes(name));
  if (strange === undefined) return names;
  throw usageError(
    `--plugins: this version is no CNI plugin ${word(strange)}${didYouMean(strange.slice(0, 64), known)}; ` +
      `there are ${known.join(", ")}`,
  );
}

export async function installInto(
  binDir: string,
  release: CniRelease,
  dryRun: boolean,
): Promise<readonly CniChange[]> {
  if (dryRun) return planned(binDir, release, readCniManifest(binDir));
  const fresh = missingFolders("/", `${binDir}/.`);
  using _ = await locked(binDir, () => makeFolder(binDir));
  return installPlugins(binDir, release, fresh);
}

export interface Removed {
  readonly changes: readonly CniChange[];
  /** Files that were kept aside and have no place to go back to. */
  readonly left: readonly string[];
}

/** Undefined when nothing of ours is there. */
export async function uninstallFrom(binDir: string): Promise<Removed | undefined> {
  if (readCniManifest(binDir) === undefined) return undefined;
  using _ = await locked(binDir, () => undefined);
  const manifest = readCniManifest(binDir);
  if (manifest === undefined) return undefined;
  const changes = removePlugins(binDir, manifest);
  return { changes, left: leftOriginals(binDir, manifest) };
}

/** Milliseconds: copying an executable of a hundred megabytes to a slow disk takes seconds. */
const WAIT = { within: 60_000, poll: 50 } as const;

/** A flock on the folder itself: it holds between containers that have it mounted, and leaves no file. */
async function locked(binDir: string, make: () => void): Promise<Disposable> {
  const libc = openLibc();
  const deadline = performance.now() + WAIT.within;
  const inode = () => statSync(binDir, { throwIfNoEntry: false })?.ino;
  while (performance.now() < deadline) {
    make();
    const before = inode();
    if (before === undefined) return { [Symbol.dispose]: () => undefined };
    const lock = lockIfThere(libc, binDir);
    // An uninstall that had it may have removed the folder.
    if (lock && before === inode()) return { [Symbol.dispose]: () => lock.release() };
    lock?.release();
    // The end of a lock that another process holds is no event.
    await Bun.sleep(WAIT.poll);
  }
  throw new UnderlayError("timeout", `another install or uninstall works on ${binDir} and does not end`);
}

function lockIfThere(libc: Libc, binDir: string): Lock | undefined {
  try {
    return tryLockDirectory(libc, binDir);
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return undefined;
    throw thrown;
  }
}
