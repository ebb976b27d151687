import { concatBytes } from "../lib/bytes.ts";
import type { Cidr, Family } from "../lib/ip.ts";
import { encodeAttr } from "./attribute.ts";
import { text, u32 } from "./codec.ts";
import type { NftMap } from "./nft-map.ts";
import {
  and,
  compare,
  type Expressions,
  expression,
  HEADERS,
  IFNAMSIZ,
  inSubnet,
  load,
  meta,
  NFT_CMP_EQ,
  NFT_CMP_NEQ,
  NFT_META_IIFNAME,
  NFT_PAYLOAD_NETWORK_HEADER,
  NFT_REG_1,
  number,
  verdict,
} from "./nft-rule.ts";

/**
 * Steps of rules that translate addresses and that look at tracked connections. Each is a test or a verdict, and a rule
 * is some of them, one after another. Byte for byte as nft(8) compiles them.
 */

const NFTA_CT_DREG = 1;
const NFTA_CT_KEY = 2;
const NFTA_FIB_DREG = 1;
const NFTA_FIB_RESULT = 2;
const NFTA_FIB_FLAGS = 3;
const NFTA_LOOKUP_SET = 1;
const NFTA_LOOKUP_SREG = 2;
const NFTA_LOOKUP_DREG = 3;
const NFTA_LOOKUP_SET_ID = 4;
const NFTA_META_DREG = 1;
const NFTA_META_KEY = 2;
const NFTA_NAT_TYPE = 1;
const NFTA_NAT_FAMILY = 2;
const NFTA_NAT_REG_ADDR_MIN = 3;
const NFTA_NAT_REG_PROTO_MIN = 5;
const NFTA_PAYLOAD_DREG = 1;
const NFTA_PAYLOAD_BASE = 2;
const NFTA_PAYLOAD_OFFSET = 3;
const NFTA_PAYLOAD_LEN = 4;

const NFT_CT_STATE = 0;
const NFT_CT_STATUS = 2;
const NFT_FIB_RESULT_ADDRTYPE = 3;
const NFTA_FIB_F_DADDR = 2;
const NFT_META_OIFNAME = 7;
const NFT_META_L4PROTO = 16;
const NFT_NAT_DNAT = 1;
const NFT_PAYLOAD_TRANSPORT_HEADER = 2;
const NF_ACCEPT = 1;
const RTN_LOCAL = 2;

/** Bits of `ip_conntrack_info` as nf_tables tells it, and of `enum ip_conntrack_status`. */
const ESTABLISHED_OR_RELATED = 0x6;
const IPS_DST_NAT = 0x20;

/**
 * A register of 16 bytes is four of 4 bytes, which have names of their own from here on (NFT_REG32_00). What is joined in a map's key
 * stands in one after another.
 */
const NFT_REG32_00 = 8;

/** Offset of the destination port in the headers of TCP, UDP and SCTP, and its length. */
const DESTINATION_PORT = { offset: 2, length: 2 } as const;

const NFPROTO = { 4: HEADERS[4].protocol, 6: HEADERS[6].protocol } as const;

export type Comparison = "is" | "isNot";
const OPERATOR = { is: NFT_CMP_EQ, isNot: NFT_CMP_NEQ } as const;
const NAME_OF = { in: NFT_META_IIFNAME, out: NFT_META_OIFNAME } as const;

/** The link that the packet came by, or leaves by. A packet of the host's own came by none, which is not any other either. */
export function byLink(way: "in" | "out", name: string, comparison: Comparison = "is"): Expressions {
  const padded = new Uint8Array(IFNAMSIZ);
  padded.set(new TextEncoder().encode(name));
  return concatBytes([meta(NAME_OF[way]), compare(OPERATOR[comparison], padded)]);
}

/** Behind `ofFamily` only, here and for its counterpart. */
export function from(subnet: Cidr, comparison: Comparison = "is"): Expressions {
  return inSubnet(OPERATOR[comparison], HEADERS[subnet.ip.family].source, subnet);
}

export function to(subnet: Cidr, comparison: Comparison = "is"): Expressions {
  return inSubnet(OPERATOR[comparison], HEADERS[subnet.ip.family].destination, subnet);
}

/** To an address of the host's own. */
export function toLocal(): Expressions {
  const fib = expression(
    "fib",
    number(NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR),
    number(NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE),
    number(NFTA_FIB_DREG, NFT_REG_1),
  );
  return concatBytes([fib, compare(NFT_CMP_EQ, u32.encode(RTN_LOCAL))]);
}

/** Of a connection that is known, or about one. */
export function established(): Expressions {
  return tracked(NFT_CT_STATE, ESTABLISHED_OR_RELATED);
}

/** Of a connection whose destination was translated. */
export function translated(): Expressions {
  return tracked(NFT_CT_STATUS, IPS_DST_NAT);
}

function tracked(key: number, bits: number): Expressions {
  const ct = expression("ct", number(NFTA_CT_KEY, key), number(NFTA_CT_DREG, NFT_REG_1));
  const none = u32.encode(0);
  return concatBytes([ct, and(u32.encode(bits)), compare(NFT_CMP_NEQ, none)]);
}

/**
 * Looks for the packet's protocol and destination port in a map, `withAddress` for its destination address before them;
 * if they are there, the packet goes where the map says. `withAddress` stands behind `ofFamily` only.
 */
export function translateBy(
  { map, id }: Pick<NftMap, "map" | "id">,
  family: Family,
  withAddress: boolean,
): Expressions {
  const { destination } = HEADERS[family];
  const length = family === 4 ? 4 : 16;
  const words = withAddress ? length / 4 : 0;
  // The first word has the name of the whole register.
  const register = (word: number) => (word % 4 === 0 ? NFT_REG_1 + word / 4 : NFT_REG32_00 + word);
  return concatBytes([
    ...(withAddress ? [load(NFT_PAYLOAD_NETWORK_HEADER, destination, length)] : []),
    expression("meta", number(NFTA_META_KEY, NFT_META_L4PROTO), number(NFTA_META_DREG, register(words))),
    expression(
      "payload",
      number(NFTA_PAYLOAD_DREG, register(words + 1)),
      number(NFTA_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER),
      number(NFTA_PAYLOAD_OFFSET, DESTINATION_PORT.offset),
      number(NFTA_PAYLOAD_LEN, DESTINATION_PORT.length),
    ),
    expression(
      "lookup",
      number(NFTA_LOOKUP_SREG, NFT_REG_1),
      number(NFTA_LOOKUP_DREG, NFT_REG_1),
      encodeAttr(NFTA_LOOKUP_SET, text.encode(map)),
      number(NFTA_LOOKUP_SET_ID, id),
    ),
    expression(
      "nat",
      number(NFTA_NAT_TYPE, NFT_NAT_DNAT),
      number(NFTA_NAT_FAMILY, NFPROTO[family]),
      number(NFTA_NAT_REG_ADDR_MIN, NFT_REG_1),
      number(NFTA_NAT_REG_PROTO_MIN, register(length / 4)),
    ),
  ]);
}

/** As if it came from the link that it leaves by. */
export function masquerade(): Expressions {
  return expression("masq");
}

export function accept(): Expressions {
  return verdict(NF_ACCEPT);
}
