import { readAll, writeAll } from "../sys/file.ts";
import type { Libc } from "../sys/libc.ts";
import { findNetns, homeNetns } from "../sys/netns.ts";

/** The streams and the netns of a process that answers one call. Streams are read and written whole, blocking. */
export function callIo(libc: Libc) {
  const encoder = new TextEncoder();
  return {
    readStdin: (limit: number) => readAll(libc, 0, "stdin", limit),
    writeStdout: (text: string) => writeAll(libc, 1, encoder.encode(text), "stdout"),
    writeStderr: (text: string) => writeAll(libc, 2, encoder.encode(text), "stderr"),
    isOwnNetns(path: string) {
      const found = findNetns(libc, path);
      if (!found) return false;
      const home = homeNetns(libc);
      const isOwn = home.inode === found.inode;
      for (const netns of [found, home]) netns.close();
      return isOwn;
    },
  };
}
