import { constants, Database } from "bun:sqlite";
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { UnderlayError } from "../lib/errors.ts";
import { changedMeanwhile, isBusy, stateError } from "./failure.ts";
import { migrate, refuseFuture, schemaVersion, type TableName } from "./schema.ts";
import type { Durability, Row, Store, Table } from "./store.ts";

export const DATABASE_FILE = "underlay.db";

/** How long one attempt may hold the thread, and how long all attempts may take together, in milliseconds. */
const LOCK_WAIT = { attempt: 20, open: 2000, total: 5000 } as const;

const DURABILITY: Readonly<Record<TableName, Durability>> = {
  networks: "full",
  endpoints: "normal",
  parents: "full",
  attachments: "normal",
  moves: "full",
};

/**
 * Pages of 4 kB: after so many a commit waits for a checkpoint. SQLite's own 1,000 are there after some 170 containers,
 * and each time everybody waits for the disk; the daemon checkpoints when nothing is asked.
 */
const AUTO_CHECKPOINT = 8000;

export interface OpenOptions {
  /** Makes the directory (0700) and the file (0600) when they are missing; default true unless `readonly`. */
  readonly create?: boolean;
  /** Looks only: works beside a running daemon, after it, and on a read-only file system. */
  readonly readonly?: boolean;
}

/**
 * Opens `stateDir/underlay.db`, bringing its schema up to date.
 * Throws `state`: missing (with `create: false`), unreadable, damaged, from a newer version, or locked too long.
 */
export function openStore(stateDir: string, options: OpenOptions = {}): Store {
  const path = join(stateDir, DATABASE_FILE);
  try {
    return options.readonly ? openReadonly(path) : openWritable(stateDir, path, options.create ?? true);
  } catch (thrown) {
    throw stateError(thrown, path);
  }
}

function openWritable(stateDir: string, path: string, create: boolean): Store {
  if (create) secureFiles(stateDir, path);
  const db = new Database(path, { readwrite: true, create: false });
  try {
    db.run(`PRAGMA busy_timeout = ${LOCK_WAIT.open}`);
    refuseFuture(db, path);
    db.run("PRAGMA journal_mode = WAL");
    db.run("PRAGMA synchronous = FULL");
    db.run(`PRAGMA wal_autocheckpoint = ${AUTO_CHECKPOINT}`);
    migrate(db, path);
    db.run(`PRAGMA busy_timeout = ${LOCK_WAIT.attempt}`);
    return storeOn(db, path);
  } catch (thrown) {
    db.close();
    throw thrown;
  }
}

function openReadonly(path: string): Store {
  if (!existsSync(path)) {
    throw new UnderlayError(
      "state",
      `there is no state database at ${path}: the daemon makes it at its first start`,
      {
        inputs: { path },
      },
    );
  }
  const db = readonlyDatabase(path);
  try {
    refuseFuture(db, path);
    if (schemaVersion(db) === 0) throw new UnderlayError("state", `${path} is empty: start the daemon once`);
    return storeOn(db, path);
  } catch (thrown) {
    db.close();
    throw thrown;
  }
}

/**
 * Reading a WAL database needs its index file, which cannot be made on a read-only file system; without a WAL
 * nobody can be writing there, so `immutable` (https://sqlite.org/wal.html#read_only_databases) is safe.
 */
function readonlyDatabase(path: string): Database {
  const db = new Database(path, { readonly: true });
  try {
    db.run(`PRAGMA busy_timeout = ${LOCK_WAIT.open}`);
    schemaVersion(db);
    return db;
  } catch (thrown) {
    db.close();
    if (existsSync(`${path}-wal`) || stateError(thrown, path).inputs["sqlite"] !== "SQLITE_CANTOPEN")
      throw thrown;
    const uri = `file:${encodeURI(path).replace(/[?#]/g, encodeURIComponent)}?immutable=1`;
    return new Database(uri, constants.SQLITE_OPEN_READONLY | constants.SQLITE_OPEN_URI);
  }
}

