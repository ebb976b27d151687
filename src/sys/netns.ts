import { closeSync, fstatSync, openSync } from "node:fs";
import { checked, type Libc } from "./libc.ts";

const CLONE_NEWNET = 0x40000000; // <linux/sched.h>

/** The netns of the calling thread. Not /proc/self: that is the main thread's. */
export const OWN_NETNS = "/proc/thread-self/ns/net";

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
 * an await inside it would strand a pool thread in the wrong netns for the life of the process. Write a sysctl in it,
 * nothing else; a socket has a function of its own.
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

/**
 * socket(2) in another netns. Throws `permission` or `kernel`.
 *
 * Between the two setns calls nothing is called but socket: no function, no loop, no allocation. At any of these the
 * engine may start a thread for its compiler, and that thread would be born in the other netns and keep it alive,
 * with a dead container's links in it. With a closure in between it did so in one of ten processes, without in none of
 * three hundred.
 */
export function socketInNetns(
  libc: Libc,
  target: Netns,
  domain: number,
  type: number,
  protocol: number,
): number {
  const { setns, socket } = libc.call;
  const home = ownNetns();
  const entered = setns(target.fd, CLONE_NEWNET);
  const fd = entered === 0 ? socket(domain, type, protocol) : -1;
  const left = entered === 0 ? setns(home.fd, CLONE_NEWNET) : 0;
  // A call that succeeds leaves errno alone, so it still tells of the one that failed.
  try {
    checked(libc, "leave a network namespace", left);
    checked(libc, `enter network namespace ${target.path}`, entered);
    return checked(libc, `open a socket in network namespace ${target.path}`, fd);
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
