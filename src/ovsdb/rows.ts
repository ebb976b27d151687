import { UnderlayError } from "../lib/errors.ts";
import { type Datum, parseUuid, type Uuid } from "./datum.ts";
import type { JsonObject } from "./json.ts";
import { applyDifference, type RowChange, type TableChanges } from "./monitor.ts";
import type { Selection } from "./replica.ts";
import { present, readColumns } from "./row.ts";
import type { Schema } from "./schema.ts";
import { TABLES, type TableName } from "./tables.ts";

export type AnyRow = Readonly<Record<string, Datum>>;
export interface AnyChange {
  readonly table: TableName;
  readonly uuid: Uuid;
  readonly before: AnyRow | undefined;
  readonly after: AnyRow | undefined;
}

/** What a replica holds, fed by its monitor. Which columns a row has only the selection knows, and its types. */
export class Rows {
  readonly #selection: Selection;
  readonly #tables: ReadonlyMap<TableName, Map<Uuid, AnyRow>>;

  constructor(selection: Selection) {
    this.#selection = selection;
    this.#tables = new Map(tablesOf(selection).map((table) => [table, new Map()]));
  }

  of(table: TableName): ReadonlyMap<Uuid, AnyRow> {
    return this.#tables.get(table) ?? new Map();
  }

  /** `<monitor-requests>` for a server. */
  requests(schema: Schema): JsonObject {
    return Object.fromEntries(
      tablesOf(this.#selection).map((table) => [
        table,
        [{ columns: present(schema, table, columnsOf(this.#selection, table)) }],
      ]),
    );
  }

  /** All rows anew; answers how they differ from before. */
  load(schema: Schema, updates: TableChanges): readonly AnyChange[] {
    const changes: AnyChange[] = [];
    for (const [table, rows] of this.#tables) {
      const told = updates.get(table) ?? new Map<string, RowChange>();
      for (const uuid of rows.keys())
        if (!told.has(uuid)) changes.push(...this.#apply(schema, table, uuid, { kind: "gone" }));
      for (const [uuid, change] of told) changes.push(...this.#applyTo(schema, table, uuid, change));
    }
    return changes;
  }

  apply(schema: Schema, updates: TableChanges): readonly AnyChange[] {
    const changes: AnyChange[] = [];
    for (const table of this.#tables.keys())
      for (const [uuid, change] of updates.get(table) ?? [])
        changes.push(...this.#applyTo(schema, table, uuid, change));
    return changes;
  }

  #applyTo(schema: Schema, table: TableName, name: string, change: RowChange): readonly AnyChange[] {
    const uuid = parseUuid(name);
    return uuid === undefined ? [] : this.#apply(schema, table, uuid, change);
  }

  #apply(schema: Schema, table: TableName, uuid: Uuid, change: RowChange): readonly AnyChange[] {
    const rows = this.#tables.get(table);
    if (rows === undefined) return [];
    const before = rows.get(uuid);
    const after = this.#changed(schema, table, uuid, before, change);
    if (Bun.deepEquals(before, after)) return [];
    if (after) rows.set(uuid, after);
    else rows.delete(uuid);
    return [{ table, uuid, before, after }];
  }

  #changed(
    schema: Schema,
    table: TableName,
    uuid: Uuid,
    before: AnyRow | undefined,
    change: RowChange,
  ): AnyRow | undefined {
    if (change.kind === "gone") return undefined;
    if (change.kind === "whole") {
      const columns = columnsOf(this.#selection, table);
      return readColumns(schema, table, columns, { ...change.columns, _uuid: ["uuid", uuid] });
    }
    if (before === undefined)
      throw new UnderlayError("unsupported", `ovsdb tells a change of a row of ${table} that it never told`);
    const after: Record<string, Datum> = { ...before };
    for (const [name, json] of Object.entries(change.columns)) {
      const { shape, decode } = schema.reader(table, name);
      after[name] = applyDifference(shape, before[name], decode(json));
    }
    return after;
  }
}

function tablesOf(selection: Selection): readonly TableName[] {
  return Object.keys(selection).filter((name) => name in TABLES) as TableName[];
}

function columnsOf(selection: Selection, table: TableName): readonly string[] {
  return selection[table] ?? [];
}
