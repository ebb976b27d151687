import { type Datum, encode } from "./datum.ts";
import type { Json, JsonObject } from "./json.ts";
import type { Mutation, Wait, Where } from "./operation.ts";
import type { Schema } from "./schema.ts";
import type { ColumnName, RowOf, TableName, Values } from "./tables.ts";

/** Rows and parts of operations as they are on the wire, by the server's schema. */

/** Throws `unsupported` for a column that the server has not. */
export function rowOf<T extends TableName>(schema: Schema, table: T, values: Values<T>): JsonObject {
  const row: Record<string, Json> = {};
  for (const [name, value] of Object.entries(values)) row[name] = schema.column(table, name).encode(value);
  return row;
}

/** The columns that this server has: one that it lacks is read as unset. */
export function present(schema: Schema, table: TableName, columns: readonly string[]): readonly string[] {
  return columns.filter((name) => schema.has(table, name));
}

/** A row as it came; a column that is not in it has its default. */
export function readRow<T extends TableName, C extends ColumnName<T>>(
  schema: Schema,
  table: T,
  columns: readonly C[],
  json: JsonObject,
): RowOf<T, C> {
  // Each column is read by the shape that the type of the row is derived from.
  return readColumns(schema, table, columns, json) as unknown as RowOf<T, C>;
}

export function readColumns(
  schema: Schema,
  table: TableName,
  columns: readonly string[],
  json: JsonObject,
): Readonly<Record<string, Datum>> {
  const row: Record<string, Datum> = {};
  for (const name of ["_uuid", ...columns]) {
    const value = json[name];
    const column = schema.reader(table, name);
    row[name] = value === undefined ? column.whenAbsent : column.decode(value);
  }
  return row;
}

export function whereOf<T extends TableName>(schema: Schema, table: T, where: Where<T>): Json {
  return where.map(([name, test, value]) => [name, test, schema.column(table, name).encode(value)]);
}

export function mutationOf<T extends TableName>(schema: Schema, table: T, mutation: Mutation<T>): Json {
  const [name, change, value] = mutation;
  const column = schema.column(table, name);
  if (change === "delete keys" && Array.isArray(value))
    return [name, "delete", encode({ kind: "set", key: column.shape.key }, value, `${table}.${name}`)];
  return [name, change, column.encode(value)];
}

/** `timeout` in milliseconds; none: for ever. */
export function waitOf<T extends TableName>(schema: Schema, wait: Wait<T>, timeout?: number): JsonObject {
  const { table, where, columns, until, rows } = wait;
  return {
    op: "wait",
    table,
    where: whereOf(schema, table, where),
    columns,
    until,
    rows: rows.map((row) => rowOf(schema, table, row)),
    ...(timeout !== undefined && { timeout }),
  };
}
