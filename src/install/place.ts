import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { UnderlayError } from "../lib/errors.ts";

/** Files are put in place whole, by rename: whoever runs or reads the old one goes on with the old one. */

export type Content = { readonly text: string } | { readonly copyOf: string };

export function hashOf(content: Content): string {
  const hash = new Bun.CryptoHasher("sha256");
  hash.update("text" in content ? content.text : readFileSync(content.copyOf));
  return hash.digest("hex");
}

/** Undefined when there is nothing; what is no file has a hash that no file has. */
export function hashAt(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  return found.isFile() ? hashOf({ copyOf: path }) : "not a file";
}

/** `fresh`: where the file is made first, on the same file system. */
export function placeFile(
  path: string,
  mode: number,
  content: Content,
  fresh = join(dirname(path), `.underlay-new-${process.pid}`),
): void {
  using leftover = new DisposableStack();
  leftover.defer(() => rmSync(fresh, { recursive: true, force: true }));
  explained(path, () => {
    if ("text" in content) writeFileSync(fresh, content.text);
    else copyFileSync(content.copyOf, fresh);
    chmodSync(fresh, mode);
    synced(fresh);
    renameSync(fresh, path);
    synced(dirname(path));
  });
}

/** A name that points to what is not on the disk yet would be an empty file after a power cut. */
export function synced(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Folders of a path below `root` that do not exist, parents first; paths as seen from `root`. */
export function missingFolders(root: string, path: string): string[] {
  const folder = dirname(path);
  if (folder === "/" || existsSync(join(root, folder))) return [];
  return [...missingFolders(root, folder), folder];
}

export function makeFolder(path: string): void {
  explained(path, () => mkdirSync(path, { mode: 0o755, recursive: true }));
}

export function removeFile(path: string): void {
  explained(path, () => rmSync(path, { force: true }));
}

/** A folder that somebody else uses by now stays. */
export function removeFolderIfEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch (thrown) {
    if (!["ENOTEMPTY", "EEXIST", "ENOENT", "EBUSY", "ENOTDIR"].includes(errnoOf(thrown)))
      throw failed(path, thrown);
  }
}

export function explained(path: string, work: () => void): void {
  try {
    work();
  } catch (thrown) {
    throw failed(path, thrown);
  }
}

function errnoOf(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown ? String(thrown.code) : String(thrown);
}

function failed(path: string, thrown: unknown): UnderlayError {
  if (thrown instanceof UnderlayError) return thrown;
  const errno = errnoOf(thrown);
  const code = errno === "EACCES" || errno === "EPERM" ? "permission" : "state";
  return new UnderlayError(code, `${path} cannot be written: ${errno}`, {
    errno,
    cause: thrown,
    inputs: { path },
  });
}
