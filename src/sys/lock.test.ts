import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLibc } from "./libc.ts";
import { tryLock } from "./lock.ts";

const libc = openLibc();
const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function lockPath(): string {
  const folder = mkdtempSync(join(tmpdir(), "lock-"));
  folders.push(folder);
  return join(folder, "lock");
}

/** Another process that tries the lock without waiting, as flock(1) does: whether it got it. */
function otherGetsIt(path: string): boolean {
  return Bun.spawnSync(["flock", "--nonblock", path, "true"]).exitCode === 0;
}

test("a lock keeps others out until it is released, in this process and in others", () => {
  const path = lockPath();
  const held = tryLock(libc, path);
  expect(held).toBeDefined();
  expect(tryLock(libc, path)).toBeUndefined();
  expect(otherGetsIt(path)).toBe(false);
  held?.release();
  expect(otherGetsIt(path)).toBe(true);
  const again = tryLock(libc, path);
  expect(again).toBeDefined();
  again?.release();
});

test("its file is nobody else's", () => {
  const path = lockPath();
  tryLock(libc, path)?.release();
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("a child does not inherit it", () => {
  const path = lockPath();
  const held = tryLock(libc, path);
  const child = Bun.spawn(["sleep", "60"]);
  held?.release();
  expect(otherGetsIt(path)).toBe(true);
  child.kill("SIGKILL");
});

test("a folder that is not there is told by its path", () => {
  expect(() => tryLock(libc, join(lockPath(), "deeper", "lock"))).toThrow("deeper");
});
