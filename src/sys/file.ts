import { ptr } from "bun:ffi";
import { UnderlayError } from "../lib/errors.ts";
import { quote } from "../lib/quote.ts";
import { errnoName } from "./errno.ts";
import { checked, errnoError, type Libc } from "./libc.ts";

/**
 * Files by way of the C library, for programs that live some milliseconds: loading node:fs costs such a process 1.6 ms,
 * a call here some microseconds. Long-lived programs use node:fs.
 */

/** `<fcntl.h>` and `<linux/stat.h>`, the same on x86-64 and arm64 but where it says otherwise. */
export const O = {
  O_RDONLY: 0,
  O_WRONLY: 1,
  O_RDWR: 2,
  O_CREAT: 0o100,
  O_EXCL: 0o200,
  O_TRUNC: 0o1000,
  O_APPEND: 0o2000,
  O_CLOEXEC: 0o2000000,
} as const;

const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const AT_SYMLINK_FOLLOW = 0x400;
const LOCK_EX = 2;
const LOCK_NB = 4;
const STATX_BASIC_STATS = 0x7ff;
const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;

/** What a file is, by statx(2): its layout does not depend on the CPU. Times in nanoseconds since the epoch. */
export interface FileStatus {
  readonly isFile: boolean;
  readonly isDirectory: boolean;
  readonly ino: bigint;
  /** `MAJOR:MINOR` of the device. */
  readonly device: string;
  readonly size: number;
  readonly modified: bigint;
  readonly changed: bigint;
}

export interface OpenFile {
  readonly fd: number;
  readonly path: string;
  close(): void;
}

const text = new TextEncoder();

/** A path as the kernel wants it. One with a NUL in it would name another file. */
function cString(path: string): Uint8Array {
  if (path.includes("\0"))
    throw new UnderlayError("kernel", `${quote(path)} is no path`, { errno: "EINVAL" });
  return text.encode(`${path}\0`);
}

/** The path of a file that is open. */
const EMPTY = Uint8Array.of(0);

function namedErrno(libc: Libc, names: readonly string[]): boolean {
  return names.includes(errnoName(libc.errno()));
}

/** Throws `kernel` or `permission` with the errno; undefined instead when that is among `unless`. */
export function openFile(
  libc: Libc,
  path: string,
  flags: number,
  { mode = 0o600, unless = [] }: { readonly mode?: number; readonly unless?: readonly string[] } = {},
): OpenFile | undefined {
  const fd = libc.call.open(cString(path), flags | O.O_CLOEXEC, mode);
  if (fd !== -1) return { fd, path, close: () => void libc.call.close(fd) };
  if (namedErrno(libc, unless)) return undefined;
  throw errnoError(`open ${path}`, libc.errno());
}

/** Of an open file, or of what a path leads to; undefined when nothing is there. */
export function statusOf(libc: Libc, target: OpenFile | string): FileStatus | undefined {
  const buffer = new Uint8Array(256);
  const [at, path, flags] =
    typeof target === "string"
      ? ([AT_FDCWD, cString(target), 0] as const)
      : ([target.fd, EMPTY, AT_EMPTY_PATH] as const);
  const result = libc.call.statx(at, path, flags, STATX_BASIC_STATS, buffer);
  if (result === -1) {
    if (namedErrno(libc, ["ENOENT", "ENOTDIR"])) return undefined;
    throw errnoError(`look at ${typeof target === "string" ? target : target.path}`, libc.errno());
  }
  const view = new DataView(buffer.buffer);
  const kind = view.getUint16(28, true) & S_IFMT;
  return {
    isFile: kind === S_IFREG,
    isDirectory: kind === S_IFDIR,
    ino: view.getBigUint64(32, true),
    device: `${view.getUint32(136, true)}:${view.getUint32(140, true)}`,
    size: Number(view.getBigUint64(40, true)),
    get changed() {
      return timeAt(view, 96);
    },
    get modified() {
      return timeAt(view, 112);
    },
  };
}

/** `struct statx_timestamp`: seconds s64, nanoseconds u32. */
function timeAt(view: DataView, offset: number): bigint {
  return view.getBigInt64(offset, true) * 1_000_000_000n + BigInt(view.getUint32(offset + 8, true));
}

/** Of a read, or a piece of a directory. */
const CHUNK_BYTES = 64 * 1024;

/** All of it, or `limit` + 1 bytes of what is longer. Reads pipes too. */
export function readAll(libc: Libc, fd: number, what: string, limit = Number.MAX_SAFE_INTEGER): Uint8Array {
  let buffer = new Uint8Array(4096);
  let length = 0;
  while (length <= limit) {
    if (length === buffer.length) {
      const larger = new Uint8Array(Math.max(CHUNK_BYTES, buffer.length * 2));
      larger.set(buffer);
      buffer = larger;
    }
    const got = Number(libc.call.read(fd, ptr(buffer, length), buffer.length - length));
    if (got === 0) break;
    if (got > 0) length += got;
    else if (!namedErrno(libc, ["EINTR"])) throw errnoError(`read ${what}`, libc.errno());
  }
  return buffer.subarray(0, Math.min(length, limit + 1));
}

/** Undefined when there is no such file. */
export function readFile(libc: Libc, path: string): Uint8Array | undefined {
  const file = openFile(libc, path, O.O_RDONLY, { unless: ["ENOENT", "ENOTDIR"] });
  if (!file) return undefined;
  try {
    return readAll(libc, file.fd, path);
  } finally {
    file.close();
  }
}

