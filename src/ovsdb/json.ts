import { concatBytes } from "../lib/bytes.ts";
import { UnderlayError } from "../lib/errors.ts";
import { quote } from "../lib/quote.ts";

/**
 * JSON as OVSDB has it: texts one after another without a separator (RFC 7047 section 4), integers of 64 bits. An
 * integer that a double may not hold exactly is a bigint, in both directions.
 */

export type Json = null | boolean | number | bigint | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

export interface Limits {
  /** Bytes of one message. All rows of 5,000 ports are some 10 MB. */
  readonly bytes: number;
  /** Brackets that are open at once. A schema has 8. */
  readonly depth: number;
}

const LIMITS: Limits = { bytes: 64 * 1024 * 1024, depth: 64 };

/** Holds nothing between two texts. */
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const SPACES: readonly (number | undefined)[] = [0x20, 0x0a, 0x0d, 0x09];

/** An integer with fewer digits is below 2^53. */
const LONG = 16;

/**
 * Cuts a stream of bytes into its JSON objects, wherever it was cut in between; bytes, because a character may be cut
 * too. Throws `unreachable` for what is no JSON object, too long or too deep: the stream is of no use from there on.
 */
export class Splitter {
  readonly #limits: Limits;
  /** Of the message that has begun. */
  #pieces: Uint8Array[] = [];
  #kept = 0;
  #depth = 0;
  #inText = false;
  #isEscaped = false;
  #digits = 0;
  #isLong = false;

  constructor(limits: Limits = LIMITS) {
    this.#limits = limits;
  }

  /** The messages that end in this chunk, which is not kept. */
  *push(chunk: Uint8Array): Generator<JsonObject> {
    const only = this.#depth === 0 ? onlyMessage(chunk, this.#limits) : undefined;
    if (only) yield only;
    else yield* this.#scan(chunk);
  }

  *#scan(chunk: Uint8Array): Generator<JsonObject> {
    let begin = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at];
      if (this.#inText) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (byte === BACKSLASH) this.#isEscaped = true;
        else if (byte === QUOTE) this.#inText = false;
        continue;
      }
      if (this.#depth === 0) {
        begin = at;
        if (byte !== OPEN_OBJECT && !SPACES.includes(byte)) throw garbage(chunk.subarray(at));
      }
      // As in every loop over each byte, no call where a comparison does (ADR 19).
      if (byte !== undefined && byte >= 0x30 && byte <= 0x39) {
        this.#digits++;
        if (this.#digits >= LONG) this.#isLong = true;
        continue;
      }
      this.#digits = 0;
      if (byte === QUOTE) this.#inText = true;
      else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
        this.#depth++;
        if (this.#depth > this.#limits.depth) throw broken(`it opens ${this.#depth} brackets`);
      } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
        this.#depth--;
        if (this.#depth === 0) yield this.#finish(chunk.subarray(begin, at + 1));
      }
    }
    if (this.#depth > 0) this.#keep(chunk.slice(begin));
  }

  #keep(piece: Uint8Array): void {
    this.#kept += piece.length;
    if (this.#kept > this.#limits.bytes) throw broken(`it is longer than ${this.#limits.bytes} bytes`);
    this.#pieces.push(piece);
  }

  #finish(last: Uint8Array): JsonObject {
    const bytes = this.#pieces.length === 0 ? last : concatBytes([...this.#pieces, last]);
    const isLong = this.#isLong;
    if (bytes.length > this.#limits.bytes) throw broken(`it is longer than ${this.#limits.bytes} bytes`);
    this.#pieces = [];
    this.#kept = 0;
    this.#isLong = false;
    return parseObject(bytes, isLong);
  }
}

/**
 * Most often a chunk is one message. Asking the engine's own code costs a process of few milliseconds a third of looking
 * at every byte, in a loop that is not compiled yet (ADR 19). Undefined: it is not one message, or not for sure.
 */
function onlyMessage(chunk: Uint8Array, limits: Limits): JsonObject | undefined {
  if (chunk[0] !== OPEN_OBJECT || chunk.at(-1) !== CLOSE_OBJECT || chunk.length > limits.bytes)
    return undefined;
  try {
    const text = UTF8.decode(chunk);
    const message = /\d{16}/.test(text) ? JSON.parse(text, exactly) : JSON.parse(text);
    return isDeeper(text, limits.depth) ? undefined : message;
  } catch {
    // Whether that is garbage, or a part of a message, the scan finds out.
    return undefined;
  }
}

/** Of a text that is JSON: its brackets alone, of which each pass takes away the innermost. */
function isDeeper(text: string, depth: number): boolean {
  let brackets = text.replace(/"(?:[^"\\]|\\.)*"|[^{}[\]"]+/g, "");
  for (let left = depth; brackets !== ""; left--) {
    if (left === 0) return true;
    brackets = brackets.replace(/\{\}|\[\]/g, "");
  }
  return false;
}

function parseObject(bytes: Uint8Array, isLong: boolean): JsonObject {
  try {
    const text = UTF8.decode(bytes);
    return isLong ? JSON.parse(text, exactly) : JSON.parse(text);
  } catch {
    throw garbage(bytes);
  }
}

/** For `JSON.parse`, which hands over the text of a number since ES2025. */
function exactly(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  const source = context?.source;
  if (typeof value !== "number" || source === undefined || Number.isSafeInteger(value)) return value;
  return /^-?\d+$/.test(source) ? BigInt(source) : value;
}

/**
 * The text of a value; bigints as the integers that they are. The engine's own `JSON.stringify` refuses those, and makes
 * all others in one call (ADR 19).
 */
export function stringify(value: Json): string {
  try {
    return JSON.stringify(value);
  } catch (thrown) {
    if (!(thrown instanceof TypeError)) throw thrown;
    return stringifyEach(value);
  }
}

function stringifyEach(value: Json): string {
  if (typeof value === "bigint") return value.toString();
  if (isList(value)) return `[${value.map(stringifyEach).join(",")}]`;
  if (isObject(value))
    return `{${Object.entries(value)
      .map(([key, inner]) => `${JSON.stringify(key)}:${stringifyEach(inner)}`)
      .join(",")}}`;
  return JSON.stringify(value);
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `Array.isArray` forgets the element's type of a readonly array. */
export function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

function garbage(bytes: Uint8Array): UnderlayError {
  return broken(`it begins with ${quote(new TextDecoder().decode(bytes.subarray(0, 80)))}`);
}

function broken(why: string): UnderlayError {
  return new UnderlayError("unreachable", `it sends a message that is not OVSDB: ${why}`);
}
