import { UnderlayError } from "../lib/errors.ts";
import { O, type OpenFile, openFile, statusOf } from "./file.ts";
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

/**
 * The netns at a path, or undefined when there is none: nothing is there, or a file that is no netns, such as a name
 * whose mount is gone or hidden from us. Throws `permission`.
 */
export function findNetns(libc: Libc, path: string): Netns | undefined {
  const file = openFile(libc, path, O.O_RDONLY, { unless: NOTHING_THERE });
  if (!file) return undefined;
  const [own, found] = [statusOf(libc, OWN_NETNS), statusOf(libc, file)];
  if (own !== undefined && found?.device === own.device) return netnsOf(file, found.ino);
  file.close();
  return undefined;
}

/** A device whose driver is gone, or a socket, cannot be opened; neither is a netns. */
const NOTHING_THERE = ["ENOENT", "ENOTDIR", "ENXIO", "ENODEV", "ELOOP", "ENAMETOOLONG"];

function netnsOf({ fd, path, close }: OpenFile, inode: bigint): Netns {
  return { fd, inode: Number(inode), path, close };
}

/** The calling thread's own. */
export function homeNetns(libc: Libc): Netns {
  const file = openFile(libc, OWN_NETNS, O.O_RDONLY);
  const status = file && statusOf(libc, file);
  if (!file || !status)
    throw new UnderlayError("unsupported", `${OWN_NETNS} is not there: is /proc mounted?`);
  return netnsOf(file, status.ino);
}

type Synchronous<T> = T extends PromiseLike<unknown> ? never : T;

/**
 * Runs `work` with this thread inside a netns and comes back, whatever happens. The bracket is synchronous by type:
 * an await inside it would strand a pool thread in the wrong netns for the life of the process. Write a sysctl in it,
 * nothing else; a socket has a function of its own.
 */
export function withNetns<T>(libc: Libc, target: Netns, work: () => Synchronous<T>): Synchronous<T> {
  const home = homeNetns(libc);
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
  const home = homeNetns(libc);
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
  const home = homeNetns(libc);
  try {
    checked(libc, "make a network namespace", libc.threads.unshare(CLONE_NEWNET));
    try {
      return { ...homeNetns(libc), path: "scratch" };
    } finally {
      checked(libc, "leave a network namespace", libc.call.setns(home.fd, CLONE_NEWNET));
    }
  } finally {
    home.close();
  }
}