/** SQLite gives its WAL and index files the mode of the database, so that is made before SQLite sees it. */
function secureFiles(stateDir: string, path: string): void {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  if (isOpenToOthers(stateDir)) {
    const foreign = readdirSync(stateDir).find((name) => !name.startsWith("underlay."));
    if (foreign !== undefined) {
      throw new UnderlayError(
        "state",
        `${stateDir} is open to other users and holds ${foreign}, which is not ours: ` +
          `run \`chmod 700 ${stateDir}\`, or choose another state directory`,
        { inputs: { stateDir } },
      );
    }
    chmodSync(stateDir, 0o700);
  }
  closeSync(openSync(path, "a", 0o600));
  if (isOpenToOthers(path)) chmodSync(path, 0o600);
}

function isOpenToOthers(path: string): boolean {
  return (statSync(path).mode & 0o077) !== 0;
}

function storeOn(db: Database, path: string): Store {
  const seed = db.query<{ value: string }, []>("SELECT value FROM meta WHERE key = 'seed'").get()?.value;
  if (seed === undefined)
    throw new UnderlayError("state", `${path} has lost its seed: restore it from a backup`);
  const durability = durabilityOf(db);
  return {
    seed,
    table: <Body>(name: TableName) => tableOn<Body>(db, path, name, durability),
    checkpoint() {
      try {
        db.run("PRAGMA wal_checkpoint(PASSIVE)");
      } catch (thrown) {
        throw stateError(thrown, path);
      }
    },
    close: () => db.close(),
  };
}

interface StoredRow {
  readonly id: string;
  readonly version: number;
  readonly body: string;
}

/** Sets how safely the connection commits; only what differs from the last time is a statement. */
type SetDurability = (wanted: Durability) => void;

function durabilityOf(db: Database): SetDurability {
  let current: Durability | undefined;
  return (wanted) => {
    if (wanted === current) return;
    // Takes effect only outside of a transaction; the connection is ours alone and nothing awaits inside one.
    db.run(`PRAGMA synchronous = ${wanted === "full" ? "FULL" : "NORMAL"}`);
    current = wanted;
  };
}

function tableOn<Body>(
  db: Database,
  path: string,
  name: TableName,
  setDurability: SetDurability,
): Table<Body> {
  const select = db.query<StoredRow, [string]>(`SELECT id, version, body FROM ${name} WHERE id = ?`);
  const selectAll = db.query<StoredRow, []>(`SELECT id, version, body FROM ${name} ORDER BY id`);
  const insert = db.query(`INSERT INTO ${name} VALUES (?, 1, ?) ON CONFLICT DO NOTHING`);
  const update = db.query(`UPDATE ${name} SET version = version + 1, body = ? WHERE id = ? AND version = ?`);
  const remove = db.query(`DELETE FROM ${name} WHERE id = ?`);

  const decode = (row: StoredRow): Row<Body> => ({ ...row, body: JSON.parse(row.body) });
  const read = <T>(query: () => T): T => {
    try {
      return query();
    } catch (thrown) {
      throw stateError(thrown, path);
    }
  };
  const write = (statement: () => void, durability = DURABILITY[name]) =>
    commit(path, () => {
      setDurability(durability);
      statement();
    });

  return {
    get: (id) =>
      read(() => {
        const row = select.get(id);
        return row ? decode(row) : undefined;
      }),
    list: () => read(() => selectAll.all().map(decode)),
    put: async (id, body, expected, durability) => {
      const text = JSON.stringify(body);
      await write(() => {
        const { changes } = expected === 0 ? insert.run(id, text) : update.run(text, id, expected);
        if (changes === 0) throw changedMeanwhile(name, id, expected, select.get(id)?.version);
      }, durability);
      return { id, version: expected + 1, body: JSON.parse(text) };
    },
    delete: (id) => write(() => remove.run(id)),
  };
}

/**
 * Runs a change of one statement, which is a transaction by itself, and returns when it is committed. The thread waits
 * for the lock 20 ms at most; then the attempt is repeated from the event loop until 5 s are over, which is a `state`
 * error.
 */
async function commit(path: string, change: () => void): Promise<void> {
  const deadline = performance.now() + LOCK_WAIT.total;
  for (let pause = 5; ; pause = Math.min(pause * 2, 100)) {
    try {
      change();
      return;
    } catch (thrown) {
      if (!isBusy(thrown) || performance.now() > deadline) throw stateError(thrown, path);
    }
    await Bun.sleep(pause);
  }
}
