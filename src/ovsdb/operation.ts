import { UnderlayError } from "../lib/errors.ts";
import { quote, word } from "../lib/quote.ts";
import { IDENTIFIER, type NamedUuid, parseUuid, type Uuid } from "./datum.ts";
import { isList, isObject, type JsonObject } from "./json.ts";
import { mutationOf, present, readRow, rowOf, waitOf, whereOf } from "./row.ts";
import type { Schema } from "./schema.ts";
import type { ColumnName, Input, RowOf, TableName, Tables, Values } from "./tables.ts";

/** The operations of a transaction (RFC 7047 section 5.2), one function for each, made before a server is known. */

/** One step of a transaction; `R` is what it answers. */
export interface Operation<R> {
  /** For errors: `insert Port`. */
  readonly what: string;
  /** A transaction of such alone can be tried again, whatever became of it. */
  readonly reads: boolean;
  /** Goes before it, and is not met when no row is there that the operation demands. */
  readonly guard?: (schema: Schema) => JsonObject;
  readonly encode: (schema: Schema) => JsonObject;
  /** Undefined for an answer that is none. */
  readonly decode: (schema: Schema, answer: JsonObject) => R | undefined;
}

/** What several operations answer, in their order. */
export type Answers<Ops extends readonly Operation<unknown>[]> = {
  readonly [I in keyof Ops]: Ops[I] extends Operation<infer R> ? R : never;
};

type Comparable<T extends TableName> = {
  [C in ColumnName<T>]: Tables[T][C] extends { key: "integer" | "int64" | "real"; kind: "one" | "optional" }
    ? C
    : never;
}[ColumnName<T>];

type Equal = "==" | "!=";
type Within = "includes" | "excludes";
type Order = "<" | "<=" | ">" | ">=";

/** One test of a row (section 5.1, `<condition>`). A map that includes another has all its pairs. */
export type Condition<T extends TableName> =
  | { [C in ColumnName<T>]: readonly [C, Equal | Within, Input<T, C>] }[ColumnName<T>]
  | readonly ["_uuid", Equal, Uuid | NamedUuid]
  | readonly [Comparable<T>, Order, number | bigint];

/** All of them have to hold; none: every row. */
export type Where<T extends TableName> = readonly Condition<T>[];

/**
 * How many rows a change must concern. `some`: without one the whole transaction is rolled back and fails with
 * `not_found`; OVSDB itself calls no row a success. `any`: none is all right.
 */
export type Demand = "some" | "any";

/** A row that a later operation of the same transaction can name: use it wherever a UUID is written. */
export function named(name: string): NamedUuid {
  if (!IDENTIFIER.test(name))
    throw new UnderlayError(
      "internal",
      `${quote(name)} cannot name a row: letters, digits and _ alone, no digit first`,
    );
  return { named: name };
}

/** Answers the new row's UUID. A row of a table that is no root goes at once unless another row refers to it. */
export function insert<T extends TableName>(table: T, values: Values<T>, as?: NamedUuid): Operation<Uuid> {
  return {
    what: `insert ${table}`,
    reads: false,
    encode: (schema) => ({
      op: "insert",
      table,
      row: rowOf(schema, table, values),
      ...(as && { "uuid-name": as.named }),
    }),
    decode: (_schema, { uuid }) =>
      isList(uuid) && uuid[0] === "uuid" && typeof uuid[1] === "string" ? parseUuid(uuid[1]) : undefined,
  };
}

export function select<T extends TableName, const C extends ColumnName<T>>(
  table: T,
  where: Where<T>,
  columns: readonly C[],
): Operation<readonly RowOf<T, C>[]> {
  return {
    what: `select ${table}${inWords(where)}`,
    reads: true,
    encode: (schema) => ({
      op: "select",
      table,
      where: whereOf(schema, table, where),
      columns: ["_uuid", ...present(schema, table, columns)],
    }),
    decode: (schema, { rows }) =>
      isList(rows) && rows.every(isObject)
        ? rows.map((row) => readRow(schema, table, columns, row))
        : undefined,
  };
}

/** Replaces the columns given. Answers how many rows. */
export function update<T extends TableName>(
  table: T,
  where: Where<T>,
  values: Values<T>,
  demand: Demand,
): Operation<number> {
  return counted("update", table, where, demand, (schema) => ({
    op: "update",
    table,
    where: whereOf(schema, table, where),
    row: rowOf(schema, table, values),
  }));
}

type SetOrMap<T extends TableName> = {
  [C in ColumnName<T>]: Tables[T][C] extends { kind: "set" | "map" } ? C : never;
}[ColumnName<T>];

