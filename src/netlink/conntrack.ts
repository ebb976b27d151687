import { concatBytes } from "../lib/bytes.ts";
import type { Family } from "../lib/ip.ts";
import { eachAttr, encodeAttr, nested } from "./attribute.ts";
import { binary, u8, u16be, u32 } from "./codec.ts";
import type { Conversation } from "./conversation.ts";
import { GONE, isErrno, type Request } from "./failure.ts";
import { decodeBody, encodeBody } from "./message.ts";
import { NF_FAMILY, nfgenmsg } from "./nftables.ts";

/**
 * Connections that the kernel tracks: `<linux/netfilter/nfnetlink_conntrack.h>`. Rules that translate are asked for the
 * first packet of a connection alone; one that is known goes where it went.
 */

/** In the upper byte of a message's type. */
const NFNL_SUBSYS_CTNETLINK = 1;
const IPCTNL_MSG_CT_GET = 1;
const IPCTNL_MSG_CT_DELETE = 2;

export const ctProtocolTable = {
  number: { type: 1, symbol: "CTA_PROTO_NUM", codec: u8 },
  destination: { type: 3, symbol: "CTA_PROTO_DST_PORT", codec: u16be },
} as const;

export const ctTupleTable = {
  protocol: { type: 2, symbol: "CTA_TUPLE_PROTO", codec: nested(ctProtocolTable) },
} as const;

export const ctFilterTable = {
  asked: { type: 1, symbol: "CTA_FILTER_ORIG_FLAGS", codec: u32 },
  answered: { type: 2, symbol: "CTA_FILTER_REPLY_FLAGS", codec: u32 },
} as const;

export const ctTable = {
  /** Of the packets of who began it; as it stands, so that it can be sent back. */
  asked: { type: 1, symbol: "CTA_TUPLE_ORIG", codec: binary },
  id: { type: 12, symbol: "CTA_ID", codec: binary },
  zone: { type: 18, symbol: "CTA_ZONE", codec: binary },
  filter: { type: 25, symbol: "CTA_FILTER", codec: nested(ctFilterTable) },
} as const;

export const ctFormat = { header: nfgenmsg, table: ctTable } as const;

/** Of `<linux/netlink.h>`. */
const NLA_F_NESTED = 0x8000;
const IPPROTO_UDP = 17;
/** What of a tuple a filter compares, `net/netfilter/nf_internals.h`: the protocol's number, and its destination port. */
const COMPARED = (1 << 3) | (1 << 5);
const NF_FAMILY_OF = { 4: NF_FAMILY.ip, 6: NF_FAMILY.ip6 } as const satisfies Record<Family, number>;

/**
 * Has the kernel forget the UDP connections that were begun to a port, whichever way they were led. How many there were.
 * Throws `kernel`: EINVAL or EOPNOTSUPP where a kernel tells nobody of its connections.
 */
export async function forgetUdpTo(conversation: Conversation, family: Family, port: number): Promise<number> {
  const header = { family: NF_FAMILY_OF[family] };
  const { protocol } = ctTupleTable;
  const tuple = nest(protocol.type, protocol.codec.encode({ number: IPPROTO_UDP, destination: port }));
  // A kernel before 5.8 knows no filter and tells of all.
  const found = await conversation.dump({
    ...request(IPCTNL_MSG_CT_GET, `list connections to port ${port}/udp`),
    body: concatBytes([
      encodeBody(ctFormat, header, {}),
      nest(ctTable.asked.type, tuple),
      nest(ctTable.filter.type, ctTable.filter.codec.encode({ asked: COMPARED, answered: 0 })),
    ]),
  });
  const deletes = found.flatMap(({ body }) => {
    const { asked, id, zone } = decodeBody(ctFormat, body).attrs;
    if (!asked || !isUdpTo(asked, port)) return [];
    return [
      {
        ...request(IPCTNL_MSG_CT_DELETE, `forget a connection to port ${port}/udp`),
        body: concatBytes([
          encodeBody(ctFormat, header, { ...(id && { id }), ...(zone && { zone }) }),
          nest(ctTable.asked.type, asked),
        ]),
      },
    ];
  });
  const outcomes = await conversation.settle(deletes);
  const failed = outcomes.find((outcome) => !outcome.ok && !isErrno(outcome.error, ...GONE));
  if (failed && !failed.ok) throw failed.error;
  return deletes.length;
}

function isUdpTo(tuple: Uint8Array, port: number): boolean {
  const protocol = eachAttr(tuple).find(({ type }) => type === ctTupleTable.protocol.type);
  if (!protocol) return false;
  const { number, destination } = ctTupleTable.protocol.codec.decode(protocol.payload);
  return number === IPPROTO_UDP && destination === port;
}

function nest(type: number, payload: Uint8Array): Uint8Array {
  return encodeAttr(type | NLA_F_NESTED, payload);
}

function request(message: number, what: string): Omit<Request, "body"> {
  return { what, type: (NFNL_SUBSYS_CTNETLINK << 8) | message, flags: 0, format: ctFormat };
}
