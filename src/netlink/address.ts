import { type Cidr, formatCidr } from "../lib/ip.ts";

import { binary, ipAddress, struct, text, u8, u32 } from "./codec.ts";
import type { Conversation } from "./conversation.ts";
import type { Request } from "./failure.ts";
import { type Body, decodeBody, encodeBody, NLM_F } from "./message.ts";

/** Addresses of links: `<linux/if_addr.h>`, rtnetlink(7). */

export const RTM_ADDR = { RTM_NEWADDR: 20, RTM_DELADDR: 21, RTM_GETADDR: 22 } as const;

export const AF = { AF_UNSPEC: 0, AF_INET: 2, AF_INET6: 10 } as const;

export function addressFamily(family: 4 | 6): number {
  return family === 4 ? AF.AF_INET : AF.AF_INET6;
}

/** IPv6 only: no duplicate address detection. */
export const IFA_F = {
  IFA_F_NODAD: 0x02,
  IFA_F_DADFAILED: 0x08,
  IFA_F_TENTATIVE: 0x40,
  IFA_F_PERMANENT: 0x80,
  /** The kernel makes no route for it. */
  IFA_F_NOPREFIXROUTE: 0x200,
  /** A multicast group is joined for it on the wire. */
  IFA_F_MCAUTOJOIN: 0x400,
} as const;

export const ifaddrmsg = struct({ family: u8, prefixlen: u8, flags: u8, scope: u8, index: u32 });

export const addressTable = {
  address: { type: 1, symbol: "IFA_ADDRESS", codec: ipAddress },
  local: { type: 2, symbol: "IFA_LOCAL", codec: ipAddress },
  label: { type: 3, symbol: "IFA_LABEL", codec: text },
  broadcast: { type: 4, symbol: "IFA_BROADCAST", codec: ipAddress },
  cacheinfo: { type: 6, symbol: "IFA_CACHEINFO", codec: binary },
  flags: { type: 8, symbol: "IFA_FLAGS", codec: u32 },
  /** Who gave it; Linux 5.18 and later, others neither keep nor tell it. */
  proto: { type: 11, symbol: "IFA_PROTO", codec: u8 },
} as const;

export const addressFormat = { header: ifaddrmsg, table: addressTable } as const;

export type Address = Body<(typeof ifaddrmsg)["members"], typeof addressTable>;

/** IFA_LOCAL is the interface's own address; IFA_ADDRESS differs from it only on point-to-point links. IPv6 has no IFA_LOCAL. */
function addressBody(ifindex: number, { ip, prefix }: Cidr, flags: number, proto = 0): Uint8Array {
  const header = { family: addressFamily(ip.family), prefixlen: prefix, index: ifindex };
  const marks = { ...(flags !== 0 && { flags }), ...(proto !== 0 && { proto }) };
  return encodeBody(addressFormat, header, { local: ip, address: ip, ...marks });
}

/** `proto`: the birth mark, of those that IFAPROT_* leaves to everybody. */
export function addAddressRequest(ifindex: number, cidr: Cidr, flags = 0, proto = 0): Request {
  return {
    what: `add ${formatCidr(cidr)} to link #${ifindex}`,
    type: RTM_ADDR.RTM_NEWADDR,
    flags: NLM_F.NLM_F_CREATE | NLM_F.NLM_F_EXCL,
    body: addressBody(ifindex, cidr, flags, proto),
    format: addressFormat,
  };
}

export function deleteAddressRequest(ifindex: number, cidr: Cidr): Request {
  return {
    what: `delete ${formatCidr(cidr)} of link #${ifindex}`,
    type: RTM_ADDR.RTM_DELADDR,
    flags: 0,
    body: addressBody(ifindex, cidr, 0),
    format: addressFormat,
  };
}

export interface ListedAddress {
  readonly ifindex: number;
  readonly cidr: Cidr;
  /** Until somebody takes it away: no lease, and not made up from a router's advertisement. */
  readonly permanent: boolean;
  /** IPv6: whether somebody else has it is being asked … */
  readonly tentative: boolean;
  /** … or was, and somebody has. */
  readonly duplicate: boolean;
  /** Who gave it, where the kernel tells; 0 = nobody said. */
  readonly proto: number;
}

/** The interface addresses of one link, or of all links when no index is given. */
export async function listAddresses(conversation: Conversation, ifindex = 0): Promise<ListedAddress[]> {
  const messages = await conversation.dump({
    what: "list addresses",
    type: RTM_ADDR.RTM_GETADDR,
    flags: 0,
    body: encodeBody(addressFormat, { index: ifindex }, {}),
    format: addressFormat,
  });
  return messages.flatMap((message) => {
    const { header, attrs } = decodeBody(addressFormat, message.body);
    const ip = attrs.local ?? attrs.address;
    const has = (flag: number) => (header.flags & flag) !== 0;
    const states = {
      permanent: has(IFA_F.IFA_F_PERMANENT),
      tentative: has(IFA_F.IFA_F_TENTATIVE),
      duplicate: has(IFA_F.IFA_F_DADFAILED),
    };
    const cidr = ip && { ip, prefix: header.prefixlen };
    return cidr ? [{ ifindex: header.index, cidr, ...states, proto: attrs.proto ?? 0 }] : [];
  });
}

/** All that the kernel tells of the addresses of a link, in its order, which is that in which they were given. */
export async function readAddresses(conversation: Conversation, ifindex: number): Promise<Address[]> {
  const messages = await conversation.dump({
    what: `read the addresses of link #${ifindex}`,
    type: RTM_ADDR.RTM_GETADDR,
    flags: 0,
    body: encodeBody(addressFormat, { index: ifindex }, {}),
    format: addressFormat,
  });
  return messages
    .map(({ body }) => decodeBody(addressFormat, body))
    .filter(({ header }) => header.index === ifindex);
}

/** Tells the kernel what it told of one, as `readAddresses` has it. `new`: EEXIST when the link has it. */
export function sameAddressRequest(verb: "new" | "delete", address: Address): Request {
  const { header, attrs } = address;
  const { address: of, local = of } = attrs;
  const text = local ? formatCidr({ ip: local, prefix: header.prefixlen }) : "an address";
  return {
    what:
      verb === "new" ? `give ${text} to link #${header.index}` : `take ${text} from link #${header.index}`,
    type: verb === "new" ? RTM_ADDR.RTM_NEWADDR : RTM_ADDR.RTM_DELADDR,
    flags: verb === "new" ? NLM_F.NLM_F_CREATE | NLM_F.NLM_F_EXCL : 0,
    body: encodeBody(addressFormat, header, attrs),
    format: addressFormat,
  };
}
