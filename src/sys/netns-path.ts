import { closeSync, fstatSync, openSync } from "node:fs";
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
