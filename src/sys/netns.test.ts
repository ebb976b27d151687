import { expect, test } from "bun:test";
import { openLibc } from "./libc.ts";
import { findNetns, homeNetns, socketInNetns, withNetns } from "./netns.ts";
import { isInhabited, openNetns, ownNetns } from "./netns-path.ts";

const libc = openLibc();

test("a netns is known by its inode, by whichever path it was opened", () => {
  const own = ownNetns();
  const same = openNetns(`/proc/${process.pid}/ns/net`);
  expect(same.inode).toBe(own.inode);
  expect(same.fd).not.toBe(own.fd);
  for (const netns of [own, same]) netns.close();
});

test("what is no netns is refused by name, and this thread stays where it is", () => {
  const before = ownNetns();
  const version = openNetns("/proc/version");
  expect(() => withNetns(libc, version, () => true)).toThrow("/proc/version");
  expect(() => socketInNetns(libc, version, 16, 3, 0)).toThrow("/proc/version");
  const after = ownNetns();
  expect(after.inode).toBe(before.inode);
  for (const netns of [before, version, after]) netns.close();
});

test("a netns that is found is the one that node:fs opens", () => {
  const [own, found, home] = [ownNetns(), findNetns(libc, `/proc/${process.pid}/ns/net`), homeNetns(libc)];
  expect(found?.inode).toBe(own.inode);
  expect(home.inode).toBe(own.inode);
  for (const netns of [own, found, home]) netns?.close();
});

test("what is no netns is found to be none", () => {
  for (const path of ["/proc/version", "/", "/dev/null", "/none", "/proc/version/net", `/${"x".repeat(300)}`])
    expect(findNetns(libc, path)).toBeUndefined();
});

test("a netns is inhabited when a process lives in it", async () => {
  const own = ownNetns();
  own.close();
  expect(await isInhabited(own)).toBe(true);
  expect(await isInhabited({ inode: 1 })).toBe(false);
});
