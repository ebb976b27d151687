import { concatBytes } from "../lib/bytes.ts";
import { UnderlayError } from "../lib/errors.ts";
import { malformed, struct, u8, u16, u32, viewOf } from "./codec.ts";

/** Framing: `struct ofp_header`, whose length counts itself, then a body. Messages follow one another without a gap. */

export const ofpHeader = struct({ version: u8, type: u8, length: u16, xid: u32 });

/** No message is longer: its length is a u16. */
export const MOST_BYTES = 0xffff;

export interface Message {
  /** `ofp_header.version`: that of the sender in a HELLO, the negotiated one in all others. */
  readonly version: number;
  readonly type: number;
  /** Chosen by who asks, and repeated by who answers. */
  readonly xid: number;
  readonly body: Uint8Array;
}

/** Throws `internal` when it is too long: a length that wrapped would turn the rest of it into messages. */
export function encodeMessage({ version, type, xid, body }: Message): Uint8Array {
  const length = ofpHeader.size + body.length;
  if (length > MOST_BYTES) throw new UnderlayError("internal", `an OpenFlow message of ${length} bytes`);
  return concatBytes([ofpHeader.encode({ version, type, length, xid }), body]);
}

/** Finds the messages in a stream, however it is cut into chunks. Holds at most one message that is not whole. */
export class MessageSplitter {
  #parts: Uint8Array[] = [];
  #held = 0;
  /** Bytes without which there is no next message. */
  #needed = ofpHeader.size;

  /**
   * The messages that end in this chunk, in order. Throws `kernel` for a length below that of the header; where the
   * next message begins is then not known, and the stream is of no more use.
   */
  push(chunk: Uint8Array): Message[] {
    this.#parts.push(chunk);
    this.#held += chunk.length;
    if (this.#held < this.#needed) return [];
    const bytes = concatBytes(this.#parts);
    const messages: Message[] = [];
    let at = 0;
    for (;;) {
      this.#needed = neededAt(bytes.subarray(at));
      if (bytes.length - at < this.#needed) break;
      const { version, type, xid } = ofpHeader.decode(bytes.subarray(at));
      const end = at + this.#needed;
      messages.push({ version, type, xid, body: bytes.subarray(at + ofpHeader.size, end) });
      at = end;
    }
    this.#parts = [bytes.subarray(at)];
    this.#held = bytes.length - at;
    return messages;
  }
}

/** Length of the message that begins here, or of a header as long as there is none. */
function neededAt(bytes: Uint8Array): number {
  if (bytes.length < ofpHeader.size) return ofpHeader.size;
  const length = viewOf(bytes).getUint16(2);
  if (length < ofpHeader.size) throw malformed(`a length of ${length} bytes`);
  return length;
}

/** All messages of bytes that hold nothing else; for captures and tests. */
export function eachMessage(bytes: Uint8Array): Message[] {
  return new MessageSplitter().push(bytes);
}
