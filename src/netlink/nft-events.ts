import type { Libc } from "../sys/libc.ts";
import type { Netns } from "../sys/netns.ts";
import { type NetlinkSocket, openNetlinkSocket } from "../sys/socket.ts";
import { u32be } from "./codec.ts";
import type { Conversation } from "./conversation.ts";
import { onlyOfType } from "./event-filter.ts";
import { decodeBody, eachMessage } from "./message.ts";
import { change, nfgenmsg } from "./nftables.ts";
import { EVENT_BUFFER, NETLINK_NETFILTER } from "./open.ts";

/** That nftables have changed. What has is not told here: whoever minds reads it. */

const NFT_MSG_NEWGEN = 15;
const NFT_MSG_GETGEN = 16;

/** In the upper byte of a message's type. */
const NFNL_SUBSYS_NFTABLES = 10;

/** `<linux/netfilter/nfnetlink.h>`: NFNLGRP_NFTABLES is the seventh group. */
const NFNL_GROUP_NFTABLES = 1 << 6;

export const nftGenerationTable = {
  id: { type: 1, symbol: "NFTA_GEN_ID", codec: u32be },
} as const;

export const nftGenerationFormat = { header: nfgenmsg, table: nftGenerationTable } as const;

/** Counts the transactions of a netns, a u32. */
export async function generation(conversation: Conversation): Promise<number> {
  const [message] = await conversation.request({
    ...change("ask for the generation of nftables", NFT_MSG_GETGEN, 0),
    body: nfgenmsg.encode({}),
    format: nftGenerationFormat,
  });
  return message ? (decodeBody(nftGenerationFormat, message.body).attrs.id ?? 0) : 0;
}

/** The type of the event that ends what a transaction tells. */
const NEW_GENERATION = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWGEN;

/** A socket that hears when a transaction has ended, in this netns or in the given one. */
export function openNftablesEventSocket(libc: Libc, netns?: Netns): NetlinkSocket {
  return openNetlinkSocket(libc, {
    protocol: NETLINK_NETFILTER,
    netns,
    groups: NFNL_GROUP_NFTABLES,
    receiveBuffer: EVENT_BUFFER,
    filter: onlyOfType(NEW_GENERATION),
  });
}

/** The last generation that an event datagram tells of. */
export function generationIn(datagram: Uint8Array): number | undefined {
  return eachMessage(datagram)
    .filter(({ type }) => type === NEW_GENERATION)
    .map(({ body }) => decodeBody(nftGenerationFormat, body).attrs.id)
    .at(-1);
}
