import { struct, text, u8, u16, u32 } from "./codec.ts";
import type { Conversation } from "./conversation.ts";
import { decodeBody, encodeBody } from "./message.ts";

/** Generic netlink: families with numbers given at run time, `<linux/genetlink.h>`. */

/** The family that knows the others. */
const GENL_ID_CTRL = 16;
const CTRL_CMD_GETFAMILY = 3;

export const genlmsghdr = struct({ cmd: u8, version: u8, reserved: u16 });

export const controllerTable = {
  familyId: { type: 1, symbol: "CTRL_ATTR_FAMILY_ID", codec: u16 },
  familyName: { type: 2, symbol: "CTRL_ATTR_FAMILY_NAME", codec: text },
  version: { type: 3, symbol: "CTRL_ATTR_VERSION", codec: u32 },
} as const;

const controllerFormat = { header: genlmsghdr, table: controllerTable } as const;

/**
 * The number of a family in this kernel, or undefined when it has none. All families are listed: asking for one by
 * its name makes the kernel load modules, which a question must not.
 */
export async function familyNumber(conversation: Conversation, name: string): Promise<number | undefined> {
  const messages = await conversation.dump({
    what: "list generic netlink families",
    type: GENL_ID_CTRL,
    flags: 0,
    body: encodeBody(controllerFormat, { cmd: CTRL_CMD_GETFAMILY, version: 1 }, {}),
    format: controllerFormat,
  });
  const families = messages.map((message) => decodeBody(controllerFormat, message.body).attrs);
  return families.find((family) => family.familyName === name)?.familyId;
}
