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
  if (absent(value)) return "";
  return typeof value === "string" ? value : wrong("a string", value, path, problems, "");
};

/** Undefined when absent: some keys tell by their presence which Docker is speaking. */
export const flag: Shape<boolean | undefined> = (value, path, problems) => {
  if (absent(value)) return undefined;
  return typeof value === "boolean" ? value : wrong("true or false", value, path, problems, undefined);
};

/** uint16 and uint8 of Go: ports, port ranges and IP protocol numbers. */
export function whole(max: number): Shape<number> {
  return (value, path, problems) => {
    if (absent(value)) return 0;
    const fits = typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max;
    return fits ? value : wrong(`a whole number from 0 to ${max}`, value, path, problems, 0);
  };
}

/** int of Go, as far as JavaScript counts exactly. */
export const integer: Shape<number> = (value, path, problems) => {
  if (absent(value)) return 0;
  const fits = typeof value === "number" && Number.isSafeInteger(value);
  return fits ? value : wrong("a whole number", value, path, problems, 0);
};

/** A pointer of Go: absence differs from the zero value. */
export function optional<T>(shape: Shape<T>): Shape<T | undefined> {
  return (value, path, problems) => (absent(value) ? undefined : shape(value, path, problems));
}

export function list<T>(item: Shape<T>): Shape<readonly T[]> {
  return (value, path, problems) => {
    if (absent(value)) return [];
    if (!Array.isArray(value)) return wrong("a list", value, path, problems, []);
    return value.map((element, i) => item(element, `${path}[${i}]`, problems));
  };
}

/** A Go map: its keys are data, so their case is kept. */
export function mapOf<T>(item: Shape<T>): Shape<ReadonlyMap<string, T>> {
  return (value, path, problems) => {
    if (absent(value)) return new Map();
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
  const names = new Map(Object.keys(fields).map((name) => [name.toLowerCase(), name]));
  return (value, path, problems) => {
    const given = isObject(value) ? Object.entries(value) : [];
    const values = new Map(given.map(([key, inner]) => [names.get(key.toLowerCase()), inner]));
    const bad = !isObject(value) && !absent(value);
    if (bad) wrong("an object", value, path, problems, undefined);
    // Of what is no object at all nobody misses a field.
    const noted = bad ? [] : problems;
    const known = Object.entries(fields).map(([name, shape]) => [
      name,
      shape(values.get(name), join(path, name), noted),
    ]);
    const others = given.filter(([key]) => !names.has(key.toLowerCase()));
    return { known: Object.fromEntries(known), others: new Map(others) };
  };
}

function absent(value: unknown): value is null | undefined {
  return value === undefined || value === null;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Most keys are letters, of which nothing is to be feared: the expression that tells the others apart costs a tenth of a millisecond. */
function join(path: string, key: string): string {
  if (isLetters(key)) return path === "" ? key : `${path}.${key}`;
  return path === "" ? word(key) : `${path}.${word(key)}`;
}

function isLetters(key: string): boolean {
  for (let i = 0; i < key.length; i++) {
    const lower = key.charCodeAt(i) | 0x20;
    if (lower < 0x61 || lower > 0x7a) return false;
  }
  return key !== "" && key.length <= 64;
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
