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

/** A number in place: what structs are made of. */
export interface ScalarCodec extends FixedCodec<number> {
  read(view: DataView, at: number): number;
  write(view: DataView, at: number, value: number): void;
}

/**
 * Frames are walked by views, and without a function of ours for each of their attributes: the engine compiles what was
 * called some thirty times, and a CNI process, which ends before that pays, waits 3 ms for its first compilation.
 */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function scalar(
  name: string,
  size: number,
  read: (view: DataView, at: number) => number,
  write: (view: DataView, at: number, value: number) => void,
): ScalarCodec {
  return {
    size,
    read,
    write,
    encode(value) {
      const bytes = new Uint8Array(size);
      write(new DataView(bytes.buffer), 0, value);
      return bytes;
    },
    decode(bytes) {
      if (bytes.length !== size) throw malformed(`a ${name} of ${bytes.length} bytes`);
      return read(new DataView(bytes.buffer, bytes.byteOffset, size), 0);
    },
  };
}

export const u8 = scalar(
  "u8",
  1,
  (view, at) => view.getUint8(at),
  (view, at, value) => view.setUint8(at, value),
);
export const u16 = scalar(
  "u16",
  2,
  (view, at) => view.getUint16(at, true),
  (view, at, value) => view.setUint16(at, value, true),
);
export const u16be = scalar(
  "u16be",
  2,
  (view, at) => view.getUint16(at),
  (view, at, value) => view.setUint16(at, value),
);
export const u32 = scalar(
  "u32",
  4,
  (view, at) => view.getUint32(at, true),
  (view, at, value) => view.setUint32(at, value, true),
);
export const i32 = scalar(
  "i32",
  4,
  (view, at) => view.getInt32(at, true),
  (view, at, value) => view.setInt32(at, value, true),
);
export const u32be = scalar(
  "u32be",
  4,
  (view, at) => view.getUint32(at),
  (view, at, value) => view.setUint32(at, value),
);

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
  const placed: { readonly name: string; readonly codec: ScalarCodec; readonly at: number }[] = [];
  for (const [name, codec] of Object.entries(members)) {
    placed.push({ name, codec, at: size });
    size += codec.size;
  }
  return {
    size,
    members,
    encode(value) {
      const bytes = new Uint8Array(size);
      const view = new DataView(bytes.buffer);
      for (const { name, codec, at } of placed) {
        const given = value[name];
        if (given) codec.write(view, at, given);
      }
      return bytes;
    },
    decode(bytes) {
      if (bytes.length < size) throw malformed(`a struct of ${bytes.length} bytes where ${size} are needed`);
      const value: Record<string, number> = {};
      const view = viewOf(bytes);
      for (const { name, codec, at } of placed) value[name] = codec.read(view, at);
      return value as StructValue<M>;
    },
  };
}