type MapOfText<T extends TableName> = {
  [C in ColumnName<T>]: Tables[T][C] extends { kind: "map"; key: "string"; value: "string" } ? C : never;
}[ColumnName<T>];

/** A change of a part of a value (section 5.1, `<mutation>`). */
export type Mutation<T extends TableName> =
  | { [C in SetOrMap<T>]: readonly [C, "insert" | "delete", Input<T, C>] }[SetOrMap<T>]
  | readonly [MapOfText<T>, "insert", Readonly<Record<string, string>>]
  /** Whatever is under these keys. */
  | readonly [MapOfText<T>, "delete keys", readonly string[]]
  | readonly [Comparable<T>, "+=" | "-=", number | bigint];

/** Answers how many rows. A map's `insert` leaves a key alone that is there: see `overwrite`. */
export function mutate<T extends TableName>(
  table: T,
  where: Where<T>,
  mutations: readonly Mutation<T>[],
  demand: Demand,
): Operation<number> {
  return counted("mutate", table, where, demand, (schema) => ({
    op: "mutate",
    table,
    where: whereOf(schema, table, where),
    mutations: mutations.map((mutation) => mutationOf(schema, table, mutation)),
  }));
}

/** Mutations that put these pairs into a map, whatever was under their keys; other keys stay. */
export function overwrite<T extends TableName>(
  _table: T,
  column: MapOfText<T>,
  pairs: Readonly<Record<string, string>>,
): readonly Mutation<T>[] {
  return [
    [column, "delete keys", Object.keys(pairs)],
    [column, "insert", pairs],
  ];
}

/** Of rows that are no root the references have to go instead. Answers how many rows. */
export function remove<T extends TableName>(table: T, where: Where<T>, demand: Demand): Operation<number> {
  return counted("delete", table, where, demand, (schema) => ({
    op: "delete",
    table,
    where: whereOf(schema, table, where),
  }));
}

export interface Wait<T extends TableName> {
  readonly table: T;
  readonly where: Where<T>;
  readonly columns: readonly ColumnName<T>[];
  readonly until: Equal;
  /** `==`: the rows found are just these; `!=`: they are not. */
  readonly rows: readonly Values<T>[];
}

/** Fails the transaction with `conflict` when it does not hold at once. */
export function assertRows<T extends TableName>(wait: Wait<T>): Operation<null> {
  return {
    what: `wait ${wait.table}`,
    reads: true,
    encode: (schema) => waitOf(schema, wait, 0),
    decode: nothing,
  };
}

/** Lets the transaction begin only when it holds; how long that may be is the transaction's patience. */
export function waitUntil<T extends TableName>(wait: Wait<T>): Operation<null> {
  return {
    what: `wait ${wait.table}`,
    reads: true,
    encode: (schema) => waitOf(schema, wait),
    decode: nothing,
  };
}

/** Words for the database's own log, which `ovsdb-tool show-log` prints. */
export function comment(text: string): Operation<null> {
  return { what: "comment", reads: true, encode: () => ({ op: "comment", comment: text }), decode: nothing };
}

/** Fails the transaction with `conflict` unless this connection holds the lock. */
export function assertLock(name: string): Operation<null> {
  return {
    what: `assert ${name}`,
    reads: true,
    encode: () => ({ op: "assert", lock: name }),
    decode: nothing,
  };
}

const nothing = () => null;

/** Rows are asked for before: afterwards the rest of the transaction would be done already. */
function counted<T extends TableName>(
  verb: string,
  table: T,
  where: Where<T>,
  demand: Demand,
  encode: (schema: Schema) => JsonObject,
): Operation<number> {
  const guard = (schema: Schema): JsonObject =>
    waitOf(schema, { table, where, columns: [], until: "!=", rows: [] }, 0);
  return {
    what: `${verb} ${table}${inWords(where)}`,
    reads: false,
    ...(demand === "some" && { guard }),
    encode,
    decode: (_schema, { count }) => (typeof count === "number" ? count : undefined),
  };
}

const bigints = (_key: string, value: unknown) => (typeof value === "bigint" ? String(value) : value);

function inWords<T extends TableName>(where: Where<T>): string {
  if (where.length === 0) return "";
  const tests = where.map(([column, test, value]) => {
    if (typeof value !== "object") return `${column} ${test} ${word(String(value))}`;
    return `${column} ${test} ${JSON.stringify(value instanceof Map ? [...value] : value, bigints)}`;
  });
  return ` where ${tests.join(" and ")}`;
}
