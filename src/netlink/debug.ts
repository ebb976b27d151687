import { toHex } from "../lib/bytes.ts";
import { asUnderlayError } from "../lib/errors.ts";
import type { FrameTrace } from "./conversation.ts";
import { eachMessage } from "./message.ts";

/** Prints each frame for `UNDERLAY_DEBUG=netlink`: a line a message, then its body in rows of 32 bytes. */
export function frameTrace(write: (text: string) => void): FrameTrace {
  return (direction, bytes) => {
    const arrow = direction === "sent" ? ">" : "<";
    try {
      for (const { type, flags, seq, body } of eachMessage(bytes)) {
        write(`netlink ${arrow} type=${type} flags=0x${flags.toString(16)} seq=${seq} body=${body.length}\n`);
        for (let at = 0; at < body.length; at += 32) write(`  ${row(at, body.subarray(at, at + 32))}\n`);
      }
    } catch (thrown) {
      write(`netlink ${arrow} ${asUnderlayError(thrown).message}: ${toHex(bytes)}\n`);
    }
  };
}

function row(at: number, bytes: Uint8Array): string {
  const hex = toHex(bytes).replace(/.{8}(?=.)/g, "$& ");
  const characters = [...bytes]
    .map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "."))
    .join("");
  return `${at.toString(16).padStart(4, "0")}  ${hex.padEnd(71)}  ${characters}`;
}
