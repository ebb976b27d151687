import { dlopen, FFIType, type Pointer, read } from "bun:ffi";
import { UnderlayError } from "../lib/errors.ts";
import { errnoName, isForbidden, WHO_MAY } from "./errno.ts";

/**
 * The C library, as little of it as we need. The only FFI in the tree: a better way to call libc
 * changes this room and no other.
 */

const { i32, u32, u64, i64, ptr } = FFIType;

/** Signatures of the man pages, section 2 and 3; size_t and ssize_t are 64 bits on both our targets. */
const SIGNATURES = {
  socket: { args: [i32, i32, i32], returns: i32 },
  bind: { args: [i32, ptr, u32], returns: i32 },
  setsockopt: { args: [i32, i32, i32, ptr, u32], returns: i32 },
  send: { args: [i32, ptr, u64, i32], returns: i64 },
  sendto: { args: [i32, ptr, u64, i32, ptr, u32], returns: i64 },
  recvfrom: { args: [i32, ptr, u64, i32, ptr, ptr], returns: i64 },
  poll: { args: [ptr, u64, i32], returns: i32 },
  eventfd: { args: [u32, i32], returns: i32 },
  write: { args: [i32, ptr, u64], returns: i64 },
  close: { args: [i32], returns: i32 },
  madvise: { args: [u64, u64, i32], returns: i32 },
  setns: { args: [i32, i32], returns: i32 },
  unshare: { args: [i32], returns: i32 },
  flock: { args: [i32, i32], returns: i32 },
  open: { args: [ptr, i32, u32], returns: i32 },
  read: { args: [i32, ptr, u64], returns: i64 },
  pread: { args: [i32, ptr, u64, i64], returns: i64 },
  pwrite: { args: [i32, ptr, u64, i64], returns: i64 },
  statx: { args: [i32, ptr, i32, u32, ptr], returns: i32 },
  getdents64: { args: [i32, ptr, u64], returns: i64 },
  mkdir: { args: [ptr, u32], returns: i32 },
  link: { args: [ptr, ptr], returns: i32 },
  linkat: { args: [i32, ptr, i32, ptr, i32], returns: i32 },
  rename: { args: [ptr, ptr], returns: i32 },
  unlink: { args: [ptr], returns: i32 },
  ftruncate: { args: [i32, i64], returns: i32 },
  futimens: { args: [i32, ptr], returns: i32 },
  posix_spawn_file_actions_init: { args: [ptr], returns: i32 },
  posix_spawn_file_actions_adddup2: { args: [ptr, i32, i32], returns: i32 },
  posix_spawn_file_actions_addopen: { args: [ptr, i32, ptr, i32, u32], returns: i32 },
  posix_spawn_file_actions_destroy: { args: [ptr], returns: i32 },
  posix_spawnattr_init: { args: [ptr], returns: i32 },
  posix_spawnattr_setflags: { args: [ptr, i32], returns: i32 },
  posix_spawn: { args: [ptr, ptr, ptr, ptr, ptr, ptr], returns: i32 },
  _exit: { args: [i32], returns: FFIType.void },
  __errno_location: { args: [], returns: ptr },
} as const;

type Symbols = ReturnType<typeof dlopen<typeof SIGNATURES>>["symbols"];

export interface Libc {
  readonly call: Symbols;
  /** Errno of this thread. Read it at once after a call that returned -1. */
  errno(): number;
}

/**
 * Opens the C library for this thread.
 * Throws `unsupported` with the cause in words: no JIT (bun:ffi needs one), or a libc that is not glibc.
 */
export function openLibc(): Libc {
  try {
    const { symbols } = dlopen("libc.so.6", SIGNATURES);
    const location = symbols.__errno_location() as Pointer;
    return { call: symbols, errno: () => read.i32(location, 0) };
  } catch (cause) {
    throw unsupported(cause);
  }
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
