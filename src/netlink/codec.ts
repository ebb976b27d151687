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

/** A codec whose values all have one length, as struct members must. */
export interface FixedCodec<T> extends Codec<T> {
  readonly size: number;
}

export function malformed(what: string): UnderlayError {
  return new UnderlayError("kernel", `malformed netlink message: ${what}`, { errno: "EBADMSG" });
}

/** A number in place: what structs are made of. A DataView for each of them would cost more than the decoding. */
export interface ScalarCodec extends FixedCodec<number> {
  read(bytes: Uint8Array, at: number): number;
  write(bytes: Uint8Array, at: number, value: number): void;
}

function scalar(
  name: string,
  size: number,
  read: (bytes: Uint8Array, at: number) => number,
  write: (bytes: Uint8Array, at: number, value: number) => void,
): ScalarCodec {
  return {
    size,
    read,
    write,
    encode(value) {
      const bytes = new Uint8Array(size);
      write(bytes, 0, value);
      return bytes;
    },
    decode(bytes) {
      if (bytes.length !== size) throw malformed(`a ${name} of ${bytes.length} bytes`);
      return read(bytes, 0);
    },
  };
}

function little16(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
}

function little32(bytes: Uint8Array, at: number): number {
  return little16(bytes, at) | (little16(bytes, at + 2) << 16);
}

/** A Uint8Array keeps the low eight bits of what is written into it. */
function putLittle16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
}

function putLittle32(bytes: Uint8Array, at: number, value: number): void {
  putLittle16(bytes, at, value);
  putLittle16(bytes, at + 2, value >>> 16);
}

export const u8 = scalar(
  "u8",
  1,
  (bytes, at) => bytes[at] ?? 0,
  (bytes, at, value) => void bytes.set([value], at),
);
export const u16 = scalar("u16", 2, little16, putLittle16);
export const u16be = scalar(
  "u16be",
  2,
  (bytes, at) => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0),
  (bytes, at, value) => void bytes.set([value >>> 8, value], at),
);
export const u32 = scalar("u32", 4, (bytes, at) => little32(bytes, at) >>> 0, putLittle32);
export const u32be = scalar(
  "u32be",
  4,
  (bytes, at) => ((u16be.read(bytes, at) << 16) | u16be.read(bytes, at + 2)) >>> 0,
  (bytes, at, value) => void bytes.set([value >>> 24, value >>> 16, value >>> 8, value], at),
);
export const i32 = scalar("i32", 4, little32, putLittle32);

/** Bytes as they are. */
export const binary: Codec<Uint8Array> = {
  encode: (value) => value,
  decode: (bytes) => bytes.slice(),
};

const toUtf8 = new TextEncoder();
const fromUtf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** Text with a final NUL, as NLA_NUL_STRING and most NLA_STRING senders have it. */
export const text: Codec<string> = {
  encode: (value) => toUtf8.encode(`${value}\0`),
  decode(bytes) {
    const end = bytes.indexOf(0);
    return fromUtf8.decode(end === -1 ? bytes : bytes.subarray(0, end));
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

type Members = Readonly<Record<string, ScalarCodec>>;
type StructValue<M extends Members> = { [K in keyof M]: number };

/** A C struct of numbers, in order, without hidden padding: name the padding. Longer input is cut: structs grow at the end. */
export interface StructCodec<M extends Members> extends FixedCodec<StructValue<M>> {
  readonly members: M;
  /** Members that are not given are 0. */
  encode(value: Partial<StructValue<M>>): Uint8Array;
}

export function struct<M extends Members>(members: M): StructCodec<M> {
  let size = 0;
  const placed = Object.entries(members).map(([name, codec]) => {
    const at = size;
    size += codec.size;
    return { name, codec, at };
  });
  return {
    size,
    members,
    encode(value) {
      const bytes = new Uint8Array(size);
      for (const { name, codec, at } of placed) codec.write(bytes, at, value[name] ?? 0);
      return bytes;
    },
    decode(bytes) {
      if (bytes.length < size) throw malformed(`a struct of ${bytes.length} bytes where ${size} are needed`);
      const value: Record<string, number> = {};
      for (const { name, codec, at } of placed) value[name] = codec.read(bytes, at);
      return value as StructValue<M>;
    },
  };
}
