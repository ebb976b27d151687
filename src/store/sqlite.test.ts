import { Database } from "bun:sqlite";
import { afterAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { UnderlayError } from "../lib/errors.ts";
import { memoryStore } from "./memory.ts";
import { SCHEMA_VERSION } from "./schema.ts";
import { DATABASE_FILE, type OpenOptions, openStore } from "./sqlite.ts";
import { expectCode, storeContract } from "./store.contract.ts";
import type { Store } from "./store.ts";

const root = mkdtempSync(join(tmpdir(), "underlay-store-"));
const opened: Store[] = [];
const newDir = () => join(mkdtempSync(join(root, "case-")), "state");
const mode = (path: string) => statSync(path).mode & 0o777;

function open(dir: string, options?: OpenOptions): Store {
  const store = openStore(dir, options);
  opened.push(store);
  return store;
}

function stateErrorOf(run: () => unknown): UnderlayError {
  try {
    run();
  } catch (thrown) {
    if (!(thrown instanceof UnderlayError)) throw thrown;
    expect(thrown.code).toBe("state");
    return thrown;
  }
  throw new Error("nothing was thrown");
}

afterAll(() => {
  for (const store of opened) store.close();
  rmSync(root, { recursive: true });
});

storeContract("openStore", () => open(newDir()));

/** One step on a table, by the few ids and versions that make them meet. */
const step = fc.record({
  table: fc.constantFrom(
    "networks" as const,
    "endpoints" as const,
    "parents" as const,
    "attachments" as const,
    "moves" as const,
  ),
  what: fc.constantFrom("put" as const, "put" as const, "delete" as const),
  id: fc.constantFrom("a", "b", "ä"),
  body: fc.jsonValue(),
  expected: fc.nat(3),
});

test("the store in memory does what the one on disk does", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const stores = [openStore(newDir()), memoryStore()];
      for (const { table, what, id, body, expected } of steps) {
        const work = (store: Store) => {
          const rows = store.table<unknown>(table);
          return what === "put" ? rows.put(id, body, expected) : rows.delete(id);
        };
        const [disk, memory] = await Promise.allSettled(stores.map(work));
        expect(memory).toEqual(disk);
      }
      const [disk, memory] = stores.map((store) => [
        store.table("networks").list(),
        store.table("endpoints").list(),
        store.table("parents").list(),
        store.table("attachments").list(),
        store.table("moves").list(),
      ]);
      expect(memory).toEqual(disk);
      for (const store of stores) store.close();
    }),
    { numRuns: 60 },
  );
});

describe("files", () => {
  test("the directory is 0700, the database, its WAL and its index are 0600, whatever the umask", async () => {
    const dir = newDir();
    await open(dir).table("networks").put("a", {}, 0);
    expect(mode(dir)).toBe(0o700);
    for (const suffix of ["", "-wal", "-shm"]) expect(mode(join(dir, DATABASE_FILE + suffix))).toBe(0o600);
  });

  test("a directory and file of ours that are too open are closed", () => {
    const dir = newDir();
    openStore(dir).close();
    chmodSync(dir, 0o755);
    chmodSync(join(dir, DATABASE_FILE), 0o644);
    open(dir);
    expect(mode(dir)).toBe(0o700);
    expect(mode(join(dir, DATABASE_FILE))).toBe(0o600);
  });

  test("an open directory that holds other things is refused and left alone", () => {
    const dir = newDir();
    mkdirSync(dir);
    chmodSync(dir, 0o755);
    writeFileSync(join(dir, "letters.txt"), "");
    const error = stateErrorOf(() => openStore(dir));
    expect(error.message).toContain("letters.txt");
    expect(error.message).toContain(`chmod 700 ${dir}`);
    expect(mode(dir)).toBe(0o755);
    expect(existsSync(join(dir, DATABASE_FILE))).toBe(false);
  });

  test("the seed stays the same and differs between databases", () => {
    const dir = newDir();
    const seed = open(dir).seed;
    expect(open(dir).seed).toBe(seed);
    expect(open(newDir()).seed).not.toBe(seed);
  });

  test("without create a missing database is an error and stays missing", () => {
    const dir = newDir();
    stateErrorOf(() => openStore(dir, { create: false }));
    expect(existsSync(dir)).toBe(false);
  });

  test("a state directory that is a file is an error", () => {
    const dir = newDir();
    writeFileSync(dir, "");
    stateErrorOf(() => openStore(dir));
  });
});

