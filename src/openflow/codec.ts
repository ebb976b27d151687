import { UnderlayError } from "../lib/errors.ts";
import type { Ip } from "../lib/ip.ts";
import { type Mac, macBytes, macFromBytes } from "../lib/mac.ts";

/** How one value stands in an OpenFlow message. All numbers are in network order (OpenFlow 1.4.1 section 7.1). */
export interface Codec<T> {
  /** Of every value, in bytes. */
  readonly size: number;
  encode(value: T): Uint8Array;
  /** Throws our `kernel` error when the bytes cannot be such a value; reads nothing beyond them. */
  decode(bytes: Uint8Array): T;
}

/** A number in place: what structs are made of. */
export interface ScalarCodec<T extends number | bigint> extends Codec<T> {
  read(view: DataView, at: number): T;
  write(view: DataView, at: number, value: T): void;
  readonly zero: T;
}

export function malformed(what: string): UnderlayError {
  return new UnderlayError("kernel", `malformed OpenFlow message: ${what}`, { errno: "EBADMSG" });
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function scalar<T extends number | bigint>(
  zero: T,
  size: number,
  read: (view: DataView, at: number) => T,
  write: (view: DataView, at: number, value: T) => void,
): ScalarCodec<T> {
  return {
    zero,
    size,
    read,
    write,
    encode(value) {
      const bytes = new Uint8Array(size);
      write(viewOf(bytes), 0, value);
      return bytes;
    },
    decode(bytes) {
      if (bytes.length !== size) throw malformed(`a number of ${bytes.length} bytes where it has ${size}`);
      return read(viewOf(bytes), 0);
    },
  };
}

export const u8 = scalar<number>(
  0,
  1,
  (view, at) => view.getUint8(at),
  (view, at, value) => view.setUint8(at, value),
);
export const u16 = scalar<number>(
  0,
  2,
  (view, at) => view.getUint16(at),
  (view, at, value) => view.setUint16(at, value),
);
export const u32 = scalar<number>(
  0,
  4,
  (view, at) => view.getUint32(at),
  (view, at, value) => view.setUint32(at, value),
);
/** Cookies and counters; a number would lose their lowest bits. */
export const u64 = scalar<bigint>(
  0n,
  8,
  (view, at) => view.getBigUint64(at),
  (view, at, value) => view.setBigUint64(at, value),
);

export const macAddress: Codec<Mac> = {
  size: 6,
  encode: macBytes,
  decode(bytes) {
    const mac = macFromBytes(bytes);
    if (mac === undefined) throw malformed(`a MAC address of ${bytes.length} bytes`);
    return mac;
  },
};

export const ipv4Address = ipAddress(4, 4);
export const ipv6Address = ipAddress(6, 16);

function ipAddress(family: Ip["family"], size: number): Codec<Ip> {
  return {
    size,
    encode(value) {
      if (value.family !== family)
        throw new UnderlayError("internal", `an IPv${value.family} address in a field of IPv${family}`);
      return value.bytes;
    },
    decode(bytes) {
      if (bytes.length !== size) throw malformed(`an IPv${family} address of ${bytes.length} bytes`);
      return { family, bytes: bytes.slice() };
    },
  };
}

// biome-ignore lint/suspicious/noExplicitAny: members are numbers and bigints, which have no common codec
type Members = Readonly<Record<string, ScalarCodec<any>>>;
export type StructValue<M extends Members> = {
  readonly [K in keyof M]: M[K] extends ScalarCodec<infer V> ? V : never;
};

/** A C struct of numbers, in order, without hidden padding: name the padding. Longer input is cut: a body follows. */
export interface StructCodec<M extends Members> {
  readonly size: number;
  readonly members: M;
  /** Members that are not given are 0. */
  encode(value: Partial<StructValue<M>>): Uint8Array;
  decode(bytes: Uint8Array): StructValue<M>;
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
      const view = viewOf(bytes);
      for (const { name, codec, at } of placed) codec.write(view, at, value[name] ?? codec.zero);
      return bytes;
    },
    decode(bytes) {
      if (bytes.length < size) throw malformed(`a struct of ${bytes.length} bytes where ${size} are needed`);
      const view = viewOf(bytes);
      const value: Record<string, number | bigint> = {};
      for (const { name, codec, at } of placed) value[name] = codec.read(view, at);
      return value as StructValue<M>;
    },
  };
}

/** Zeros up to the next multiple of eight, as matches, instructions and properties have behind them. */
export function align8(length: number): number {
  return (length + 7) & ~7;
}
