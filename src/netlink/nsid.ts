import { i32, struct, u8, u32 } from "./codec.ts";
import type { Conversation } from "./conversation.ts";
import { decodeBody, encodeBody } from "./message.ts";

/** Ids by which one netns knows another: `<linux/net_namespace.h>`. IFLA_LINK_NETNSID is such an id. */

export const RTM_NSID = { RTM_NEWNSID: 88, RTM_DELNSID: 89, RTM_GETNSID: 90 } as const;

export const rtgenmsg = struct({ family: u8, pad1: u8, pad2: u8, pad3: u8 });

export const nsidTable = {
  nsid: { type: 1, symbol: "NETNSA_NSID", codec: i32 },
  pid: { type: 2, symbol: "NETNSA_PID", codec: u32 },
  fd: { type: 3, symbol: "NETNSA_FD", codec: u32 },
} as const;

export const nsidFormat = { header: rtgenmsg, table: nsidTable } as const;

/** The id that the conversation's netns has for another one, or undefined when it has none: no link of it points there. */
export async function netnsIdOf(conversation: Conversation, netnsFd: number): Promise<number | undefined> {
  const [message] = await conversation.request({
    what: "look up a network namespace id",
    type: RTM_NSID.RTM_GETNSID,
    flags: 0,
    body: encodeBody(nsidFormat, {}, { fd: netnsFd }),
    format: nsidFormat,
  });
  const nsid = message && decodeBody(nsidFormat, message.body).attrs.nsid;
  return nsid === undefined || nsid < 0 ? undefined : nsid;
}
