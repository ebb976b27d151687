import { concatBytes } from "../lib/bytes.ts";
import { UnderlayError } from "../lib/errors.ts";
import { type Codec, malformed } from "./codec.ts";

/**
 * Attribute spaces are declared as tables, one line an attribute with its kernel symbol. `struct nlattr` of
 * `<linux/netlink.h>`: length u16 (header included), type u16, payload, padded to four bytes.
 */

const HEADER = 4;
const MAX_LENGTH = 0xffff;
/** NLA_TYPE_MASK: without NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
export const TYPE_MASK = 0x3fff;
/** Of `<linux/netlink.h>`: marks an attribute that holds attributes, for those who parse strictly. */
export const NLA_F_NESTED = 0x8000;

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

export function align4(length: number): number {
  return (length + 3) & ~3;
}

/** Throws `internal` when the payload does not fit: a length that wrapped would turn the rest of it into attributes. */
export function encodeAttr(type: number, payload: Uint8Array): Uint8Array {
  if (HEADER + payload.length > MAX_LENGTH) {
    throw new UnderlayError("internal", `a netlink attribute of ${payload.length} bytes`);
  }
  const length = HEADER + payload.length;
  const bytes = new Uint8Array((length + 3) & ~3);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, length, true);
  view.setUint16(2, type, true);
  bytes.set(payload, HEADER);
  return bytes;
}

/** Attributes in the order of the value's keys; unknown ones, when there are any, last. */
export function encodeAttrs<T extends AttrTable>(table: T, values: Attrs<T>): Uint8Array {
  return concatBytes(attrParts(table, values, []));
}

/** The same in parts, behind those that there are. */
export function attrParts<T extends AttrTable>(
  table: T,
  values: Attrs<T>,
  parts: Uint8Array[],
): Uint8Array[] {
  for (const [name, value] of Object.entries(values)) {
    const known = table[name];
    if (known && value !== undefined) parts.push(encodeAttr(known.type, known.codec.encode(value)));
  }
  for (const raw of values.other ?? []) parts.push(encodeAttr(raw.type, raw.payload));
  return parts;
}

interface Placed extends RawAttr {
  /** Offset of the attribute's header. */
  readonly at: number;
}

/** The attributes in bytes, in order; of these types only, when they are given. Fewer than four bytes at the end are padding. */
export function eachAttr(bytes: Uint8Array, only?: { has(type: number): boolean }): Placed[] {
  const all: Placed[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  while (bytes.length - at >= HEADER) {
    const length = view.getUint16(at, true);
    if (length < HEADER || length > bytes.length - at) {
      throw malformed(`an attribute of length ${length} in ${bytes.length - at} bytes`);
    }
    const type = view.getUint16(at + 2, true) & TYPE_MASK;
    if (!only || only.has(type)) all.push({ at, type, payload: bytes.subarray(at + HEADER, at + length) });
    // `align4`, which a call for each attribute would have compiled.
    at += (length + 3) & ~3;
  }
  return all;
}

/** What becomes of attributes that a table does not know: `kept` in `other`, or `dropped` where a dump is only searched. */
export type Unknown = "kept" | "dropped";

/** A decoder for a table that is used often: the table is indexed once, when it is first needed. */
export function attrReader<T extends AttrTable>(
  table: T,
  unknown: Unknown = "kept",
): (bytes: Uint8Array) => Attrs<T> {
  let index: ReadonlyMap<number, string> | undefined;
  return (bytes) => {
    index ??= indexOf(table);
    const byType = index;
    const values: Record<string, unknown> = {};
    const other: RawAttr[] = [];
    for (const { type, payload } of eachAttr(bytes, unknown === "dropped" ? byType : undefined)) {
      const name = byType.get(type);
      const known = name === undefined ? undefined : table[name];
      if (name !== undefined && known) values[name] = known.codec.decode(payload);
      else other.push({ type, payload });
    }
    if (other.length > 0) values["other"] = other;
    return values as Attrs<T>;
  };
}

/** Names by type. */
function indexOf(table: AttrTable): ReadonlyMap<number, string> {
  const index = new Map<number, string>();
  for (const [name, { type }] of Object.entries(table)) index.set(type, name);
  return index;
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
