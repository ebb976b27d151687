import { UnderlayError } from "../lib/errors.ts";
import { quote } from "../lib/quote.ts";
import { isList, type Json, stringify } from "./json.ts";

/**
 * Values of columns (RFC 7047 section 5.1) and how they look in TypeScript. A set of one element may come as the bare
 * atom, and an optional value is a set of none or one: only the column's type tells them apart.
 */

/** Of a row: `8-4-4-4-12` hex digits, lower case. Only this file makes one. */
export type Uuid = string & { readonly __uuid: true };

/** A row that the same transaction inserts (section 5.1, `<named-uuid>`). */
export interface NamedUuid {
  readonly named: string;
}

/** Atoms as they are read. `int64` is OVSDB's integer where a value may pass 2^53. */
interface AtomValues {
  readonly integer: number;
  readonly int64: bigint;
  readonly real: number;
  readonly boolean: boolean;
  readonly string: string;
  readonly uuid: Uuid;
}
export type Atom = keyof AtomValues;

/** What is taken for them when a row is written. */
interface AtomInputs {
  readonly integer: number;
  readonly int64: number | bigint;
  readonly real: number;
  readonly boolean: boolean;
  readonly string: string;
  readonly uuid: Uuid | NamedUuid;
}

/** The type of a column: exactly one atom, none or one, a set, or a map. */
export type Shape =
  | { readonly kind: "one" | "optional" | "set"; readonly key: Atom }
  | { readonly kind: "map"; readonly key: Atom; readonly value: Atom };

/** What is read from a column. */
export type Read<S extends Shape> = S extends {
  kind: "map";
  key: infer K extends Atom;
  value: infer V extends Atom;
}
  ? ReadonlyMap<AtomValues[K], AtomValues[V]>
  : S extends { kind: "set"; key: infer K extends Atom }
    ? readonly AtomValues[K][]
    : S extends { kind: "optional"; key: infer K extends Atom }
      ? AtomValues[K] | undefined
      : AtomValues[S["key"]];

/** What is written to it. `undefined` for an optional value clears it. */
export type Write<S extends Shape> = S extends {
  kind: "map";
  key: infer K extends Atom;
  value: infer V extends Atom;
}
  ?
      | ReadonlyMap<AtomInputs[K], AtomInputs[V]>
      | (K extends "string" ? Readonly<Record<string, AtomInputs[V]>> : never)
  : S extends { kind: "set"; key: infer K extends Atom }
    ? readonly AtomInputs[K][]
    : S extends { kind: "optional"; key: infer K extends Atom }
      ? AtomInputs[K] | undefined
      : AtomInputs[S["key"]];

/** Any value that is read. */
export type AtomValue = AtomValues[Atom];
export type Datum = AtomValue | undefined | readonly AtomValue[] | ReadonlyMap<AtomValue, AtomValue>;

const DEFAULTS: Readonly<Record<Atom, AtomValue>> = {
  integer: 0,
  int64: 0n,
  real: 0,
  boolean: false,
  string: "",
  uuid: "00000000-0000-0000-0000-000000000000" as Uuid,
};

/** What a column holds that nobody has set (section 5.2.1). Monitors leave it out. */
export function defaultOf(shape: Shape): Datum {
  switch (shape.kind) {
    case "map":
      return new Map();
    case "set":
      return [];
    case "optional":
      return undefined;
    case "one":
      return DEFAULTS[shape.key];
  }
}

/** Throws `unsupported` for what is no value of the shape; `where` is for its text: `Bridge.ports`. */
export function decode(shape: Shape, json: Json, where: string): Datum {
  if (shape.kind === "map") {
    const pairs = tagged(json, "map");
    if (pairs === undefined) throw wrong(shape, json, where);
    return new Map(
      pairs.map((pair) => {
        if (!isList(pair) || pair.length !== 2) throw wrong(shape, json, where);
        return [atomOf(shape.key, pair[0], where), atomOf(shape.value, pair[1], where)] as const;
      }),
    );
  }
  const elements = tagged(json, "set") ?? [json];
  if (shape.kind === "set") return elements.map((element) => atomOf(shape.key, element, where));
  const [first, ...more] = elements;
  if (more.length > 0 || (first === undefined && shape.kind === "one")) throw wrong(shape, json, where);
  return first === undefined ? undefined : atomOf(shape.key, first, where);
}

