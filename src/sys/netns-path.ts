import { closeSync, fstatSync, openSync, readdirSync, statSync } from "node:fs";
import { type Netns, OWN_NETNS } from "./netns.ts";

/** Netns by path for programs that have node:fs loaded anyway; its errors have the `code` that a walk tells apart. */

/** Opens the netns at a path such as /run/netns/blue or /proc/4711/ns/net. Throws the file system's error. */
export function openNetns(path: string): Netns {
  const fd = openSync(path, "r");
  return { fd, inode: fstatSync(fd).ino, path, close: () => closeSync(fd) };
}

export function ownNetns(): Netns {
  return openNetns(OWN_NETNS);
}

/** A look at a process costs some 10 µs, so many thousands would stop everything else for too long. */
const LOOKS_IN_A_ROW = 500;

/** Whether a process that can be seen lives in it. The youngest are looked at first: containers come after their host. */
export async function isInhabited({ inode }: Pick<Netns, "inode">, proc = "/proc"): Promise<boolean> {
  const pids = readdirSync(proc).filter((name) => /^\d+$/.test(name));
  for (const [i, pid] of pids.toReversed().entries()) {
    if (i > 0 && i % LOOKS_IN_A_ROW === 0) await new Promise(setImmediate);
    if (inodeAt(`${proc}/${pid}/ns/net`) === inode) return true;
  }
  return false;
}

/** What a process says that has ended, or that a sandbox hides from root itself. */
const UNSEEN: ReadonlySet<unknown> = new Set(["ENOENT", "ESRCH", "EACCES", "EPERM"]);

function inodeAt(path: string): number | undefined {
  try {
    return statSync(path).ino;
  } catch (error) {
    if (error instanceof Error && "code" in error && UNSEEN.has(error.code)) return undefined;
    throw error;
  }
}
