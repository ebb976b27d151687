import { concatBytes } from "../lib/bytes.ts";
import {
  type Attrs,
  type AttrTable,
  align4,
  attrParts,
  attrPath,
  attrReader,
  type Unknown,
} from "./attribute.ts";
import { i32, malformed, type StructCodec, struct, u16, u32 } from "./codec.ts";

/** Framing: `struct nlmsghdr` of `<linux/netlink.h>`, followed by a family's struct and its attributes. */

export const nlmsghdr = struct({ len: u32, type: u16, flags: u16, seq: u32, pid: u32 });

export const NLMSG = { NLMSG_NOOP: 1, NLMSG_ERROR: 2, NLMSG_DONE: 3, NLMSG_OVERRUN: 4 } as const;

/** Header flags. Some share a bit: their meaning depends on the verb. */
export const NLM_F = {
  NLM_F_REQUEST: 0x01,
  NLM_F_MULTI: 0x02,
  NLM_F_ACK: 0x04,
  NLM_F_DUMP_INTR: 0x10,
  NLM_F_CAPPED: 0x100,
  NLM_F_ACK_TLVS: 0x200,
  NLM_F_DUMP: 0x300,
  NLM_F_REPLACE: 0x100,
  NLM_F_EXCL: 0x200,
  NLM_F_CREATE: 0x400,
  NLM_F_APPEND: 0x800,
} as const;

export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly seq: number;
  /** Family struct and attributes. */
  readonly body: Uint8Array;
}

/** The members of `nlmsghdr` by hand, here and below: every frame of every dump passes, in threads that are never warm. */
export function encodeMessage({ type, flags, seq, body }: Message): Uint8Array {
  const len = nlmsghdr.size + body.length;
  const bytes = new Uint8Array(align4(len));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, len, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, seq, true);
  bytes.set(body, nlmsghdr.size);
  return bytes;
}

/** The messages of one datagram, in order. A last message without its padding is valid. */
export function eachMessage(datagram: Uint8Array): Message[] {
  const all: Message[] = [];
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  const header = nlmsghdr.size;
  let at = 0;
  while (datagram.length - at >= header) {
    const len = view.getUint32(at, true);
    if (len < header || len > datagram.length - at) {
      throw malformed(`a message of length ${len} in ${datagram.length - at} bytes`);
    }
    const [type, flags] = [view.getUint16(at + 4, true), view.getUint16(at + 6, true)];
    const seq = view.getUint32(at + 8, true);
    all.push({ type, flags, seq, body: datagram.subarray(at + header, at + len) });
    // `align4`, which a call for each message would have compiled.
    at += (len + 3) & ~3;
  }
  return all;
}

type Members = Parameters<typeof struct>[0];

/** How an object of a family stands in a message body: its struct, then its attributes. */
export interface BodyFormat<M extends Members, T extends AttrTable> {
  readonly header: StructCodec<M>;
  readonly table: T;
}

export interface Body<M extends Members, T extends AttrTable> {
  readonly header: { readonly [K in keyof M]: number };
  readonly attrs: Attrs<T>;
}

export function encodeBody<M extends Members, T extends AttrTable>(
  format: BodyFormat<M, T>,
  header: Partial<{ readonly [K in keyof M]: number }>,
  attrs: Attrs<T>,
): Uint8Array {
  return concatBytes(attrParts(format.table, attrs, [format.header.encode(header)]));
}

/** A decoder for bodies that come often: the format's table is indexed once. */
export function bodyReader<M extends Members, T extends AttrTable>(
  format: BodyFormat<M, T>,
  unknown: Unknown = "kept",
): (bytes: Uint8Array) => Body<M, T> {
  const attrs = attrReader(format.table, unknown);
  const start = align4(format.header.size);
  return (bytes) => ({ header: format.header.decode(bytes), attrs: attrs(bytes.subarray(start)) });
}

export function decodeBody<M extends Members, T extends AttrTable>(
  format: BodyFormat<M, T>,
  bytes: Uint8Array,
): Body<M, T> {
  return bodyReader(format)(bytes);
}

/** The attribute path at an offset counted from the start of the message, as NLMSGERR_ATTR_OFFS does. */
export function bodyPath(
  format: { readonly header: { readonly size: number }; readonly table: AttrTable },
  body: Uint8Array,
  messageOffset: number,
): string {
  const start = align4(format.header.size);
  const offset = messageOffset - nlmsghdr.size - start;
  return offset < 0 ? "" : attrPath(format.table, body.subarray(start), offset).join(".");
}

/** Payload of NLMSG_ERROR: `struct nlmsgerr`, whose error is a negative errno or 0. NLMSG_DONE begins the same way. */
export const nlmsgerrCode = i32;

/** The sequence numbers in a buffer of requests, in order, and whether the sender wants to hear of each in any case. */
export function sequencesOf(requests: Uint8Array): ReadonlyMap<number, boolean> {
  const sequences = new Map<number, boolean>();
  const view = new DataView(requests.buffer, requests.byteOffset, requests.byteLength);
  for (let at = 0; at < requests.length; at += (view.getUint32(at, true) + 3) & ~3) {
    const flags = view.getUint16(at + 6, true);
    sequences.set(view.getUint32(at + 8, true), (flags & NLM_F.NLM_F_ACK) !== 0);
  }
  return sequences;
}

/** Whether a message ends the answer to its request. */
export function isTerminal(message: Message): boolean {
  return message.type === NLMSG.NLMSG_ERROR || message.type === NLMSG.NLMSG_DONE;
}
