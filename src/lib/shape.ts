import type { Problem } from "./errors.ts";
import { word } from "./quote.ts";

/**
 * What a JSON value must look like, by the rules of Go's encoding/json, which wrote it: keys match whatever their
 * case, keys that nobody asked for are ignored, `null` and absence are the zero value, any other type is a problem.
 * A shape never throws; it notes the problem and answers the zero value.
 */
export type Shape<T> = (value: unknown, path: string, problems: Problem[]) => T;

type Fields = Readonly<Record<string, Shape<unknown>>>;
type Message<F extends Fields> = { readonly [Key in keyof F]: ReturnType<F[Key]> };

export const text: Shape<string> = (value, path, problems) => {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : wrong("a string", value, path, problems, "");
};

/** Undefined when absent: some keys tell by their presence which Docker is speaking. */
export const flag: Shape<boolean | undefined> = (value, path, problems) => {
  if (value === undefined || value === null) return undefined;
  return typeof value === "boolean" ? value : wrong("true or false", value, path, problems, undefined);
};

/** uint16 and uint8 of Go: ports, port ranges and IP protocol numbers. */
export function whole(max: number): Shape<number> {
  return (value, path, problems) => {
    if (value === undefined || value === null) return 0;
    const fits = typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max;
    return fits ? value : wrong(`a whole number from 0 to ${max}`, value, path, problems, 0);
  };
}

/** int of Go, as far as JavaScript counts exactly. */
export const integer: Shape<number> = (value, path, problems) => {
  if (value === undefined || value === null) return 0;
  const fits = typeof value === "number" && Number.isSafeInteger(value);
  return fits ? value : wrong("a whole number", value, path, problems, 0);
};

/** A pointer of Go: absence differs from the zero value. */
export function optional<T>(shape: Shape<T>): Shape<T | undefined> {
  return (value, path, problems) =>
    value === undefined || value === null ? undefined : shape(value, path, problems);
}

export function list<T>(item: Shape<T>): Shape<readonly T[]> {
  return (value, path, problems) => {
    if (value === undefined || value === null) return [];
    if (!Array.isArray(value)) return wrong("a list", value, path, problems, []);
    return value.map((element, i) => item(element, `${path}[${i}]`, problems));
  };
}

/** A Go map: its keys are data, so their case is kept. */
export function mapOf<T>(item: Shape<T>): Shape<ReadonlyMap<string, T>> {
  return (value, path, problems) => {
    if (value === undefined || value === null) return new Map();
    if (!isObject(value)) return wrong("an object", value, path, problems, new Map());
    return new Map(
      Object.entries(value).map(([key, inner]) => [key, item(inner, join(path, key), problems)] as const),
    );
  };
}

/** A Go struct. Of two keys that differ in case only, the last one counts. */
export function struct<F extends Fields>(fields: F): Shape<Message<F>> {
  const open = openStruct(fields);
  return (value, path, problems) => open(value, path, problems).known;
}

/** A struct whose other keys matter too; those keep their case. */
export function openStruct<F extends Fields>(
  fields: F,
): Shape<{ readonly known: Message<F>; readonly others: ReadonlyMap<string, unknown> }> {
  const names = Object.keys(fields);
  return (value, path, problems) => {
    const values = new Map<string, unknown>();
    const others = new Map<string, unknown>();
    const object = isObject(value);
    for (const [key, inner] of object ? Object.entries(value) : []) {
      const name = Object.hasOwn(fields, key) ? key : inOtherCase(names, key);
      if (name === undefined) others.set(key, inner);
      else values.set(name, inner);
    }
    const bad = !object && value !== undefined && value !== null;
    if (bad) wrong("an object", value, path, problems, undefined);
    // Of what is no object at all nobody misses a field.
    const noted = bad ? [] : problems;
    const known: Record<string, unknown> = {};
    for (const name in fields) {
      // Our own names need no quotes.
      const inside = path === "" ? name : `${path}.${name}`;
      known[name] = fields[name]?.(values.get(name), inside, noted);
    }
    return { known: known as Message<F>, others };
  };
}

/** A loop, and no index by lower-case names: most structs are read once, by a process that lives for milliseconds. */
function inOtherCase(names: readonly string[], key: string): string | undefined {
  const lower = key.toLowerCase();
  for (const name of names) if (name.length === lower.length && name.toLowerCase() === lower) return name;
  return undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A key that is data may be anything. */
function join(path: string, key: string): string {
  return path === "" ? word(key) : `${path}.${word(key)}`;
}

function wrong<T>(wanted: string, value: unknown, path: string, problems: Problem[], zero: T): T {
  const subject = path || "the message";
  problems.push({ subject, message: `${subject} must be ${wanted}, not ${nameOf(value)}` });
  return zero;
}

function nameOf(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  return typeof value === "number" ? String(value) : `a ${typeof value}`;
}
