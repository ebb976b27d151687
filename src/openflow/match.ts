import { concatBytes, toHex } from "../lib/bytes.ts";
import type { Ip } from "../lib/ip.ts";
import type { Mac } from "../lib/mac.ts";
import {
  align8,
  type Codec,
  ipv4Address,
  ipv6Address,
  macAddress,
  malformed,
  struct,
  u8,
  u16,
  u32,
} from "./codec.ts";

/**
 * What a flow matches, as OXM TLVs in a `struct ofp_match`: OpenFlow 1.4.1 section 7.2.3. A table, one line a field with its
 * name in `enum oxm_ofb_match_fields`. A field has to follow those that it presupposes; the order of the table is that of Open vSwitch.
 */

export interface Field<T> {
  /** `oxm_field` of class OFPXMC_OPENFLOW_BASIC. */
  readonly number: number;
  readonly codec: Codec<T>;
  readonly symbol: string;
}

export const fields = {
  inPort: { number: 0, symbol: "OFPXMT_OFB_IN_PORT", codec: u32 },
  ethSrc: { number: 4, symbol: "OFPXMT_OFB_ETH_SRC", codec: macAddress },
  ethDst: { number: 3, symbol: "OFPXMT_OFB_ETH_DST", codec: macAddress },
  /** Of what is behind a VLAN tag, where there is one. */
  ethType: { number: 5, symbol: "OFPXMT_OFB_ETH_TYPE", codec: u16 },
  /** With OFPVID_PRESENT; 0 for frames without a tag. */
  vlanVid: { number: 6, symbol: "OFPXMT_OFB_VLAN_VID", codec: u16 },
  ipv4Src: { number: 11, symbol: "OFPXMT_OFB_IPV4_SRC", codec: ipv4Address },
  ipv4Dst: { number: 12, symbol: "OFPXMT_OFB_IPV4_DST", codec: ipv4Address },
  ipv6Src: { number: 26, symbol: "OFPXMT_OFB_IPV6_SRC", codec: ipv6Address },
  ipv6Dst: { number: 27, symbol: "OFPXMT_OFB_IPV6_DST", codec: ipv6Address },
  ipProto: { number: 10, symbol: "OFPXMT_OFB_IP_PROTO", codec: u8 },
  tcpSrc: { number: 13, symbol: "OFPXMT_OFB_TCP_SRC", codec: u16 },
  tcpDst: { number: 14, symbol: "OFPXMT_OFB_TCP_DST", codec: u16 },
  udpSrc: { number: 15, symbol: "OFPXMT_OFB_UDP_SRC", codec: u16 },
  udpDst: { number: 16, symbol: "OFPXMT_OFB_UDP_DST", codec: u16 },
  icmpv6Type: { number: 29, symbol: "OFPXMT_OFB_ICMPV6_TYPE", codec: u8 },
  icmpv6Code: { number: 30, symbol: "OFPXMT_OFB_ICMPV6_CODE", codec: u8 },
  ndTarget: { number: 31, symbol: "OFPXMT_OFB_IPV6_ND_TARGET", codec: ipv6Address },
  ndSll: { number: 32, symbol: "OFPXMT_OFB_IPV6_ND_SLL", codec: macAddress },
  ndTll: { number: 33, symbol: "OFPXMT_OFB_IPV6_ND_TLL", codec: macAddress },
  arpOp: { number: 21, symbol: "OFPXMT_OFB_ARP_OP", codec: u16 },
  arpSpa: { number: 22, symbol: "OFPXMT_OFB_ARP_SPA", codec: ipv4Address },
  arpTpa: { number: 23, symbol: "OFPXMT_OFB_ARP_TPA", codec: ipv4Address },
  arpSha: { number: 24, symbol: "OFPXMT_OFB_ARP_SHA", codec: macAddress },
  arpTha: { number: 25, symbol: "OFPXMT_OFB_ARP_THA", codec: macAddress },
} as const satisfies Readonly<Record<string, Field<number> | Field<Mac> | Field<Ip>>>;

type Fields = typeof fields;
export type FieldName = keyof Fields;

