import { UnderlayError } from "../lib/errors.ts";
import type { Libc } from "../sys/libc.ts";
import { type Lock, tryLock } from "../sys/lock.ts";

/** Milliseconds between two looks. Another process that makes or removes a parent is done in some 20 ms. */
const LOOK = 10;

/** The lock of a file. Throws `timeout` when another process keeps it longer than so many milliseconds. */
export async function awaitLock(libc: Libc, path: string, patience: number): Promise<Lock> {
  const deadline = performance.now() + patience;
  for (;;) {
    const lock = tryLock(libc, path);
    if (lock) return lock;
    if (performance.now() > deadline) {
      throw new UnderlayError(
        "timeout",
        `another process keeps the lock ${path}: \`fuser -v ${path}\` names it`,
      );
    }
    await Bun.sleep(LOOK);
  }
}
