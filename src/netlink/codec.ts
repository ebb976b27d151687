import { UnderlayError } from "../lib/errors.ts";
import type { Ip } from "../lib/ip.ts";
import { type Mac, macBytes, macFromBytes } from "../lib/mac.ts";

/**
 * How one value stands in a netlink message. Endianness is part of a codec's name: plain names are the host's
 * order (little on both our targets), `be` is network order.
 */
export interface Codec<T> {
  encode(value: T): Uint8Array;
  /** Throws our `kernel` error when the bytes cannot be such a value; reads nothing beyond them. */
  decode(bytes: Uint8Array): T;
  /** Names on the way to the byte at `offset` of the payload, for extended ACKs. */
  path?(bytes: Uint8Array, offset: number): string[];
}

export type ValueOf<C> = C extends Codec<infer T> ? T : never;

/** A codec whose values all have one length, as struct members must. */
export interface FixedCodec<T> extends Codec<T> {
  readonly size: number;
}

export function malformed(what: string): UnderlayError {
  return new UnderlayError("kernel", `malformed netlink message: ${what}`, { errno: "EBADMSG" });
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function scalar(
  name: string,
  size: number,
  get: (view: DataView) => number,
  set: (view: DataView, value: number) => void,
): FixedCodec<number> {
  return {
    size,
    encode(value) {
      const bytes = new Uint8Array(size);
      set(viewOf(bytes), value);
      return bytes;
    },
    decode(bytes) {
      if (bytes.length !== size) throw malformed(`a ${name} of ${bytes.length} bytes`);
      return get(viewOf(bytes));
    },
  };
}

export const u8 = scalar(
  "u8",
  1,
  (v) => v.getUint8(0),
  (v, n) => v.setUint8(0, n),
);
export const u16 = scalar(
  "u16",
  2,
  (v) => v.getUint16(0, true),
  (v, n) => v.setUint16(0, n, true),
);
export const u16be = scalar(
  "u16be",
  2,
  (v) => v.getUint16(0, false),
  (v, n) => v.setUint16(0, n, false),
);
export const u32 = scalar(
  "u32",
  4,
  (v) => v.getUint32(0, true),
  (v, n) => v.setUint32(0, n, true),
);
export const i32 = scalar(
  "i32",
  4,
  (v) => v.getInt32(0, true),
  (v, n) => v.setInt32(0, n, true),
);

/** Bytes as they are. */
export const binary: Codec<Uint8Array> = {
  encode: (value) => value,
  decode: (bytes) => bytes.slice(),
};

/** Text with a final NUL, as NLA_NUL_STRING and most NLA_STRING senders have it. */
export const text: Codec<string> = {
  encode: (value) => new Uint8Array(Buffer.from(`${value}\0`)),
  decode(bytes) {
    const end = bytes.indexOf(0);
    return Buffer.from(end === -1 ? bytes : bytes.subarray(0, end)).toString();
  },
};

/** A link-layer address: a MAC where it has six bytes, otherwise kept as bytes (loopback, tunnels, InfiniBand). */
export const linkAddress: Codec<Mac | Uint8Array> = {
  encode: (value) => (typeof value === "string" ? macBytes(value) : value),
  decode: (bytes) => macFromBytes(bytes) ?? bytes.slice(),
};

/** An IPv4 or IPv6 address; its length tells which. */
export const ipAddress: Codec<Ip> = {
  encode: (value) => value.bytes,
  decode(bytes) {
    if (bytes.length === 4) return { family: 4, bytes: bytes.slice() };
    if (bytes.length === 16) return { family: 6, bytes: bytes.slice() };
    throw malformed(`an IP address of ${bytes.length} bytes`);
  },
};

type Members = Readonly<Record<string, FixedCodec<number>>>;
type StructValue<M extends Members> = { [K in keyof M]: number };

/** A C struct of numbers, in order, without hidden padding: name the padding. Longer input is cut: structs grow at the end. */
export interface StructCodec<M extends Members> extends FixedCodec<StructValue<M>> {
  readonly members: M;
}

export function struct<M extends Members>(members: M): StructCodec<M> {
  const entries = Object.entries(members);
  const size = entries.reduce((sum, [, codec]) => sum + codec.size, 0);
  return {
    size,
    members,
    encode(value) {
      const bytes = new Uint8Array(size);
      let at = 0;
      for (const [name, codec] of entries) {
        bytes.set(codec.encode(value[name] ?? 0), at);
        at += codec.size;
      }
      return bytes;
    },
    decode(bytes) {
      if (bytes.length < size) throw malformed(`a struct of ${bytes.length} bytes where ${size} are needed`);
      let at = 0;
      const values = entries.map(([name, codec]) => {
        const value = codec.decode(bytes.subarray(at, at + codec.size));
        at += codec.size;
        return [name, value] as const;
      });
      return Object.fromEntries(values) as StructValue<M>;
    },
  };
}
