import { closeSync, openSync } from "node:fs";
import { errnoName } from "./errno.ts";
import { errnoError, type Libc } from "./libc.ts";

const LOCK_EX = 2;
const LOCK_NB = 4;

export interface Lock {
  release(): void;
}

/** An exclusive flock(2) on a file that is made when missing (mode 0600), or undefined when another process holds it. */
export function tryLock(libc: Libc, path: string): Lock | undefined {
  return lockOpened(libc, openSync(path, "a", 0o600), path);
}

/** The same on a directory that exists. It leaves nothing behind and needs no right to write. */
export function tryLockDirectory(libc: Libc, path: string): Lock | undefined {
  return lockOpened(libc, openSync(path, "r"), path);
}

function lockOpened(libc: Libc, fd: number, path: string): Lock | undefined {
  if (libc.files.flock(fd, LOCK_EX | LOCK_NB) === 0) return { release: () => closeSync(fd) };
  const errno = libc.errno();
  closeSync(fd);
  if (errnoName(errno) === "EAGAIN") return undefined;
  throw errnoError(`lock ${path}`, errno);
}
