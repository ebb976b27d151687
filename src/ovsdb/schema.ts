import { UnderlayError } from "../lib/errors.ts";
import { type Atom, type Datum, decode, defaultOf, encode, type Shape } from "./datum.ts";
import { isList, isObject, type Json, type JsonObject } from "./json.ts";
import { TABLES, type TableName } from "./tables.ts";

/** Reads and writes the values of one column of the server that is talked to. */
export interface Column {
  readonly shape: Shape;
  decode(json: Json): Datum;
  encode(value: unknown): Json;
  /** Of a column that a message leaves out. */
  readonly whenAbsent: Datum;
  /** This server has it. */
  readonly isThere: boolean;
}

/**
 * What the server's own schema (answer to `get_schema`, RFC 7047 section 3.2) says of the tables that we touch. A column
 * is looked at when it is asked for: a program of few milliseconds uses few of them.
 */
export class Schema {
  /** `8.3.1` */
  readonly version: string;
  readonly #tables: JsonObject;
  readonly #columns = new Map<string, Column>();

  /** Throws `unsupported` for what is no schema. */
  constructor(json: Json) {
    if (!isObject(json) || !isObject(json["tables"]))
      throw new UnderlayError("unsupported", "ovsdb sends a schema that is none");
    this.version = typeof json["version"] === "string" ? json["version"] : "unknown";
    this.#tables = json["tables"];
  }

  has(table: TableName, column: string): boolean {
    const known = this.#columns.get(`${table}.${column}`);
    return known ? known.isThere : this.#typeOf(table, column) !== undefined;
  }

  /** For writing. Throws `unsupported` when this server has no such column, or one of another type. */
  column(table: TableName, name: string): Column {
    const column = this.reader(table, name);
    if (!column.isThere) throw this.#lacks(`no column ${table}.${name}`, `${table}.${name}`);
    return column;
  }

  /** For reading: a column that this server has not is always absent. Throws `unsupported` for one of another type. */
  reader(table: TableName, name: string): Column {
    const where = `${table}.${name}`;
    const known = this.#columns.get(where);
    if (known) return known;
    const column = this.#compile(table, name, where);
    this.#columns.set(where, column);
    return column;
  }

  #compile(table: TableName, name: string, where: string): Column {
    const ours = shapeOf(table, name);
    const type = this.#typeOf(table, name);
    const theirs = type === undefined ? ours : parseType(type);
    if (theirs === undefined || !isSame(theirs, ours)) {
      const other = theirs === undefined ? "of a kind that is not known" : describe(theirs);
      throw this.#lacks(`a column ${where} that is ${other}, not ${describe(ours)}`, where);
    }
    return {
      shape: ours,
      decode: (json) => decode(ours, json, where),
      encode: (value) => encode(ours, value, where),
      whenAbsent: defaultOf(ours),
      isThere: type !== undefined,
    };
  }

  #typeOf(table: TableName, name: string): Json | undefined {
    const ofTable = this.#tables[table];
    if (!isObject(ofTable)) return undefined;
    if (name === "_uuid") return "uuid";
    const columns = ofTable["columns"];
    const column = isObject(columns) && Object.hasOwn(columns, name) ? columns[name] : undefined;
    return isObject(column) ? column["type"] : undefined;
  }

  #lacks(what: string, column: string): UnderlayError {
    const message = `this Open vSwitch (database schema ${this.version}) has ${what}`;
    return new UnderlayError("unsupported", message, { inputs: { column, schema: this.version } });
  }
}

function shapeOf(table: TableName, name: string): Shape {
  if (name === "_uuid") return { kind: "one", key: "uuid" };
  const columns: Readonly<Record<string, Shape>> = TABLES[table];
  const shape = Object.hasOwn(columns, name) ? columns[name] : undefined;
  if (shape === undefined)
    throw new UnderlayError("internal", `${table}.${name} is not in our table of columns`);
  return shape;
}

const ATOMS: readonly Json[] = ["integer", "real", "boolean", "string", "uuid"] satisfies Atom[];

/** A `<type>` of section 3.2; undefined when it is of no kind that is known. */
export function parseType(json: Json): Shape | undefined {
  if (!isObject(json)) return isAtom(json) ? { kind: "one", key: json } : undefined;
  const { min = 1, max = 1 } = json;
  const key = baseOf(json["key"]);
  if (key === undefined) return undefined;
  if (json["value"] !== undefined) {
    const value = baseOf(json["value"]);
    return value && { kind: "map", key, value };
  }
  if (max !== 1) return { kind: "set", key };
  return { kind: min === 0 ? "optional" : "one", key };
}

function baseOf(json: Json | undefined): Atom | undefined {
  const name = isObject(json) ? json["type"] : json;
  return name !== undefined && isAtom(name) ? name : undefined;
}

function isAtom(json: Json): json is Atom {
  return !isList(json) && ATOMS.includes(json);
}

/** On the wire every integer has 64 bits. */
function isSame(theirs: Shape, ours: Shape): boolean {
  if (theirs.kind !== ours.kind || theirs.key !== (ours.key === "int64" ? "integer" : ours.key)) return false;
  if (theirs.kind !== "map" || ours.kind !== "map") return true;
  return theirs.value === (ours.value === "int64" ? "integer" : ours.value);
}

function describe(shape: Shape): string {
  const atom = (name: Atom) => (name === "int64" ? "integer" : name);
  return shape.kind === "map"
    ? `map of ${atom(shape.key)} to ${atom(shape.value)}`
    : `${shape.kind} ${atom(shape.key)}`;
}
