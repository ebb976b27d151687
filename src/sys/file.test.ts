import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  entriesIn,
  linkFile,
  lockOpen,
  makeDirectories,
  nameFile,
  namesIn,
  O,
  openFile,
  openUnnamed,
  readAll,
  readAt,
  readFile,
  renameFile,
  setModified,
  statusOf,
  truncateFile,
  unlinkFile,
  writeAll,
  writeAt,
} from "./file.ts";
import { openLibc } from "./libc.ts";

/** Each answer is compared with node:fs, which goes another way to the same kernel. */

const libc = openLibc();
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "ul-file-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const must = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error("nothing there");
  return value;
};

test("what was written is read, whatever its length", () => {
  for (const size of [0, 1, 4095, 4096, 4097, 300_000]) {
    const path = join(folder, `size-${size}`);
    const bytes = Uint8Array.from({ length: size }, (_, i) => i);
    const file = must(openFile(libc, path, O.O_WRONLY | O.O_CREAT | O.O_EXCL));
    writeAll(libc, file.fd, bytes, path);
    file.close();
    expect(new Uint8Array(readFileSync(path))).toEqual(bytes);
    expect(must(readFile(libc, path))).toEqual(bytes);
    expect(must(statusOf(libc, path)).size).toBe(size);
  }
});

test("more than the limit is told by one byte more", () => {
  const path = join(folder, "long");
  writeFileSync(path, "x".repeat(200_000));
  const file = must(openFile(libc, path, O.O_RDONLY));
  expect(readAll(libc, file.fd, path, 100_000).length).toBe(100_001);
  file.close();
});

test("a new file has the mode that was asked for, and an existing one is not made again", () => {
  const path = join(folder, "mode");
  must(openFile(libc, path, O.O_WRONLY | O.O_CREAT | O.O_EXCL, { mode: 0o640 })).close();
  expect(statSync(path).mode & 0o777).toBe(0o640);
  expect(openFile(libc, path, O.O_WRONLY | O.O_CREAT | O.O_EXCL, { unless: ["EEXIST"] })).toBeUndefined();
  expect(() => openFile(libc, path, O.O_WRONLY | O.O_CREAT | O.O_EXCL)).toThrow("EEXIST");
});

test("status is that of node:fs", () => {
  const own = [folder, join(folder, "mode")];
  for (const path of [...own, "/proc/self/ns/net", "/dev/null"]) {
    const mine = must(statusOf(libc, path));
    const theirs = statSync(path, { bigint: true });
    expect(mine.ino).toBe(theirs.ino);
    // The machine's files may be used by somebody this moment; a namespace's gets its times when it is looked at.
    if (own.includes(path)) expect([mine.modified, mine.changed]).toEqual([theirs.mtimeNs, theirs.ctimeNs]);
    expect(mine.isDirectory).toBe(theirs.isDirectory());
    expect(mine.isFile).toBe(theirs.isFile());
  }
  expect(statusOf(libc, join(folder, "none"))).toBeUndefined();
  expect(statusOf(libc, join(folder, "mode", "below"))).toBeUndefined();
  const open = must(openFile(libc, folder, O.O_RDONLY));
  expect(statusOf(libc, open)).toEqual(must(statusOf(libc, folder)));
  open.close();
});

test("all names of a large directory", () => {
  const large = join(folder, "large");
  makeDirectories(libc, large, 0o755);
  for (let i = 0; i < 500; i++) writeFileSync(join(large, `${i}${"x".repeat(200)}`), "");
  writeFileSync(join(large, "fd00::ä"), "");
  const open = must(openFile(libc, large, O.O_RDONLY));
  expect(namesIn(libc, open).sort()).toEqual(readdirSync(large).sort());
  open.close();
});

