import { readdirSync, readlinkSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { openLibc } from "../../src/sys/libc.ts";
import { makeScratchNetns, ownNetns, withNetns } from "../../src/sys/netns.ts";

/** A process that goes in and out of a netns before its thread pool is warm, and tells where its threads are then. */

const libc = openLibc();
const home = ownNetns();
const there = makeScratchNetns(libc);
let inside = true;
const reads: Promise<string>[] = [];
for (let i = 0; i < 200; i++) {
  inside &&= withNetns(libc, there, () => {
    const here = ownNetns();
    here.close();
    return here.inode === there.inode && here.inode !== home.inode;
  });
  reads.push(readFile("/proc/self/net/dev", "utf8"));
}
await Promise.all(reads);
const threads = readdirSync("/proc/self/task");
const elsewhere = threads.filter(
  (id) => readlinkSync(`/proc/self/task/${id}/ns/net`) !== `net:[${home.inode}]`,
);
process.stdout.write(JSON.stringify({ inside, threads: threads.length, elsewhere }));
