import { dlopen, FFIType, type Pointer, read } from "bun:ffi";
import { UnderlayError } from "../lib/errors.ts";
import { errnoName, isForbidden, WHO_MAY } from "./errno.ts";

/**
 * The C library, as little of it as we need. The only FFI in the tree: a better way to call libc
 * changes this room and no other.
 */

const { i32, u32, u64, i64, ptr } = FFIType;

/**
 * Signatures of the man pages, section 2 and 3; size_t and ssize_t are 64 bits on both our targets. In groups, each
 * opened when it is first used: a symbol costs some 25 µs, and a CNI process needs few of them.
 */
const GROUPS = {
  /** What every program of ours calls. */
  call: {
    socket: { args: [i32, i32, i32], returns: i32 },
    bind: { args: [i32, ptr, u32], returns: i32 },
    setsockopt: { args: [i32, i32, i32, ptr, u32], returns: i32 },
    send: { args: [i32, ptr, u64, i32], returns: i64 },
    recvfrom: { args: [i32, ptr, u64, i32, ptr, ptr], returns: i64 },
    write: { args: [i32, ptr, u64], returns: i64 },
    close: { args: [i32], returns: i32 },
    setns: { args: [i32, i32], returns: i32 },
    open: { args: [ptr, i32, u32], returns: i32 },
    read: { args: [i32, ptr, u64], returns: i64 },
    statx: { args: [i32, ptr, i32, u32, ptr], returns: i32 },
    _exit: { args: [i32], returns: FFIType.void },
    __errno_location: { args: [], returns: ptr },
  },
  /** Directories, and files that are changed. */
  files: {
    pread: { args: [i32, ptr, u64, i64], returns: i64 },
    pwrite: { args: [i32, ptr, u64, i64], returns: i64 },
    getdents64: { args: [i32, ptr, u64], returns: i64 },
    mkdir: { args: [ptr, u32], returns: i32 },
    link: { args: [ptr, ptr], returns: i32 },
    linkat: { args: [i32, ptr, i32, ptr, i32], returns: i32 },
    rename: { args: [ptr, ptr], returns: i32 },
    unlink: { args: [ptr], returns: i32 },
    ftruncate: { args: [i32, i64], returns: i32 },
    futimens: { args: [i32, ptr], returns: i32 },
    flock: { args: [i32, i32], returns: i32 },
  },
  /** A program that nobody waits for. */
  spawn: {
    posix_spawn_file_actions_init: { args: [ptr], returns: i32 },
    posix_spawn_file_actions_adddup2: { args: [ptr, i32, i32], returns: i32 },
    posix_spawn_file_actions_addopen: { args: [ptr, i32, ptr, i32, u32], returns: i32 },
    posix_spawn_file_actions_destroy: { args: [ptr], returns: i32 },
    posix_spawnattr_init: { args: [ptr], returns: i32 },
    posix_spawnattr_setflags: { args: [ptr, i32], returns: i32 },
    posix_spawn: { args: [ptr, ptr, ptr, ptr, ptr, ptr], returns: i32 },
    waitpid: { args: [i32, ptr, i32], returns: i32 },
  },
  /** For threads, and for those who watch. */
  threads: {
    poll: { args: [ptr, u64, i32], returns: i32 },
    eventfd: { args: [u32, i32], returns: i32 },
    madvise: { args: [u64, u64, i32], returns: i32 },
    unshare: { args: [i32], returns: i32 },
    sendto: { args: [i32, ptr, u64, i32, ptr, u32], returns: i64 },
  },
} as const;

type Groups = typeof GROUPS;

/** The functions of each group. */
type Calls = { readonly [G in keyof Groups]: ReturnType<typeof dlopen<Groups[G]>>["symbols"] };

export interface Libc extends Calls {
  /** Errno of this thread. Read it at once after a call that returned -1. */
  errno(): number;
}

/**
 * Opens the C library for this thread.
 * Throws `unsupported` with the cause in words: no JIT (bun:ffi needs one), or a libc that is not glibc.
 */
export function openLibc(): Libc {
  try {
    const call = opened(GROUPS.call);
    const location = call.__errno_location() as Pointer;
    let files: Calls["files"] | undefined;
    let spawn: Calls["spawn"] | undefined;
    let threads: Calls["threads"] | undefined;
    return {
      call,
      get files() {
        files ??= opened(GROUPS.files);
        return files;
      },
      get spawn() {
        spawn ??= opened(GROUPS.spawn);
        return spawn;
      },
      get threads() {
        threads ??= opened(GROUPS.threads);
        return threads;
      },
      errno: () => read.i32(location, 0),
    };
  } catch (cause) {
    throw unsupported(cause);
  }
}

function opened<S extends Groups[keyof Groups]>(signatures: S) {
  return dlopen("libc.so.6", signatures).symbols;
}

function unsupported(cause: unknown): UnderlayError {
  const text = cause instanceof Error ? cause.message : String(cause);
  const message = /JIT/.test(text)
    ? "this program needs a JIT compiler and its use is forbidden here: remove MemoryDenyWriteExecute= or LimitAS= " +
      "from the unit (MemoryMax= bounds memory without harm), or unset BUN_JSC_useJIT"
    : "the GNU C library (libc.so.6) cannot be opened: musl systems such as Alpine are not supported";
  return new UnderlayError("unsupported", message, { cause });
}

/** The result of a call that returns -1 on failure; throws `permission` or `kernel` with the errno's name. */
export function checked(libc: Libc, what: string, result: number | bigint): number {
  if (result !== -1 && result !== -1n) return Number(result);
  throw errnoError(what, libc.errno());
}

export function errnoError(what: string, errno: number): UnderlayError {
  const name = errnoName(errno);
  const forbidden = isForbidden(name);
  const message = `${what}: ${name}${forbidden ? `: ${WHO_MAY}` : ""}`;
  return new UnderlayError(forbidden ? "permission" : "kernel", message, { errno: name });
}
