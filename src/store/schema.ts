import type { Database } from "bun:sqlite";
import { UnderlayError } from "../lib/errors.ts";

/** The tables that hold records; each has the columns `id`, `version`, `body` (JSON). */
export const TABLES = ["networks", "endpoints", "parents", "attachments", "moves"] as const;
export type TableName = (typeof TABLES)[number];

const records = (table: TableName) =>
  `CREATE TABLE ${table} (id TEXT PRIMARY KEY, version INTEGER NOT NULL, body TEXT NOT NULL) STRICT, WITHOUT ROWID`;

/**
 * Step N brings a database from version N to N + 1 (`PRAGMA user_version`). Steps that were released are never
 * edited: a database on somebody's disk has already taken them.
 */
const MIGRATIONS: readonly (readonly string[])[] = [
  [
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    "INSERT INTO meta VALUES ('seed', lower(hex(randomblob(16))))",
    records("networks"),
    records("endpoints"),
  ],
  [records("parents")],
  [records("attachments")],
  [records("moves")],
];

export const SCHEMA_VERSION = MIGRATIONS.length;

export function schemaVersion(db: Database): number {
  return db.query<{ user_version: number }, []>("PRAGMA user_version").get()?.user_version ?? 0;
}

/** Throws `state` for a database that a newer Underlay wrote; nothing in it is touched. */
export function refuseFuture(db: Database, path: string): void {
  const found = schemaVersion(db);
  if (found <= SCHEMA_VERSION) return;
  throw new UnderlayError(
    "state",
    `${path} has schema version ${found}, but this Underlay knows only up to ${SCHEMA_VERSION}: ` +
      "install the newer Underlay that wrote it again, or move the file away to start empty " +
      "(its networks must then be created again)",
    { inputs: { path, found, known: SCHEMA_VERSION } },
  );
}

/**
 * Runs the missing migrations in one transaction. The version is read again inside of it, because another
 * process may have migrated between our look and our lock.
 */
export function migrate(db: Database, path: string): void {
  refuseFuture(db, path);
  if (schemaVersion(db) === SCHEMA_VERSION) return;
  const run = db.transaction(() => {
    for (const statement of MIGRATIONS.slice(schemaVersion(db)).flat()) db.run(statement);
    db.run(`PRAGMA user_version = ${SCHEMA_VERSION}`);
  });
  run.immediate();
}
