import { ptr } from "bun:ffi";
import { errnoError, type Libc } from "./libc.ts";

/** `posix_spawn_file_actions_t` and `posix_spawnattr_t` are opaque; glibc's have 80 and 336 bytes. */
const OPAQUE_BYTES = 1024;
/** Of `<spawn.h>`: a session of its own, so that no signal for our group reaches it. */
const POSIX_SPAWN_SETSID = 0x80;
const O_RDWR = 2;

/**
 * Starts a program that nobody waits for, with a socket as its stdin, no output and an empty environment. Whoever reads
 * our own output sees its end with ours. Answers its pid, for who lives on: it stays a zombie until it is collected. Throws
 * `kernel`.
 */
export function spawnDetached(libc: Libc, argv: readonly string[], stdinFd: number): number {
  const { spawn } = libc;
  const words = argv.map((word) => new TextEncoder().encode(`${word}\0`));
  const nowhere = new TextEncoder().encode("/dev/null\0");
  const pointers = BigUint64Array.from([...words.map((word) => BigInt(ptr(word))), 0n]);
  const environment = BigUint64Array.of(0n);
  const [actions, attributes] = [new Uint8Array(OPAQUE_BYTES), new Uint8Array(OPAQUE_BYTES)];
  const pid = new Int32Array(1);

  spawn.posix_spawn_file_actions_init(actions);
  spawn.posix_spawn_file_actions_adddup2(actions, stdinFd, 0);
  for (const fd of [1, 2]) spawn.posix_spawn_file_actions_addopen(actions, fd, nowhere, O_RDWR, 0);
  spawn.posix_spawnattr_init(attributes);
  spawn.posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID);
  const [program] = words;
  if (!program) throw new RangeError("no program to start");
  const errno = spawn.posix_spawn(pid, program, actions, attributes, pointers, environment);
  spawn.posix_spawn_file_actions_destroy(actions);
  // Naming the words here keeps them alive until here: the kernel reads them by address.
  if (errno !== 0)
    throw errnoError(`start ${words.map((word) => new TextDecoder().decode(word)).join(" ")}`, errno);
  return pid[0] ?? 0;
}

const WNOHANG = 1;

/** False while the child runs; then it is no zombie any more. */
export function collectChild(libc: Libc, pid: number): boolean {
  return libc.spawn.waitpid(pid, null, WNOHANG) !== 0;
}
