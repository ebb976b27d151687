import { UnderlayError } from "../lib/errors.ts";
import { namesIn, O, openFile, readFile, statusOf } from "./file.ts";
import type { Libc } from "./libc.ts";

/** Inode of the first pid namespace (`include/linux/proc_ns.h`, PROC_PID_INIT_INO): only from there all processes are seen. */
const FIRST_PID_NAMESPACE = 0xeffffffcn;

/**
 * Inodes of all netns that a process lives in or that are mounted anywhere; undefined when some may be hidden from us. One that
 * is kept by nothing but an open file descriptor is not found. About 20 µs a process.
 */
export function liveNetns(libc: Libc, proc = "/proc"): ReadonlySet<number> | undefined {
  if (statusOf(libc, `${proc}/self/ns/pid`)?.ino !== FIRST_PID_NAMESPACE) return undefined;
  const found = new Set<number>();
  const mountNamespaces = new Set<bigint>();
  let refused = false;
  for (const pid of processes(libc, proc)) {
    try {
      look(libc, `${proc}/${pid}`, found, mountNamespaces);
    } catch (error) {
      if (!(error instanceof UnderlayError && error.code === "permission")) throw error;
      refused = true;
    }
  }
  return refused && !mayLookEverywhere(libc, proc) ? undefined : found;
}

/** CAP_SYS_PTRACE of `<linux/capability.h>`. Who has it is refused a look at nothing but the odd process, often pid 1, that a sandbox hides. */
const MAY_LOOK = 1n << 19n;

function mayLookEverywhere(libc: Libc, proc: string): boolean {
  const status = new TextDecoder().decode(readFile(libc, `${proc}/self/status`) ?? new Uint8Array());
  const [, effective = "0"] = /^CapEff:\s*([0-9a-f]+)/m.exec(status) ?? [];
  return (BigInt(`0x${effective}`) & MAY_LOOK) !== 0n;
}

function look(libc: Libc, process: string, found: Set<number>, mountNamespaces: Set<bigint>): void {
  try {
    const netns = statusOf(libc, `${process}/ns/net`);
    if (netns) found.add(Number(netns.ino));
    const mounts = statusOf(libc, `${process}/ns/mnt`);
    if (!mounts || mountNamespaces.has(mounts.ino)) return;
    for (const inode of mountedIn(libc, `${process}/mountinfo`)) found.add(inode);
    mountNamespaces.add(mounts.ino);
  } catch (error) {
    // It has ended meanwhile: the kernel says so in both words.
    if (!(error instanceof UnderlayError && (error.errno === "ESRCH" || error.errno === "EINVAL")))
      throw error;
  }
}

function processes(libc: Libc, proc: string): string[] {
  const directory = openFile(libc, proc, O.O_RDONLY);
  if (!directory) return [];
  try {
    return namesIn(libc, directory).filter((name) => /^\d+$/.test(name));
  } finally {
    directory.close();
  }
}

/** The root of a mounted namespace is `net:[4026531840]`: proc_pid_mountinfo(5), field 4. */
function mountedIn(libc: Libc, path: string): number[] {
  const text = new TextDecoder().decode(readFile(libc, path) ?? new Uint8Array());
  return [...text.matchAll(/ net:\[(\d+)\] /g)].map(([, inode]) => Number(inode));
}