/** The inside of `["set", […]]` or `["map", […]]`. */
function tagged(json: Json, tag: "set" | "map"): readonly Json[] | undefined {
  if (!isList(json) || json.length !== 2 || json[0] !== tag) return undefined;
  return isList(json[1]) ? json[1] : undefined;
}

const UUID = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/;

export function parseUuid(text: string): Uuid | undefined {
  return UUID.test(text) ? (text as Uuid) : undefined;
}

function atomOf(atom: Atom, json: Json | undefined, where: string): AtomValue {
  const value = json === undefined ? undefined : READERS[atom](json);
  if (value === undefined) throw wrong({ kind: "one", key: atom }, json ?? null, where);
  return value;
}

const READERS: Readonly<Record<Atom, (json: Json) => AtomValue | undefined>> = {
  integer: (json) => (Number.isSafeInteger(json) ? Number(json) : undefined),
  int64: (json) => {
    if (typeof json === "bigint") return json;
    return Number.isSafeInteger(json) ? BigInt(Number(json)) : undefined;
  },
  real: (json) => (typeof json === "number" || typeof json === "bigint" ? Number(json) : undefined),
  boolean: (json) => (typeof json === "boolean" ? json : undefined),
  string: (json) => (typeof json === "string" ? json : undefined),
  uuid: (json) =>
    isList(json) && json.length === 2 && json[0] === "uuid" && typeof json[1] === "string"
      ? parseUuid(json[1])
      : undefined,
};

/** A value as it is written. Types cannot say it all: throws `invalid_option` for what OVSDB would not take. */
export function encode(shape: Shape, value: unknown, where: string): Json {
  if (shape.kind === "map") {
    const pairs = value instanceof Map ? [...value] : Object.entries(value ?? {});
    return [
      "map",
      pairs.map(([key, inner]) => [toJson(shape.key, key, where), toJson(shape.value, inner, where)]),
    ];
  }
  if (shape.kind === "set")
    return ["set", Array.isArray(value) ? value.map((each) => toJson(shape.key, each, where)) : []];
  if (value === undefined && shape.kind === "optional") return ["set", []];
  return toJson(shape.key, value, where);
}

function toJson(atom: Atom, value: unknown, where: string): Json {
  const json = WRITERS[atom](value);
  if (json !== undefined) return json;
  const shown = typeof value === "bigint" ? String(value) : JSON.stringify(value);
  throw new UnderlayError(
    "invalid_option",
    `${where} must be ${NAMES[atom]}, not ${quote(shown ?? "nothing")}`,
    {
      inputs: { column: where },
    },
  );
}

const INT64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n } as const;

const WRITERS: Readonly<Record<Atom, (value: unknown) => Json | undefined>> = {
  integer: (value) => (Number.isSafeInteger(value) ? Number(value) : undefined),
  int64: (value) => {
    if (typeof value === "bigint") return value >= INT64.min && value <= INT64.max ? value : undefined;
    return Number.isSafeInteger(value) ? Number(value) : undefined;
  },
  real: (value) => (typeof value === "number" && Number.isFinite(value) ? value : undefined),
  boolean: (value) => (typeof value === "boolean" ? value : undefined),
  // The server drops the whole connection over a text that it cannot read.
  string: (value) =>
    typeof value === "string" && value.isWellFormed() && !value.includes("\0") ? value : undefined,
  uuid: (value) => {
    if (typeof value === "string") return UUID.test(value) ? ["uuid", value] : undefined;
    const name = typeof value === "object" && value !== null && "named" in value ? value.named : undefined;
    return typeof name === "string" && IDENTIFIER.test(name) ? ["named-uuid", name] : undefined;
  },
};

/** `<id>` of section 3.1: a server answers anything else with a syntax error. */
export const IDENTIFIER = /^[A-Za-z_]\w*$/;

const NAMES: Readonly<Record<Atom, string>> = {
  integer: "a whole number",
  int64: "a whole number of 64 bits",
  real: "a number",
  boolean: "true or false",
  string: "a text without NUL",
  uuid: "a row's UUID",
};

function wrong(shape: Shape, json: Json, where: string): UnderlayError {
  const wanted = shape.kind === "one" ? NAMES[shape.key] : `a value of kind ${shape.kind}`;
  return new UnderlayError(
    "unsupported",
    `ovsdb sends ${quote(stringify(json))} for ${where}, not ${wanted}`,
  );
}
