import { concatBytes } from "../lib/bytes.ts";
import type { Family } from "../lib/ip.ts";
import { eachAttr, encodeAttr } from "./attribute.ts";
import { binary, text, u32be } from "./codec.ts";
import type { Conversation } from "./conversation.ts";
import { GONE, isErrno, type Request } from "./failure.ts";
import { decodeBody, encodeBody, NLM_F } from "./message.ts";
import { change, NF_FAMILY, type NftTable, nfgenmsg, userdataOf } from "./nftables.ts";

/** Maps of nftables from one row of values to another: `nf_tables_api.c`, and what nft(8) calls `map`. */

const NFT_MSG_NEWSET = 9;
const NFT_MSG_NEWSETELEM = 12;
const NFT_MSG_GETSETELEM = 13;
const NFT_MSG_DELSETELEM = 14;

const NFT_SET_MAP = 0x8;
const NFTA_LIST_ELEM = 1;
const NFTA_SET_ELEM_KEY = 1;
const NFTA_SET_ELEM_DATA = 2;
const NFTA_SET_ELEM_USERDATA = 6;
const NFTA_DATA_VALUE = 1;
/** Of `<linux/netlink.h>`. */
const NLA_F_NESTED = 0x8000;

export const nftSetTable = {
  table: { type: 1, symbol: "NFTA_SET_TABLE", codec: text },
  name: { type: 2, symbol: "NFTA_SET_NAME", codec: text },
  flags: { type: 3, symbol: "NFTA_SET_FLAGS", codec: u32be },
  keyType: { type: 4, symbol: "NFTA_SET_KEY_TYPE", codec: u32be },
  keyLength: { type: 5, symbol: "NFTA_SET_KEY_LEN", codec: u32be },
  dataType: { type: 6, symbol: "NFTA_SET_DATA_TYPE", codec: u32be },
  dataLength: { type: 7, symbol: "NFTA_SET_DATA_LEN", codec: u32be },
  id: { type: 10, symbol: "NFTA_SET_ID", codec: u32be },
} as const;

export const nftElementsTable = {
  table: { type: 1, symbol: "NFTA_SET_ELEM_LIST_TABLE", codec: text },
  set: { type: 2, symbol: "NFTA_SET_ELEM_LIST_SET", codec: text },
  elements: { type: 3, symbol: "NFTA_SET_ELEM_LIST_ELEMENTS", codec: binary },
  id: { type: 4, symbol: "NFTA_SET_ELEM_LIST_SET_ID", codec: u32be },
} as const;

export const nftSetFormat = { header: nfgenmsg, table: nftSetTable } as const;
export const nftElementsFormat = { header: nfgenmsg, table: nftElementsTable } as const;

/** What a value is, as nft(8) numbers types, and how many bytes it has. Each stands in whole words of 4 bytes. */
const TYPES = {
  ipv4_addr: { id: 7, length: 4 },
  ipv6_addr: { id: 8, length: 16 },
  inet_proto: { id: 12, length: 4 },
  inet_service: { id: 13, length: 4 },
} as const;
export type ValueType = keyof typeof TYPES;

export const ADDRESS_TYPE = { 4: "ipv4_addr", 6: "ipv6_addr" } as const satisfies Record<Family, ValueType>;

export interface NftMap extends NftTable {
  readonly map: string;
  /** Any number that no other map of the table has: by it the messages of a batch that makes the map mean it. */
  readonly id: number;
  readonly key: readonly ValueType[];
  readonly data: readonly ValueType[];
}

export interface NftElement {
  readonly key: Uint8Array;
  readonly data: Uint8Array;
}

/** Values one after another, each filled up to whole words. */
export function joined(values: readonly Uint8Array[]): Uint8Array {
  return concatBytes(
    values.map((value) => {
      const padded = new Uint8Array((value.length + 3) & ~3);
      padded.set(value);
      return padded;
    }),
  );
}

/** One that is there already is success. */
export function addMapRequest({ family, table, map, id, key, data }: NftMap): Request {
  const attrs = {
    table,
    name: map,
    flags: NFT_SET_MAP,
    keyType: typeOf(key),
    keyLength: lengthOf(key),
    dataType: typeOf(data),
    dataLength: lengthOf(data),
    id,
  };
  return {
    ...change(`make map ${family} ${table} ${map}`, NFT_MSG_NEWSET, NLM_F.NLM_F_CREATE),
    body: encodeBody(nftSetFormat, { family: NF_FAMILY[family] }, attrs),
    format: nftSetFormat,
  };
}

