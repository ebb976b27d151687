import { concatBytes } from "../lib/bytes.ts";
import { struct, u16, u32 } from "./codec.ts";
import { encodeMessage, type Message } from "./message.ts";
import { OFPBCT, OFPBF, OFPT } from "./numbers.ts";

/** Several changes that come to pass together or not at all: OpenFlow 1.4.1 sections 6.9 and 7.3.9; not in 1.3. */

/** `struct ofp_bundle_ctrl_msg`; `struct ofp_bundle_add_msg` has padding in the place of its type. */
export const ofpBundle = struct({ bundleId: u32, type: u16, flags: u16 });

/** In the order in which they were added, and no frame sees some of them without the others. */
const FLAGS = OFPBF.OFPBF_ATOMIC | OFPBF.OFPBF_ORDERED;

type Control = "OFPBCT_OPEN_REQUEST" | "OFPBCT_COMMIT_REQUEST" | "OFPBCT_DISCARD_REQUEST";

/** Body of an OFPT_BUNDLE_CONTROL. Bundle ids are the connection's own. */
export function bundleControl(bundleId: number, type: Control): Uint8Array {
  return ofpBundle.encode({ bundleId, type: OFPBCT[type], flags: FLAGS });
}

/** The message that puts another one into a bundle; both have the same xid, by which an error is told. */
export function bundleAdd(bundleId: number, inner: Message): Message {
  const body = concatBytes([ofpBundle.encode({ bundleId, flags: FLAGS }), encodeMessage(inner)]);
  return { ...inner, type: OFPT.OFPT_BUNDLE_ADD_MESSAGE, body };
}