/** An OXM that the table does not know, or a masked one, as it stood in the message. */
export interface RawField {
  /** `oxm_class`, `oxm_field` and `oxm_hasmask`, as the upper three bytes of the OXM header have them. */
  readonly header: number;
  readonly payload: Uint8Array;
}

/** Absent fields match anything; an empty match matches every frame. */
export type Match = {
  readonly [K in FieldName]?: Fields[K] extends Field<infer V> ? V : never;
} & { readonly other?: readonly RawField[] };

const OFPXMC_OPENFLOW_BASIC = 0x8000;
/** `enum ofp_match_type`. */
const OFPMT_OXM = 1;

const matchHeader = struct({ type: u16, length: u16 });
const OXM_HEADER = 4;

const NAMES = Object.keys(fields) as readonly FieldName[];
const NAME_OF: ReadonlyMap<number, FieldName> = new Map(NAMES.map((name) => [headerOf(name), name]));

/** `struct ofp_match` with its padding to eight bytes. Fields stand in the order of the table. */
export function encodeMatch(match: Match): Uint8Array {
  const parts: Uint8Array[] = [new Uint8Array(matchHeader.size)];
  let length = matchHeader.size;
  const put = (header: number, payload: Uint8Array) => {
    parts.push(u32.encode(((header << 8) | payload.length) >>> 0), payload);
    length += OXM_HEADER + payload.length;
  };
  for (const name of NAMES) {
    const value = match[name];
    if (value !== undefined) put(headerOf(name), encodeField(fields[name], value));
  }
  for (const { header, payload } of match.other ?? []) put(header, payload);
  parts[0] = matchHeader.encode({ type: OFPMT_OXM, length });
  parts.push(new Uint8Array(align8(length) - length));
  return concatBytes(parts);
}

function encodeField(field: { readonly codec: Codec<unknown> }, value: unknown): Uint8Array {
  return field.codec.encode(value);
}

/** Class, field, and no mask. */
function headerOf(name: FieldName): number {
  return (OFPXMC_OPENFLOW_BASIC << 8) | (fields[name].number << 1);
}

/** The match at the start of bytes, and how many of them it takes with its padding. */
export function decodeMatch(bytes: Uint8Array): { readonly match: Match; readonly size: number } {
  const { type, length } = matchHeader.decode(bytes);
  if (type !== OFPMT_OXM) throw malformed(`a match of type ${type}`);
  if (length < matchHeader.size || align8(length) > bytes.length)
    throw malformed(`a match of ${length} bytes in ${bytes.length}`);
  return { match: matchOf(bytes.subarray(matchHeader.size, length)), size: align8(length) };
}

function matchOf(bytes: Uint8Array): Match {
  const match: Record<string, unknown> = {};
  const other: RawField[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < OXM_HEADER) throw malformed("a match field without a header");
    const word = u32.decode(bytes.subarray(at, at + OXM_HEADER));
    const [header, length] = [word >>> 8, word & 0xff];
    const end = at + OXM_HEADER + length;
    if (end > bytes.length) throw malformed(`a match field of ${length} bytes`);
    const payload = bytes.subarray(at + OXM_HEADER, end);
    const name = NAME_OF.get(header);
    if (name === undefined) other.push({ header, payload: payload.slice() });
    else match[name] = fields[name].codec.decode(payload);
    at = end;
  }
  return (other.length > 0 ? { ...match, other } : match) as Match;
}

/**
 * For a person, and to know two matches for one: `inPort=5,ethType=2054`, in the order of the table. In loops, because a
 * bridge of 500 secured ports has 17,000 flows to compare.
 */
export function formatMatch(match: Match): string {
  let text = "";
  for (const name of NAMES) {
    const value = match[name];
    if (value === undefined) continue;
    if (text !== "") text += ",";
    text += `${name}=${typeof value === "object" ? toHex(value.bytes) : value}`;
  }
  if (match.other === undefined) return text;
  const others = match.other.map(({ header, payload }) => `#${header.toString(16)}=${toHex(payload)}`);
  return [...(text === "" ? [] : [text]), ...others.sort()].join(",");
}