/** Writes all of it at the file's position. */
export function writeAll(libc: Libc, fd: number, bytes: Uint8Array, what: string): void {
  let at = 0;
  while (at < bytes.length) {
    const wrote = Number(libc.call.write(fd, ptr(bytes, at), bytes.length - at));
    if (wrote >= 0) at += wrote;
    else if (!namedErrno(libc, ["EINTR"])) throw errnoError(`write ${what}`, libc.errno());
  }
}

export interface Entry {
  readonly name: string;
  /** As near as a number comes to it; not the mounted directory's, where something is mounted on it. */
  readonly ino: number;
}

/** What is in a directory, without `.` and `..`, in no order. `struct linux_dirent64` of getdents64(2). */
export function entriesIn(libc: Libc, directory: OpenFile): Entry[] {
  const buffer = new Uint8Array(CHUNK_BYTES);
  const view = new DataView(buffer.buffer);
  const decoder = new TextDecoder();
  const entries: Entry[] = [];
  for (;;) {
    const got = checked(
      libc,
      `list ${directory.path}`,
      libc.files.getdents64(directory.fd, buffer, buffer.length),
    );
    if (got === 0) return entries;
    for (let at = 0; at < got; ) {
      const end = buffer.indexOf(0, at + 19);
      const name = decoder.decode(buffer.subarray(at + 19, end));
      const ino = view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
      if (name !== "." && name !== "..") entries.push({ name, ino });
      at += view.getUint16(at + 16, true);
    }
  }
}

/** Names in a directory, without `.` and `..`, in no order. */
export function namesIn(libc: Libc, directory: OpenFile): string[] {
  return entriesIn(libc, directory).map(({ name }) => name);
}

/** Makes the directory and those above it; one that is there is success. */
export function makeDirectories(libc: Libc, path: string, mode: number): void {
  if (libc.files.mkdir(cString(path), mode) === 0 || namedErrno(libc, ["EEXIST"])) return;
  const errno = libc.errno();
  const above = path.slice(0, path.lastIndexOf("/"));
  if (errnoName(errno) !== "ENOENT" || above === "") throw errnoError(`make ${path}`, errno);
  makeDirectories(libc, above, mode);
  checked(libc, `make ${path}`, libc.files.mkdir(cString(path), mode));
}

/** A second name for a file. False when the name is taken: of several that want it, one gets it. */
export function linkFile(libc: Libc, from: string, to: string): boolean {
  const result = libc.files.link(cString(from), cString(to));
  if (result === -1 && namedErrno(libc, ["EEXIST"])) return false;
  checked(libc, `make ${to}`, result);
  return true;
}

/** A file of a directory's file system that has no name and vanishes with its last user; undefined where there is none such. */
export function openUnnamed(libc: Libc, directory: string, mode: number): OpenFile | undefined {
  const O_TMPFILE = process.arch === "arm64" ? 0o20040000 : 0o20200000;
  // EISDIR: a kernel that does not know the flag. EOPNOTSUPP: a file system that has none.
  return openFile(libc, directory, O.O_WRONLY | O_TMPFILE, { mode, unless: ["EISDIR", "EOPNOTSUPP"] });
}

/** Gives it one, at once. False when the name is taken. Needs /proc. */
export function nameFile(libc: Libc, file: OpenFile, to: string): boolean {
  const from = cString(`/proc/self/fd/${file.fd}`);
  const result = libc.files.linkat(AT_FDCWD, from, AT_FDCWD, cString(to), AT_SYMLINK_FOLLOW);
  if (result === -1 && namedErrno(libc, ["EEXIST"])) return false;
  checked(libc, `make ${to}`, result);
  return true;
}

/** An exclusive flock(2), held until the file is closed; false when another process has it. */
export function lockOpen(libc: Libc, file: OpenFile): boolean {
  const result = libc.files.flock(file.fd, LOCK_EX | LOCK_NB);
  if (result === -1 && namedErrno(libc, ["EAGAIN"])) return false;
  checked(libc, `lock ${file.path}`, result);
  return true;
}

/** Puts a file in another's place, at once. */
export function renameFile(libc: Libc, from: string, to: string): void {
  checked(libc, `replace ${to}`, libc.files.rename(cString(from), cString(to)));
}

/** False when it was gone already. */
export function unlinkFile(libc: Libc, path: string): boolean {
  const result = libc.files.unlink(cString(path));
  if (result === -1 && namedErrno(libc, ["ENOENT"])) return false;
  checked(libc, `remove ${path}`, result);
  return true;
}

/** As many bytes as are there, from that place on. */
export function readAt(libc: Libc, file: OpenFile, into: Uint8Array, at: number): number {
  return checked(libc, `read ${file.path}`, libc.files.pread(file.fd, into, into.length, at));
}

export function writeAt(libc: Libc, file: OpenFile, bytes: Uint8Array, at: number): void {
  checked(libc, `write ${file.path}`, libc.files.pwrite(file.fd, bytes, bytes.length, at));
}

export function truncateFile(libc: Libc, file: OpenFile, size: number): void {
  checked(libc, `resize ${file.path}`, libc.files.ftruncate(file.fd, size));
}

/** Sets the time of the last change; the last access stays. Nanoseconds since the epoch. */
export function setModified(libc: Libc, file: OpenFile, time: bigint): void {
  const UTIME_OMIT = (1n << 30n) - 2n;
  const times = BigInt64Array.of(0n, UTIME_OMIT, time / 1_000_000_000n, time % 1_000_000_000n);
  checked(libc, `set the time of ${file.path}`, libc.files.futimens(file.fd, times));
}
