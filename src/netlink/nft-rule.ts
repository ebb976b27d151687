import { concatBytes } from "../lib/bytes.ts";
import type { Cidr, Ip } from "../lib/ip.ts";
import { type Mac, macBytes } from "../lib/mac.ts";
import { encodeAttr } from "./attribute.ts";
import { text, u32be } from "./codec.ts";

/**
 * What a rule of nftables does, step by step: `<linux/netfilter/nf_tables.h>`. A step is an expression: it loads a
 * register, compares it, or decides. Byte for byte as nft(8) compiles the same rule.
 */

/** One or more expressions, each a `NFTA_LIST_ELEM`. */
export type Expressions = Uint8Array;

/** Of `<linux/netlink.h>`. */
const NLA_F_NESTED = 0x8000;

const NFTA_LIST_ELEM = 1;
const NFTA_EXPR_NAME = 1;
const NFTA_EXPR_DATA = 2;
const NFTA_META_DREG = 1;
const NFTA_META_KEY = 2;
const NFTA_PAYLOAD_DREG = 1;
const NFTA_PAYLOAD_BASE = 2;
const NFTA_PAYLOAD_OFFSET = 3;
const NFTA_PAYLOAD_LEN = 4;
const NFTA_BITWISE_SREG = 1;
const NFTA_BITWISE_DREG = 2;
const NFTA_BITWISE_LEN = 3;
const NFTA_BITWISE_MASK = 4;
const NFTA_BITWISE_XOR = 5;
const NFTA_CMP_SREG = 1;
const NFTA_CMP_OP = 2;
const NFTA_CMP_DATA = 3;
const NFTA_IMMEDIATE_DREG = 1;
const NFTA_IMMEDIATE_DATA = 2;
const NFTA_DATA_VALUE = 1;
const NFTA_DATA_VERDICT = 2;
const NFTA_VERDICT_CODE = 1;
const NFTA_VERDICT_CHAIN = 2;

const NFT_REG_VERDICT = 0;
export const NFT_REG_1 = 1;
export const NFT_META_IIFNAME = 6;
const NFT_META_NFPROTO = 15;
const NFT_PAYLOAD_LL_HEADER = 0;
export const NFT_PAYLOAD_NETWORK_HEADER = 1;
export const NFT_CMP_EQ = 0;
export const NFT_CMP_NEQ = 1;
const NFPROTO_IPV4 = 2;
const NFPROTO_IPV6 = 10;
/** Verdicts are signed; they stand as u32. */
const NF_DROP = 0;
const NFT_JUMP = -3;
const NFT_GOTO = -4;
const NFT_RETURN = -5;

export const IFNAMSIZ = 16;
/** Offset of the source address in an Ethernet header. */
const ETHER_SOURCE = 6;

/** Where the addresses are in a header of each family, and what a packet of it is known by. */
export const HEADERS = {
  4: { protocol: NFPROTO_IPV4, source: 12, destination: 16 },
  6: { protocol: NFPROTO_IPV6, source: 8, destination: 24 },
} as const;

/** Of that family, from that address, to somewhere outside its subnet: as if it came from the link that it leaves by. */
export function masqueradeFrom({ ip, prefix }: Cidr): Expressions {
  const { source, destination } = HEADERS[ip.family];
  return concatBytes([
    ofFamily(ip),
    load(NFT_PAYLOAD_NETWORK_HEADER, source, ip.bytes.length),
    compare(NFT_CMP_EQ, ip.bytes),
    inSubnet(NFT_CMP_NEQ, destination, { ip, prefix }),
    expression("masq"),
  ]);
}

/** To a subnet: no more of this chain. */
export function returnIfTo(subnet: Cidr): Expressions {
  const { destination } = HEADERS[subnet.ip.family];
  return concatBytes([ofFamily(subnet.ip), inSubnet(NFT_CMP_EQ, destination, subnet), verdict(NFT_RETURN)]);
}

export function returnIfFromMac(mac: Mac): Expressions {
  const bytes = macBytes(mac);
  return concatBytes([
    load(NFT_PAYLOAD_LL_HEADER, ETHER_SOURCE, bytes.length),
    compare(NFT_CMP_EQ, bytes),
    verdict(NFT_RETURN),
  ]);
}