describe("damaged and foreign databases", () => {
  test("a newer schema is refused with both versions and a way out; nothing is changed", () => {
    const dir = newDir();
    openStore(dir).close();
    const path = join(dir, DATABASE_FILE);
    const future = new Database(path);
    future.run(`PRAGMA user_version = ${SCHEMA_VERSION + 41}`);
    future.close();
    for (const options of [{}, { readonly: true }]) {
      const { message } = stateErrorOf(() => openStore(dir, options));
      expect(message).toContain(`schema version ${SCHEMA_VERSION + 41}`);
      expect(message).toContain(`only up to ${SCHEMA_VERSION}`);
      expect(message).toContain("install the newer Underlay");
    }
    const after = new Database(path);
    expect(after.query("PRAGMA user_version").get()).toEqual({ user_version: SCHEMA_VERSION + 41 });
    after.close();
  });

  test("one of schema version 1 is brought up to date and keeps its records", () => {
    const dir = newDir();
    const before = openStore(dir).seed;
    const path = join(dir, DATABASE_FILE);
    const old = new Database(path);
    old.run("DROP TABLE parents");
    old.run("DROP TABLE attachments");
    old.run("DROP TABLE moves");
    old.run("INSERT INTO networks VALUES ('a', 3, '{\"name\":\"lan\"}')");
    old.run("PRAGMA user_version = 1");
    old.close();
    const looked = open(dir, { readonly: true });
    expect(looked.table<{ name: string }>("networks").get("a")?.body.name).toBe("lan");
    const store = open(dir);
    expect(store.seed).toBe(before);
    expect(store.table<{ name: string }>("networks").get("a")).toEqual({
      id: "a",
      version: 3,
      body: { name: "lan" },
    });
    expect(store.table("parents").list()).toEqual([]);
    expect(store.table("attachments").list()).toEqual([]);
  });

  test.each([
    ["no database at all", () => Buffer.alloc(8192, "not sqlite"), /is not a database.*backup/],
    ["a database cut short", (whole: Buffer) => whole.subarray(0, 5000), /is damaged.*backup/],
  ])("%s is a state error that says what next", (_, damage, text) => {
    const dir = newDir();
    openStore(dir).close();
    const path = join(dir, DATABASE_FILE);
    const whole = readFileSync(path);
    writeFileSync(path, damage(whole));
    expect(stateErrorOf(() => openStore(dir).table("networks").list()).message).toMatch(text);
  });

  test("a record that is no JSON is a state error", () => {
    const dir = newDir();
    const store = open(dir);
    const db = new Database(join(dir, DATABASE_FILE));
    db.run("INSERT INTO networks VALUES ('a', 1, '{')");
    db.close();
    expect(stateErrorOf(() => store.table("networks").get("a")).message).toContain("is damaged");
  });
});

describe("read-only", () => {
  test("reads beside a writer and sees its later commits", async () => {
    const dir = newDir();
    const writer = open(dir).table<string>("networks");
    const reader = open(dir, { readonly: true }).table<string>("networks");
    expect(reader.list()).toEqual([]);
    await writer.put("a", "lan", 0);
    expect(reader.get("a")?.body).toBe("lan");
  });

  test("reads when nobody else has it open, and has the same seed", async () => {
    const dir = newDir();
    const writer = openStore(dir);
    await writer.table<string>("networks").put("a", "lan", 0);
    writer.close();
    const reader = open(dir, { readonly: true });
    expect(reader.table<string>("networks").get("a")?.body).toBe("lan");
    expect(reader.seed).toBe(writer.seed);
  });

  test("writing is a state error", async () => {
    const dir = newDir();
    openStore(dir).close();
    await expectCode("state", open(dir, { readonly: true }).table("networks").put("a", {}, 0));
  });

  test("a database that was never made says who makes it", () => {
    expect(stateErrorOf(() => openStore(newDir(), { readonly: true })).message).toContain("first start");
  });
});

describe("locks", () => {
  test("a writer waits for another one without holding the event loop longer than one attempt", async () => {
    const dir = newDir();
    const table = open(dir).table<string>("networks");
    const other = new Database(join(dir, DATABASE_FILE));
    other.run("BEGIN IMMEDIATE");
    const ticks: number[] = [];
    const clock = setInterval(() => ticks.push(performance.now()), 5);
    const put = table.put("a", "lan", 0);
    await Bun.sleep(300);
    other.run("COMMIT");
    other.close();
    await put;
    clearInterval(clock);
    const gaps = ticks.slice(1).map((tick, i) => tick - (ticks[i] ?? 0));
    expect(ticks.length).toBeGreaterThan(4);
    expect(Math.max(...gaps)).toBeLessThan(150);
    expect(table.get("a")?.body).toBe("lan");
  });
});

describe("a checkpoint", () => {
  /** What the file proper says, without its WAL. */
  function inFile(dir: string): number {
    const alone = newDir();
    mkdirSync(alone, { recursive: true, mode: 0o700 });
    copyFileSync(join(dir, DATABASE_FILE), join(alone, DATABASE_FILE));
    return open(alone).table<string>("networks").list().length;
  }

  test("takes over what was committed, which commits alone do not for thousands of pages", async () => {
    const dir = newDir();
    const store = open(dir);
    store.checkpoint();
    const table = store.table<string>("networks");
    for (let i = 0; i < 1500; i++) await table.put(`n${i}`, "lan".repeat(100), 0);
    expect(inFile(dir)).toBe(0);
    store.checkpoint();
    expect(inFile(dir)).toBe(1500);
  });

  test("waits for nobody: beside a writer it takes over what it can", async () => {
    const dir = newDir();
    const store = open(dir);
    await store.table<string>("networks").put("a", "lan", 0);
    const other = new Database(join(dir, DATABASE_FILE));
    other.run("BEGIN IMMEDIATE");
    store.checkpoint();
    other.run("COMMIT");
    other.close();
    expect(store.table<string>("networks").list()).toHaveLength(1);
  });
});
