import { equalBytes } from "../lib/bytes.ts";
import { align4, TYPE_MASK } from "./attribute.ts";
import { viewOf } from "./codec.ts";
import { nlmsghdr } from "./message.ts";

/**
 * What a reader wants of the messages that come: attributes of these types, behind a family struct of so many bytes.
 * A link has some sixty attributes in a kilobyte. What nobody asked for is left where it was received, so that a dump
 * of thousands neither crosses threads nor becomes garbage.
 */
export interface Wanted {
  readonly header: number;
  readonly types: readonly number[];
  /** Of one of these types and with these bytes; a message without it is left out whole. */
  readonly having?: { readonly type: number; readonly payload: Uint8Array };
}

/** Smaller types are the protocol's own: ACKs, errors, the end of a dump. Their payload is no row of attributes. */
const NLMSG_MIN_TYPE = 0x10;
const HEADER = 4;

/**
 * Leaves out the other attributes of all messages of a datagram, in place, and tells how many bytes are left of it.
 * What is malformed stays as it is: the decoder says so.
 */
export function pickAttrs(datagram: Uint8Array, { header, types, having }: Wanted): number {
  const view = viewOf(datagram);
  let from = 0;
  let to = 0;
  while (datagram.length - from >= nlmsghdr.size) {
    const length = view.getUint32(from, true);
    const type = view.getUint16(from + 4, true);
    if (length < nlmsghdr.size || length > datagram.length - from) break;
    const whole = type < NLMSG_MIN_TYPE ? length : Math.min(length, nlmsghdr.size + align4(header));
    datagram.copyWithin(to, from, from + whole);
    const kept = to + whole;
    const end = moveAttrs(datagram, types, { from: from + whole, until: from + length, to: kept });
    from += align4(length);
    const isWanted =
      type < NLMSG_MIN_TYPE || !having || hasAttr(datagram, having, { from: kept, until: end });
    if (!isWanted) continue;
    view.setUint32(to, end - to, true);
    to = align4(end);
  }
  datagram.copyWithin(to, from);
  return to + Math.max(datagram.length - from, 0);
}

interface Span {
  readonly from: number;
  readonly until: number;
  readonly to: number;
}

function hasAttr(
  bytes: Uint8Array,
  { type, payload }: NonNullable<Wanted["having"]>,
  { from, until }: Pick<Span, "from" | "until">,
): boolean {
  const view = viewOf(bytes);
  for (let at = from; until - at >= HEADER; ) {
    const length = view.getUint16(at, true);
    if (length < HEADER || length > until - at) return true;
    const isType = (view.getUint16(at + 2, true) & TYPE_MASK) === type;
    if (isType && equalBytes(bytes.subarray(at + HEADER, at + length), payload)) return true;
    at += align4(length);
  }
  return false;
}

/** Where the attributes that were kept end. */
function moveAttrs(bytes: Uint8Array, types: readonly number[], span: Span): number {
  const view = viewOf(bytes);
  let { from, to } = span;
  while (span.until - from >= HEADER) {
    const length = view.getUint16(from, true);
    const malformed = length < HEADER || length > span.until - from;
    if (malformed || types.includes(view.getUint16(from + 2, true) & TYPE_MASK)) {
      const end = malformed ? span.until : Math.min(from + align4(length), span.until);
      bytes.copyWithin(to, from, end);
      to += end - from;
    }
    if (malformed) break;
    from += align4(length);
  }
  return to;
}
