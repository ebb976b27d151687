import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { NETLINK_ROUTE, openRequestSocket } from "../../src/netlink/open.ts";
import { openLibc } from "../../src/sys/libc.ts";
import { makeScratchNetns } from "../../src/sys/netns.ts";
import { ownNetns } from "../../src/sys/netns-path.ts";

/** A process that opens sockets elsewhere before its threads are there, and tells where its threads are then. */

const libc = openLibc();
const home = ownNetns();
const there = makeScratchNetns(libc);
const reads: Promise<string>[] = [];
for (let i = 0; i < 200; i++) {
  openRequestSocket(libc, NETLINK_ROUTE, there).close();
  reads.push(readFile("/proc/self/net/dev", "utf8"));
}
await Promise.all(reads);
const threads = readdirSync("/proc/self/task").map((id) => ({
  name: readFileSync(`/proc/self/task/${id}/comm`, "utf8").trim(),
  netns: readlinkSync(`/proc/self/task/${id}/ns/net`),
}));
const elsewhere = threads.filter(({ netns }) => netns !== `net:[${home.inode}]`).map(({ name }) => name);
process.stdout.write(JSON.stringify({ threads: threads.length, elsewhere }));
