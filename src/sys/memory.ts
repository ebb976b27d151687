import { readFileSync, readlinkSync } from "node:fs";
import { checked, type Libc } from "./libc.ts";

/** `<sys/mman.h>`. */
const MADV_DONTNEED = 4;

/**
 * Unmaps the pages of this program's own code, which stay in the page cache: what is run next is mapped again, 16
 * pages at a fault. The start and the JIT compiler leave some 25 MB of code behind that is not run again, and the
 * kernel thinks twice before it takes back what a process has mapped executable. Code is never written to, so nothing
 * is lost. Throws `kernel`.
 */
export function releaseCode(libc: Libc): void {
  const program = readlinkSync("/proc/self/exe");
  for (const line of readFileSync("/proc/self/maps", "utf8").split("\n")) {
    const [, start, end, path] = /^(\w+)-(\w+) r-xp \S+ \S+ \S+ +(.*)$/.exec(line) ?? [];
    if (start === undefined || end === undefined || path !== program) continue;
    const from = BigInt(`0x${start}`);
    const length = BigInt(`0x${end}`) - from;
    checked(libc, "release code", libc.threads.madvise(from, length, MADV_DONTNEED));
  }
}
