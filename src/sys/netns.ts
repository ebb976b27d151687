import { closeSync, fstatSync, openSync } from "node:fs";
import { checked, type Libc } from "./libc.ts";

const CLONE_NEWNET = 0x40000000; // <linux/sched.h>

/** The netns of the calling thread. Not /proc/self: that is the main thread's. */
const OWN_NETNS = "/proc/thread-self/ns/net";

/** A netns held open by a file descriptor: it lives as long as somebody holds it. */
export interface Netns {
  readonly fd: number;
  readonly inode: number;
  readonly path: string;
  close(): void;
}

/** Opens the netns at a path such as /run/netns/blue or /proc/4711/ns/net. Throws the file system's error. */
export function openNetns(path: string): Netns {
  const fd = openSync(path, "r");
  return { fd, inode: fstatSync(fd).ino, path, close: () => closeSync(fd) };
}

export function ownNetns(): Netns {
  return openNetns(OWN_NETNS);
}

type Synchronous<T> = T extends PromiseLike<unknown> ? never : T;

/**
 * Runs `work` with this thread inside a netns and comes back, whatever happens. The bracket is synchronous by type:
 * an await inside it would strand a pool thread in the wrong netns for the life of the process. Open a socket or
 * write a sysctl in it, nothing else.
 */
export function withNetns<T>(libc: Libc, target: Netns, work: () => Synchronous<T>): Synchronous<T> {
  const home = ownNetns();
  try {
    checked(libc, `enter network namespace ${target.path}`, libc.call.setns(target.fd, CLONE_NEWNET));
    try {
      return work();
    } finally {
      checked(libc, "leave a network namespace", libc.call.setns(home.fd, CLONE_NEWNET));
    }
  } finally {
    home.close();
  }
}

/** A new, empty netns without a name: it goes when it is closed. */
export function makeScratchNetns(libc: Libc): Netns {
  const home = ownNetns();
  try {
    checked(libc, "make a network namespace", libc.call.unshare(CLONE_NEWNET));
    try {
      return { ...ownNetns(), path: "scratch" };
    } finally {
      checked(libc, "leave a network namespace", libc.call.setns(home.fd, CLONE_NEWNET));
    }
  } finally {
    home.close();
  }
}