describe("names", () => {
  test("link gives a name once", () => {
    const [from, to] = [join(folder, "from"), join(folder, "to")];
    writeFileSync(from, "a");
    expect(linkFile(libc, from, to)).toBe(true);
    expect(linkFile(libc, from, to)).toBe(false);
    expect(unlinkFile(libc, from)).toBe(true);
    expect(unlinkFile(libc, from)).toBe(false);
    expect(readFileSync(to, "utf8")).toBe("a");
  });

  test("rename replaces", () => {
    const [from, to] = [join(folder, "new"), join(folder, "old")];
    writeFileSync(from, "new");
    writeFileSync(to, "old");
    renameFile(libc, from, to);
    expect(existsSync(from)).toBe(false);
    expect(readFileSync(to, "utf8")).toBe("new");
  });

  test("a NUL names no file", () => {
    expect(() => readFile(libc, `${folder}/mode\0`)).toThrow("is no path");
  });
});

test("directories are made with those above them, and twice", () => {
  const deep = join(folder, "a", "b", "c");
  makeDirectories(libc, deep, 0o755);
  makeDirectories(libc, deep, 0o755);
  expect(statSync(deep).isDirectory()).toBe(true);
  expect(() => makeDirectories(libc, join(folder, "mode", "x"), 0o755)).toThrow("ENOTDIR");
});

test("bytes in the middle, and the end", () => {
  const path = join(folder, "middle");
  const file = must(openFile(libc, path, O.O_RDWR | O.O_CREAT));
  truncateFile(libc, file, 100);
  writeAt(libc, file, Uint8Array.of(1, 2, 3), 50);
  const back = new Uint8Array(60);
  expect(readAt(libc, file, back, 45)).toBe(55);
  expect([...back.subarray(4, 9)]).toEqual([0, 1, 2, 3, 0]);
  file.close();
});

test("a time that is set is there to the nanosecond", () => {
  const file = must(openFile(libc, folder, O.O_RDONLY));
  const before = statSync(folder, { bigint: true }).atimeNs;
  setModified(libc, file, 1_700_000_000_123_456_789n);
  const after = statSync(folder, { bigint: true });
  expect(after.mtimeNs).toBe(1_700_000_000_123_456_789n);
  expect(after.atimeNs).toBe(before);
  file.close();
});

test("a pipe is read to its end", () => {
  const script = `
    const { openLibc } = await import(${JSON.stringify(join(import.meta.dir, "libc.ts"))});
    const { readAll } = await import(${JSON.stringify(join(import.meta.dir, "file.ts"))});
    console.log(readAll(openLibc(), 0, "stdin").length);`;
  const text = execFileSync(process.execPath, ["-e", script], { input: "x".repeat(1_000_000) });
  expect(String(text)).toBe("1000000\n");
});

test("a file without a name gets one at once, and only one that is free", () => {
  const to = join(folder, "named-late");
  const file = must(openUnnamed(libc, folder, 0o600));
  writeAll(libc, file.fd, Buffer.from("whole"), "the file");
  expect(existsSync(to)).toBe(false);
  expect(nameFile(libc, file, to)).toBe(true);
  expect(readFileSync(to, "utf8")).toBe("whole");
  expect(statSync(to).mode & 0o777).toBe(0o600);
  expect(nameFile(libc, file, to)).toBe(false);
  file.close();
  const before = readdirSync(folder).length;
  must(openUnnamed(libc, folder, 0o600)).close();
  expect(readdirSync(folder).length).toBe(before);
});

test("a file system that keeps no files without names says so", () => {
  expect(openUnnamed(libc, "/proc", 0o600)).toBeUndefined();
});

test("names come with their inodes", () => {
  const directory = must(openFile(libc, folder, O.O_RDONLY));
  const found = entriesIn(libc, directory);
  directory.close();
  expect(found.length).toBeGreaterThan(0);
  for (const { name, ino } of found) expect(ino).toBe(statSync(join(folder, name)).ino);
});

test("a lock is had by one at a time, until the file is closed", () => {
  const open = () => must(openFile(libc, join(folder, "lock"), O.O_RDWR | O.O_CREAT));
  const [one, two] = [open(), open()];
  expect([lockOpen(libc, one), lockOpen(libc, two)]).toEqual([true, false]);
  one.close();
  expect(lockOpen(libc, two)).toBe(true);
  two.close();
});
