import { Database } from "bun:sqlite";
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore } from "../../../src/store/sqlite.ts";
import { expectCode } from "../../../src/store/store.contract.ts";

/** What only shows with several processes, a kill, a full disk or strace. */

const root = mkdtempSync(join(tmpdir(), "underlay-store-processes-"));
const newDir = () => mkdtempSync(join(root, "case-"));
const CHILD = join(import.meta.dir, "child.ts");
const PRIVATE_MOUNTS = ["unshare", "--mount", "--propagation", "private"];

afterAll(() => rmSync(root, { recursive: true }));

function spawn(verb: string, args: readonly string[], wrapper: readonly string[] = []) {
  return Bun.spawn([...wrapper, process.execPath, CHILD, verb, ...args], {
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env },
  });
}

const linesOf = (text: string): string[] => text.split("\n").filter((line) => line !== "");

/** Every line that the child said, decoded; a child that fails fails the test with its stderr. */
async function said(verb: string, args: readonly string[], wrapper?: readonly string[]): Promise<unknown[]> {
  const child = spawn(verb, args, wrapper);
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`${verb} exited with ${code}: ${err}`);
  return linesOf(out).map((line): unknown => JSON.parse(line));
}

function integrityOf(dir: string): unknown {
  const db = new Database(join(dir, "underlay.db"));
  const found = db.query("PRAGMA integrity_check").all();
  db.close();
  return found;
}

describe("several processes", () => {
  test("that make one database at the same time agree on its seed", async () => {
    const dir = join(newDir(), "state");
    const seeds = await Promise.all(Array.from({ length: 6 }, () => said("seed", [dir])));
    expect(new Set(seeds.flat()).size).toBe(1);
  }, 30_000);

  test("that write at the same time lose nothing, and no change overwrites another unseen", async () => {
    const dir = newDir();
    await Promise.all([
      said("count", [dir, "100"]),
      said("count", [dir, "100"]),
      said("rows", [dir, "endpoints", "a", "200"]),
      said("rows", [dir, "networks", "b", "100"]),
    ]);
    const store = openStore(dir);
    expect(store.table<number>("networks").get("counter")).toEqual({
      id: "counter",
      version: 200,
      body: 200,
    });
    expect(store.table("endpoints").list().length).toBe(200);
    expect(store.table("networks").list().length).toBe(101);
    store.close();
  }, 60_000);

  test("a lock that is never given up is a state error before a handler's 10 s are over", async () => {
    const dir = newDir();
    const store = openStore(dir);
    const other = new Database(join(dir, "underlay.db"));
    other.run("BEGIN IMMEDIATE");
    const started = performance.now();
    const error = await expectCode("state", store.table("endpoints").put("a", "lan", 0));
    other.run("ROLLBACK");
    other.close();
    store.close();
    expect(error.message).toContain("locked by another process");
    expect(performance.now() - started).toBeLessThan(8000);
  }, 20_000);
});

describe("kill -9", () => {
  test.each([
    ["networks", 1],
    ["networks", 40],
    ["endpoints", 1],
    ["endpoints", 300],
  ])(
    "in the middle of writing %s after %i rows loses none that was acknowledged",
    async (table, rows) => {
      const dir = newDir();
      const child = spawn("rows", [dir, table, "r", "1000000"]);
      let heard = "";
      for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
        heard += chunk;
        if (linesOf(heard).length >= rows) child.kill("SIGKILL");
      }
      await child.exited;
      expect(child.signalCode).toBe("SIGKILL");

      const acknowledged = linesOf(heard.slice(0, heard.lastIndexOf("\n"))).map((line): unknown =>
        JSON.parse(line),
      );
      const store = openStore(dir);
      const kept = store.table(table === "networks" ? "networks" : "endpoints").list();
      store.close();
      expect(kept.map((row) => row.id)).toEqual(expect.arrayContaining(acknowledged));
      expect(kept.length - acknowledged.length).toBeLessThanOrEqual(1); // at most the one that was being said
      expect(integrityOf(dir)).toEqual([{ integrity_check: "ok" }]);
    },
    30_000,
  );
});

describe("the disk", () => {
  test("full while running: a clear error, nothing half-done, and it goes on when there is room", async () => {
    const [filled, whole, other, after] = await said("full", [newDir()], PRIVATE_MOUNTS);
    const full = { code: "state", message: expect.stringMatching(/no space is left.*free some space/) };
    expect(filled).toEqual(full);
    expect(whole).toBe(true);
    expect(other).toEqual(full);
    expect(after).toBe(1);
  }, 30_000);

  test("full from the beginning", async () => {
    const [opened] = await said("fullAtOpen", [newDir()], PRIVATE_MOUNTS);
    expect(opened).toEqual({ code: "state", message: expect.stringContaining("no space is left") });
  }, 30_000);

  test("read-only: writers get a clear error, a reader reads", async () => {
    const [made, fresh, read] = await said("readonly", [newDir()], PRIVATE_MOUNTS);
    const readonly = { code: "state", message: expect.stringContaining("mounted read-only") };
    expect(made).toEqual(readonly);
    expect(fresh).toEqual(readonly);
    expect(read).toEqual({ id: "lan", version: 1, body: "kept" });
  }, 30_000);

  test.each([
    ["networks", 2, "each commit is on the disk before it is acknowledged", ""],
    ["endpoints", 0, "no commit waits for the disk", ""],
    ["networks", 0, "nor one of what a power cut makes worthless", "normal"],
  ])(
    "%s: %i syncs for two commits: %s",
    async (table, syncs, _, durability) => {
      const dir = newDir();
      openStore(dir).close();
      const trace = join(dir, "underlay.trace");
      await said(
        "commits",
        [dir, table, durability],
        ["strace", "-f", "-o", trace, "-e", "trace=fsync,fdatasync,write"],
      );
      const lines = linesOf(await Bun.file(trace).text());
      const [from, to] = lines.flatMap((line, i) => (line.includes('"MARK\\n"') ? [i] : []));
      const between = lines.slice(from, to).filter((line) => /\b(fsync|fdatasync)\(/.test(line));
      expect(from).toBeDefined();
      expect(between.length).toBe(syncs);
    },
    30_000,
  );
});
