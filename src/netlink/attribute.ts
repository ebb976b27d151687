import { concatBytes } from "../lib/bytes.ts";
import { UnderlayError } from "../lib/errors.ts";
import { type Codec, malformed, u16 } from "./codec.ts";

/**
 * Attribute spaces are declared as tables, one line an attribute with its kernel symbol. `struct nlattr` of
 * `<linux/netlink.h>`: length u16 (header included), type u16, payload, padded to four bytes.
 */

const HEADER = 4;
const MAX_LENGTH = 0xffff;
/** NLA_TYPE_MASK: without NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
export const TYPE_MASK = 0x3fff;

export interface Attr<T> {
  readonly type: number;
  readonly codec: Codec<T>;
  /** Its name in the kernel header, which the ABI test compares with `type`. */
  readonly symbol: string;
}

export type AttrTable = Readonly<Record<string, Attr<unknown>>>;

export interface RawAttr {
  readonly type: number;
  readonly payload: Uint8Array;
}

/** What a table decodes to: every known attribute may be absent, and the unknown ones are kept. */
export type Attrs<T extends AttrTable> = {
  readonly [K in keyof T]?: T[K] extends Attr<infer V> ? V : never;
} & { readonly other?: readonly RawAttr[] };

export function attr<T>(type: number, symbol: string, codec: Codec<T>): Attr<T> {
  return { type, symbol, codec };
}

export function align4(length: number): number {
  return (length + 3) & ~3;
}

/** Throws `internal` when the payload does not fit: a length that wrapped would turn the rest of it into attributes. */
export function encodeAttr(type: number, payload: Uint8Array): Uint8Array {
  if (HEADER + payload.length > MAX_LENGTH) {
    throw new UnderlayError("internal", `a netlink attribute of ${payload.length} bytes`);
  }
  const bytes = new Uint8Array(align4(HEADER + payload.length));
  u16.write(bytes, 0, HEADER + payload.length);
  u16.write(bytes, 2, type);
  bytes.set(payload, HEADER);
  return bytes;
}

/** Attributes in the order of the value's keys; unknown ones, when there are any, last. */
export function encodeAttrs<T extends AttrTable>(table: T, values: Attrs<T>): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [name, value] of Object.entries(values)) {
    const known = table[name];
    if (known && value !== undefined) parts.push(encodeAttr(known.type, known.codec.encode(value)));
  }
  for (const raw of values.other ?? []) parts.push(encodeAttr(raw.type, raw.payload));
  return concatBytes(parts);
}

interface Placed extends RawAttr {
  /** Offset of the attribute's header. */
  readonly at: number;
}

/** Calls back for each attribute, header included in `length`. Fewer than four bytes at the end are padding. */
function walkAttrs(bytes: Uint8Array, visit: (at: number, length: number, type: number) => void): void {
  let at = 0;
  while (bytes.length - at >= HEADER) {
    const length = u16.read(bytes, at);
    if (length < HEADER || length > bytes.length - at) {
      throw malformed(`an attribute of length ${length} in ${bytes.length - at} bytes`);
    }
    visit(at, length, u16.read(bytes, at + 2) & TYPE_MASK);
    at += align4(length);
  }
}

/** The attributes in bytes, in order. */
export function eachAttr(bytes: Uint8Array): Placed[] {
  const all: Placed[] = [];
  walkAttrs(bytes, (at, length, type) => {
    all.push({ at, type, payload: bytes.subarray(at + HEADER, at + length) });
  });
  return all;
}

/** What becomes of attributes that a table does not know: `kept` in `other`, or `dropped` where a dump is only searched. */
export type Unknown = "kept" | "dropped";

/** A decoder for a table that is used often: the table is indexed once, when it is first needed. */
export function attrReader<T extends AttrTable>(
  table: T,
  unknown: Unknown = "kept",
): (bytes: Uint8Array) => Attrs<T> {
  let index: ReadonlyMap<number, NamedCodec> | undefined;
  return (bytes) => {
    index ??= indexOf(table);
    const byType = index;
    const values: Record<string, unknown> = {};
    const other: RawAttr[] = [];
    walkAttrs(bytes, (at, length, type) => {
      const known = byType.get(type);
      if (!known && unknown === "dropped") return;
      const payload = bytes.subarray(at + HEADER, at + length);
      if (known) values[known.name] = known.codec.decode(payload);
      else other.push({ type, payload });
    });
    if (other.length > 0) values["other"] = other;
    return values as Attrs<T>;
  };
}

interface NamedCodec {
  readonly name: string;
  readonly codec: Codec<unknown>;
}

function indexOf(table: AttrTable): ReadonlyMap<number, NamedCodec> {
  return new Map(Object.entries(table).map(([name, { type, codec }]) => [type, { name, codec }]));
}

export function decodeAttrs<T extends AttrTable>(table: T, bytes: Uint8Array): Attrs<T> {
  return attrReader(table)(bytes);
}

/** Names from a table down to the byte at `offset`, the way an extended ACK points at it. */
export function attrPath(table: AttrTable, bytes: Uint8Array, offset: number): string[] {
  for (const { at, type, payload } of eachAttr(bytes)) {
    if (offset < at || offset >= at + HEADER + payload.length) continue;
    const name = Object.keys(table).find((key) => table[key]?.type === type) ?? `#${type}`;
    const inner = table[name]?.codec.path?.(payload, offset - at - HEADER) ?? [];
    return [name, ...inner];
  }
  return [];
}

/** A payload that is itself a row of attributes. */
export function nested<T extends AttrTable>(table: T): Codec<Attrs<T>> {
  return {
    encode: (values) => encodeAttrs(table, values),
    decode: attrReader(table),
    path: (bytes, offset) => attrPath(table, bytes, offset),
  };
}

/** A payload that repeats one attribute. Other types in it are passed over. */
export function listOf<T>(item: Attr<T>): Codec<readonly T[]> {
  return {
    encode: (values) => concatBytes(values.map((value) => encodeAttr(item.type, item.codec.encode(value)))),
    decode: (bytes) =>
      eachAttr(bytes)
        .filter(({ type }) => type === item.type)
        .map(({ payload }) => item.codec.decode(payload)),
  };
}
