import type { Ip } from "../lib/ip.ts";
import type { Mac } from "../lib/mac.ts";
import { addressFamily } from "./address.ts";

import { binary, i32, ipAddress, linkAddress, struct, u8, u16, u32 } from "./codec.ts";
import type { Conversation } from "./conversation.ts";
import { GONE, isErrno, type Request } from "./failure.ts";
import { type Body, decodeBody, encodeBody, NLM_F } from "./message.ts";

/** Neighbours (ARP and ND entries): `<linux/neighbour.h>`, rtnetlink(7). */

export const RTM_NEIGH = { RTM_NEWNEIGH: 28, RTM_DELNEIGH: 29, RTM_GETNEIGH: 30 } as const;

export const NUD = {
  NUD_INCOMPLETE: 0x01,
  NUD_REACHABLE: 0x02,
  NUD_STALE: 0x04,
  /** It is being asked whether it is there still. */
  NUD_PROBE: 0x10,
  NUD_FAILED: 0x20,
  NUD_PERMANENT: 0x80,
} as const;

/** Somebody is about to send to it: the kernel asks where it is. */
export const NTF_USE = 1;

export const ndmsg = struct({
  family: u8,
  pad1: u8,
  pad2: u16,
  ifindex: i32,
  state: u16,
  flags: u8,
  type: u8,
});

export const neighbourTable = {
  destination: { type: 1, symbol: "NDA_DST", codec: ipAddress },
  linkAddress: { type: 2, symbol: "NDA_LLADDR", codec: linkAddress },
  cacheinfo: { type: 3, symbol: "NDA_CACHEINFO", codec: binary },
  probes: { type: 4, symbol: "NDA_PROBES", codec: u32 },
} as const;

export const neighbourFormat = { header: ndmsg, table: neighbourTable } as const;

export type Neighbour = Body<(typeof ndmsg)["members"], typeof neighbourTable>;

/** A permanent entry, made or replaced. */
export function setNeighbourRequest(ifindex: number, ip: Ip, mac: Mac): Request {
  const header = { family: addressFamily(ip.family), ifindex, state: NUD.NUD_PERMANENT };
  return {
    what: `set a neighbour of link #${ifindex}`,
    type: RTM_NEIGH.RTM_NEWNEIGH,
    flags: NLM_F.NLM_F_CREATE | NLM_F.NLM_F_REPLACE,
    body: encodeBody(neighbourFormat, header, { destination: ip, linkAddress: mac }),
    format: neighbourFormat,
  };
}

export function deleteNeighbourRequest(ifindex: number, ip: Ip): Request {
  return {
    what: `delete a neighbour of link #${ifindex}`,
    type: RTM_NEIGH.RTM_DELNEIGH,
    flags: 0,
    body: encodeBody(neighbourFormat, { family: addressFamily(ip.family), ifindex }, { destination: ip }),
    format: neighbourFormat,
  };
}

/** Makes the kernel ask one whom it knows whether he is there still, at once. */
export function probeNeighbourRequest(ifindex: number, ip: Ip, mac: Mac): Request {
  const header = { family: addressFamily(ip.family), ifindex, state: NUD.NUD_PROBE };
  return {
    what: `probe a neighbour of link #${ifindex}`,
    type: RTM_NEIGH.RTM_NEWNEIGH,
    flags: NLM_F.NLM_F_REPLACE,
    body: encodeBody(neighbourFormat, header, { destination: ip, linkAddress: mac }),
    format: neighbourFormat,
  };
}

/** Makes the kernel ask who has the address, unless it knows. */
export function useNeighbourRequest(ifindex: number, ip: Ip): Request {
  const header = { family: addressFamily(ip.family), ifindex, flags: NTF_USE };
  return {
    what: `ask for a neighbour of link #${ifindex}`,
    type: RTM_NEIGH.RTM_NEWNEIGH,
    flags: NLM_F.NLM_F_CREATE,
    body: encodeBody(neighbourFormat, header, { destination: ip }),
    format: neighbourFormat,
  };
}

/** What the kernel knows of one neighbour; undefined when it was never asked for. */
export async function getNeighbour(
  conversation: Conversation,
  ifindex: number,
  ip: Ip,
): Promise<Neighbour | undefined> {
  const header = { family: addressFamily(ip.family), ifindex };
  try {
    const [message] = await conversation.request({
      what: `look up a neighbour of link #${ifindex}`,
      type: RTM_NEIGH.RTM_GETNEIGH,
      flags: 0,
      body: encodeBody(neighbourFormat, header, { destination: ip }),
      format: neighbourFormat,
    });
    return message && decodeBody(neighbourFormat, message.body);
  } catch (error) {
    if (isErrno(error, ...GONE)) return undefined;
    throw error;
  }
}

export async function listNeighbours(conversation: Conversation, family: 4 | 6): Promise<Neighbour[]> {
  const messages = await conversation.dump({
    what: "list neighbours",
    type: RTM_NEIGH.RTM_GETNEIGH,
    flags: 0,
    body: encodeBody(neighbourFormat, { family: addressFamily(family) }, {}),
    format: neighbourFormat,
  });
  return messages.map((message) => decodeBody(neighbourFormat, message.body));
}