export function jumpIfFromLink(name: string, chain: string): Expressions {
  const padded = new Uint8Array(IFNAMSIZ);
  padded.set(new TextEncoder().encode(name));
  return concatBytes([meta(NFT_META_IIFNAME), compare(NFT_CMP_EQ, padded), jumpTo(chain)]);
}

export function jumpTo(chain: string): Expressions {
  return verdict(NFT_JUMP, chain);
}

export function goTo(chain: string): Expressions {
  return verdict(NFT_GOTO, chain);
}

/** No more of this chain. */
export function returns(): Expressions {
  return verdict(NFT_RETURN);
}

export function drop(): Expressions {
  return verdict(NF_DROP);
}

export function ofFamily({ family }: Pick<Ip, "family">): Expressions {
  return concatBytes([
    meta(NFT_META_NFPROTO),
    compare(NFT_CMP_EQ, new Uint8Array([HEADERS[family].protocol])),
  ]);
}

/** A prefix of whole bytes is compared by as many bytes; any other is cut out with a mask first. */
export function inSubnet(op: number, offset: number, { ip, prefix }: Cidr): Expressions {
  const mask = maskOf(prefix, ip.bytes.length);
  const network = ip.bytes.map((byte, i) => byte & (mask[i] ?? 0));
  const whole = prefix / 8;
  if (prefix > 0 && Number.isInteger(whole)) {
    return concatBytes([
      load(NFT_PAYLOAD_NETWORK_HEADER, offset, whole),
      compare(op, network.subarray(0, whole)),
    ]);
  }
  return concatBytes([
    load(NFT_PAYLOAD_NETWORK_HEADER, offset, network.length),
    and(mask),
    compare(op, network),
  ]);
}

function maskOf(prefix: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => {
    const bits = Math.min(8, Math.max(0, prefix - 8 * i));
    return 0xff & ~(0xff >> bits);
  });
}

export function load(base: number, offset: number, length: number): Expressions {
  return expression(
    "payload",
    number(NFTA_PAYLOAD_DREG, NFT_REG_1),
    number(NFTA_PAYLOAD_BASE, base),
    number(NFTA_PAYLOAD_OFFSET, offset),
    number(NFTA_PAYLOAD_LEN, length),
  );
}

export function meta(key: number): Expressions {
  return expression("meta", number(NFTA_META_KEY, key), number(NFTA_META_DREG, NFT_REG_1));
}

export function and(mask: Uint8Array): Expressions {
  return expression(
    "bitwise",
    number(NFTA_BITWISE_SREG, NFT_REG_1),
    number(NFTA_BITWISE_DREG, NFT_REG_1),
    number(NFTA_BITWISE_LEN, mask.length),
    value(NFTA_BITWISE_MASK, mask),
    value(NFTA_BITWISE_XOR, new Uint8Array(mask.length)),
  );
}

export function compare(op: number, bytes: Uint8Array): Expressions {
  return expression(
    "cmp",
    number(NFTA_CMP_SREG, NFT_REG_1),
    number(NFTA_CMP_OP, op),
    value(NFTA_CMP_DATA, bytes),
  );
}

export function verdict(code: number, chain?: string): Expressions {
  const parts = [
    number(NFTA_VERDICT_CODE, code),
    ...(chain === undefined ? [] : [encodeAttr(NFTA_VERDICT_CHAIN, text.encode(chain))]),
  ];
  return expression(
    "immediate",
    number(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT),
    nest(NFTA_IMMEDIATE_DATA, nest(NFTA_DATA_VERDICT, ...parts)),
  );
}

export function expression(name: string, ...data: readonly Uint8Array[]): Expressions {
  return nest(NFTA_LIST_ELEM, encodeAttr(NFTA_EXPR_NAME, text.encode(name)), nest(NFTA_EXPR_DATA, ...data));
}

function value(type: number, bytes: Uint8Array): Uint8Array {
  return nest(type, encodeAttr(NFTA_DATA_VALUE, bytes));
}

export function number(type: number, value: number): Uint8Array {
  return encodeAttr(type, u32be.encode(value));
}

function nest(type: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return encodeAttr(type | NLA_F_NESTED, concatBytes(parts));
}