/** nft(8) counts six bits for each type of a row. */
function typeOf(types: readonly ValueType[]): number {
  return types.reduce((all, type) => (all << 6) | TYPES[type].id, 0);
}

function lengthOf(types: readonly ValueType[]): number {
  return types.reduce((all, type) => all + TYPES[type].length, 0);
}

/** An attribute holds 64 KiB. */
const MOST_IN_A_MESSAGE = 500;

/** `comment`: as that of a rule. One that is there already with other data: EEXIST. */
export function addElementsRequests(
  map: NftMap,
  elements: readonly (NftElement & { readonly comment: string })[],
): Request[] {
  const verb = change(`fill ${nameOf(map)}`, NFT_MSG_NEWSETELEM, NLM_F.NLM_F_CREATE);
  // The map may be one of the same batch.
  return inMessages({ set: map.map, id: map.id }, map, verb, elements.length, (from, to) =>
    elements.slice(from, to).map(encodeElement),
  );
}

/** ENOENT when one of them is not there. */
export function deleteElementsRequests(map: NftMap, keys: readonly Uint8Array[]): Request[] {
  const verb = change(`empty ${nameOf(map)}`, NFT_MSG_DELSETELEM, 0);
  return inMessages({ set: map.map }, map, verb, keys.length, (from, to) =>
    keys.slice(from, to).map(encodeKey),
  );
}

function inMessages(
  attrs: { readonly set: string; readonly id?: number },
  { family, table }: NftMap,
  verb: ReturnType<typeof change>,
  count: number,
  encode: (from: number, to: number) => readonly Uint8Array[],
): Request[] {
  const starts = Array.from(
    { length: Math.ceil(count / MOST_IN_A_MESSAGE) },
    (_, i) => i * MOST_IN_A_MESSAGE,
  );
  return starts.map((from) => ({
    ...verb,
    body: concatBytes([
      encodeBody(nftElementsFormat, { family: NF_FAMILY[family] }, { table, ...attrs }),
      encodeAttr(
        nftElementsTable.elements.type | NLA_F_NESTED,
        concatBytes([...encode(from, from + MOST_IN_A_MESSAGE)]),
      ),
    ]),
    format: nftElementsFormat,
  }));
}

function nameOf({ family, table, map }: NftMap): string {
  return `map ${family} ${table} ${map}`;
}

function encodeKey(key: Uint8Array, index: number): Uint8Array {
  return nest(NFTA_LIST_ELEM + index, nest(NFTA_SET_ELEM_KEY, encodeAttr(NFTA_DATA_VALUE, key)));
}

/** As nft(8) counts them; the kernel looks at no number. */
function encodeElement(
  { key, data, comment }: NftElement & { readonly comment: string },
  index: number,
): Uint8Array {
  return nest(
    NFTA_LIST_ELEM + index,
    nest(NFTA_SET_ELEM_KEY, encodeAttr(NFTA_DATA_VALUE, key)),
    nest(NFTA_SET_ELEM_DATA, encodeAttr(NFTA_DATA_VALUE, data)),
    encodeAttr(NFTA_SET_ELEM_USERDATA, userdataOf(comment)),
  );
}

/** In no order. Undefined when there is no such map. */
export async function listElements(
  conversation: Conversation,
  { family, table, map }: NftMap,
): Promise<NftElement[] | undefined> {
  try {
    const messages = await conversation.dump({
      ...change(`list map ${family} ${table} ${map}`, NFT_MSG_GETSETELEM, 0),
      body: encodeBody(nftElementsFormat, { family: NF_FAMILY[family] }, { table, set: map }),
      format: nftElementsFormat,
    });
    return messages.flatMap(({ body }) => {
      const { elements = new Uint8Array() } = decodeBody(nftElementsFormat, body).attrs;
      return eachAttr(elements).map(({ payload }) => decodeElement(payload));
    });
  } catch (thrown) {
    if (isErrno(thrown, ...GONE)) return undefined;
    throw thrown;
  }
}

function decodeElement(bytes: Uint8Array): NftElement {
  const partOf = (wanted: number) => {
    const found = eachAttr(bytes).find(({ type }) => type === wanted);
    const [value] = found ? eachAttr(found.payload) : [];
    return value?.payload.slice() ?? new Uint8Array();
  };
  return { key: partOf(NFTA_SET_ELEM_KEY), data: partOf(NFTA_SET_ELEM_DATA) };
}

function nest(type: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return encodeAttr(type | NLA_F_NESTED, concatBytes(parts));
}
