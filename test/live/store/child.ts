/** What the tests of this folder run in processes of their own: `bun child.ts VERB DIR …`, one JSON value a line on stdout. */
import { spawnSync } from "node:child_process";
import { writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { UnderlayError } from "../../../src/lib/errors.ts";
import { openStore } from "../../../src/store/sqlite.ts";

const say = (value: unknown) => writeSync(1, `${JSON.stringify(value)}\n`);

/** The error as data, or what `run` returned. */
async function outcome(run: () => unknown): Promise<unknown> {
  try {
    return (await run()) ?? "done";
  } catch (thrown) {
    return thrown instanceof UnderlayError
      ? { code: thrown.code, message: thrown.message }
      : { bug: String(thrown) };
  }
}

function run(...command: string[]): void {
  const [program = "", ...args] = command;
  const { status, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command.join(" ")}: ${stderr}`);
}

const verbs: Readonly<Record<string, (dir: string, ...args: string[]) => Promise<void>>> = {
  /** Opens and says the seed: several at once on a directory that does not exist yet. */
  seed: async (dir) => {
    const store = openStore(dir);
    say(store.seed);
    store.close();
  },

  /** Puts rows PREFIX-0, PREFIX-1, … and says each id when it was acknowledged. */
  rows: async (dir, table = "", prefix = "", count = "0") => {
    const rows = openStore(dir).table<string>(table === "networks" ? "networks" : "endpoints");
    for (let i = 0; i < Number(count); i++) {
      const id = `${prefix}-${i}`;
      await rows.put(id, "x".repeat(200), 0);
      say(id);
    }
  },

  /** Adds one to a shared counter, again whenever another process was faster. */
  count: async (dir, times = "0") => {
    const table = openStore(dir).table<number>("networks");
    for (let done = 0; done < Number(times); ) {
      const row = table.get("counter");
      const result = await outcome(() => table.put("counter", (row?.body ?? 0) + 1, row?.version ?? 0));
      if (typeof result === "object" && result && "version" in result) done++;
      else if (typeof result !== "object" || !result || !("code" in result) || result.code !== "conflict")
        throw new Error(JSON.stringify(result));
    }
    say("counted");
  },

  /** In a mount namespace of our own: a file system of 512 KiB that gets full, then has room again. */
  full: async (dir) => {
    run("mount", "-t", "tmpfs", "-o", "size=512k,mode=700", "none", dir);
    const store = openStore(dir);
    const table = store.table<string>("networks");
    await table.put("first", "kept", 0);
    writeFileSync(join(dir, "underlay.ballast"), "x".repeat(300 * 1024));
    let acknowledged = 0;
    const fill = async (): Promise<unknown> => {
      for (; ; acknowledged++) await table.put(`row-${acknowledged}`, "x".repeat(4000), 0);
    };
    say(await outcome(fill));
    say(table.list().length === acknowledged + 1);
    say(await outcome(() => openStore(dir).table("endpoints").put("e", "x".repeat(100_000), 0)));
    run("rm", join(dir, "underlay.ballast"));
    say(await outcome(async () => (await table.put("after", "room again", 0)).version));
  },

  /** The same on a file system that was full from the beginning. */
  fullAtOpen: async (dir) => {
    run("mount", "-t", "tmpfs", "-o", "size=16k,mode=700", "none", dir);
    writeFileSync(join(dir, "underlay.ballast"), "x".repeat(12 * 1024));
    say(await outcome(() => openStore(dir).seed));
  },

  /** A file system that is read-only, with a database on it and without. */
  readonly: async (dir) => {
    run("mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "none", dir);
    const made = openStore(join(dir, "made"));
    await made.table<string>("networks").put("lan", "kept", 0);
    made.close();
    run("mount", "-o", "remount,ro", dir);
    say(await outcome(() => openStore(join(dir, "made")).seed));
    say(await outcome(() => openStore(join(dir, "new")).seed));
    say(await outcome(() => openStore(join(dir, "made"), { readonly: true }).table("networks").get("lan")));
  },

  /** Two commits of one table between marks on stderr; the first write of a new WAL syncs its header in any case. */
  commits: async (dir, table = "", durability = "") => {
    const asked = durability === "normal" ? durability : undefined;
    const rows = openStore(dir).table<string>(table === "networks" ? "networks" : "endpoints");
    await rows.put("warm", "0", 0);
    writeSync(2, "MARK\n");
    await rows.put("a", "1", 0, asked);
    await rows.put("b", "2", 0, asked);
    writeSync(2, "MARK\n");
  },
};

const [verb = "", dir = "", ...args] = process.argv.slice(2);
await verbs[verb]?.(dir, ...args);
