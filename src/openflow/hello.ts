import { concatBytes } from "../lib/bytes.ts";
import { align8, malformed, struct, u16, u32, viewOf } from "./codec.ts";
import type { Message } from "./message.ts";
import { OFP_VERSION, OFPT, type OfpVersion } from "./numbers.ts";

/** Which version both sides speak: OpenFlow 1.4.1 sections 6.3.1 and 7.5.1. */

/** `enum ofp_hello_elem_type`. */
const OFPHET_VERSIONBITMAP = 1;

const elementHeader = struct({ type: u16, length: u16 });

/** Newest first. */
const OURS: readonly OfpVersion[] = [OFP_VERSION["1.4"], OFP_VERSION["1.3"]];

/** Tells all versions that we speak, in a bitmap; the header has the newest. */
export function helloMessage(xid: number): Message {
  const bitmap = OURS.reduce((bits, version) => bits | (1 << version), 0);
  const length = elementHeader.size + u32.size;
  const element = elementHeader.encode({ type: OFPHET_VERSIONBITMAP, length });
  const body = concatBytes([element, u32.encode(bitmap)]);
  return { version: OFP_VERSION["1.4"], type: OFPT.OFPT_HELLO, xid, body };
}

/** The newest version that both speak; undefined when there is none. `hello`: of the peer. */
export function negotiated(hello: Message): OfpVersion | undefined {
  const theirs = versionsOf(hello);
  return OURS.find((version) => theirs.has(version));
}

/** Without a bitmap a peer speaks what its header says and, as far as one can know, all before it. */
export function versionsOf({ version, body }: Message): ReadonlySet<number> {
  const bitmap = bitmapOf(body);
  if (bitmap === undefined) return new Set(Array.from({ length: version + 1 }, (_, each) => each));
  return new Set(bitmap.flatMap((bits, word) => bitsOf(bits).map((bit) => word * 32 + bit)));
}

/** Elements that are not known are passed over. */
function bitmapOf(body: Uint8Array): readonly number[] | undefined {
  for (let at = 0; at < body.length; ) {
    const { type, length } = elementHeader.decode(body.subarray(at));
    if (length < elementHeader.size || length > body.length - at)
      throw malformed(`a HELLO element of ${length} bytes`);
    if (type === OFPHET_VERSIONBITMAP) return wordsOf(body.subarray(at + elementHeader.size, at + length));
    at += align8(length);
  }
  return undefined;
}

function wordsOf(bytes: Uint8Array): number[] {
  const view = viewOf(bytes);
  return Array.from({ length: bytes.length >> 2 }, (_, word) => view.getUint32(word * 4));
}

function bitsOf(word: number): number[] {
  return Array.from({ length: 32 }, (_, bit) => bit).filter((bit) => (word >>> bit) & 1);
}
