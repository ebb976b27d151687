import { SQLiteError } from "bun:sqlite";
import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import { asUnderlayError, UnderlayError } from "../lib/errors.ts";
import type { TableName } from "./schema.ts";

/** Primary result codes of https://sqlite.org/rescode.html: what is wrong with the file, and what to do next. */
const ADVICE: Readonly<Record<string, (path: string) => string>> = {
  SQLITE_FULL: (path) => `no space is left for ${path}: free some space on its file system and try again`,
  SQLITE_READONLY: (path) =>
    `${path} cannot be written: make it and its directory writable (is the file system mounted read-only?)`,
  SQLITE_CANTOPEN: (path) =>
    `${path} cannot be opened or made: check that its directory exists and may be written by this user`,
  SQLITE_PERM: (path) => `${path} may not be opened by this user: run as root`,
  SQLITE_AUTH: (path) => `${path} may not be opened by this user: run as root`,
  SQLITE_NOTADB: (path) =>
    `${path} is not a database: restore it from a backup, or move it away and create the networks again`,
  SQLITE_CORRUPT: (path) =>
    `${path} is damaged: restore it from a backup, or move it away and create the networks again`,
  SQLITE_IOERR: (path) => `${path} cannot be read or written: look for disk errors in the kernel log (dmesg)`,
  SQLITE_BUSY: (path) => `${path} is locked by another process: find it with \`fuser -v ${path}\``,
};

/** Errors of the file calls around SQLite that mean the same as one of its own. */
const FILE_ERRORS: Readonly<Record<string, string>> = {
  ENOSPC: "SQLITE_FULL",
  EDQUOT: "SQLITE_FULL",
  EROFS: "SQLITE_READONLY",
  EACCES: "SQLITE_PERM",
  EPERM: "SQLITE_PERM",
  ENOENT: "SQLITE_CANTOPEN",
  ENOTDIR: "SQLITE_CANTOPEN",
  EEXIST: "SQLITE_CANTOPEN",
  EISDIR: "SQLITE_CANTOPEN",
  EIO: "SQLITE_IOERR",
};

/** The lock is held by another connection; the only failure that time alone mends. */
export function isBusy(thrown: unknown): boolean {
  return primaryCode(thrown) === "SQLITE_BUSY";
}

/** `conflict`: somebody wrote the row since it was read. */
export function changedMeanwhile(
  table: TableName,
  id: string,
  expected: number,
  found?: number,
): UnderlayError {
  return new UnderlayError(
    "conflict",
    `record ${id} in ${table} was changed meanwhile (expected version ${expected}, found ${found ?? "none"})`,
    { inputs: { table, id, expected, found } },
  );
}

/** Whatever SQLite or a file call threw about the database at `path`, as a `state` error that says what to do. */
export function stateError(thrown: unknown, path: string): UnderlayError {
  if (thrown instanceof UnderlayError) return thrown;
  const code = primaryCode(thrown);
  if (!(thrown instanceof Error) || code === undefined) return asUnderlayError(thrown);
  const advice = ADVICE[code === "SQLITE_IOERR" && isFull(path) ? "SQLITE_FULL" : code];
  const text = advice ? advice(path) : `${path}: ${thrown.message}: this may be a bug, please report it`;
  return new UnderlayError("state", `state database: ${text}`, {
    cause: thrown,
    inputs: { path, sqlite: code },
  });
}

/** The first two words: SQLITE_IOERR_SHMSIZE is a SQLITE_IOERR. */
function primaryCode(thrown: unknown): string | undefined {
  if (thrown instanceof SQLiteError) return thrown.code?.split("_").slice(0, 2).join("_");
  if (thrown instanceof SyntaxError) return "SQLITE_CORRUPT"; // a body that is no JSON
  if (!(thrown instanceof Error) || !("code" in thrown) || typeof thrown.code !== "string") return undefined;
  return FILE_ERRORS[thrown.code];
}

/** When the WAL index cannot grow SQLite reports an I/O error, though the disk is only full. */
function isFull(path: string): boolean {
  const { bavail, bsize } = statfsSync(dirname(path));
  return bavail * bsize < 64 * 1024;
}
