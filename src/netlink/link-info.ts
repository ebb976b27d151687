import { type Attrs, type AttrTable, attrReader, eachAttr, encodeAttrs, type RawAttr } from "./attribute.ts";
import { binary, type Codec, text } from "./codec.ts";
import { ipvlanTable } from "./kinds/ipvlan.ts";
import { macvlanTable } from "./kinds/macvlan.ts";
import { vlanTable } from "./kinds/vlan.ts";

/** The kinds whose IFLA_INFO_DATA has a table. A new kind is one line here and one file in `kinds/`. */
export const KIND_TABLES = {
  macvlan: macvlanTable,
  macvtap: macvlanTable,
  ipvlan: ipvlanTable,
  ipvtap: ipvlanTable,
  vlan: vlanTable,
} as const;

export type KnownKind = keyof typeof KIND_TABLES;

/** `IFLA_LINKINFO`. What has no line here (a slave's data, counters) is kept as bytes. */
export const linkInfoTable = {
  kind: { type: 1, symbol: "IFLA_INFO_KIND", codec: text },
  data: { type: 2, symbol: "IFLA_INFO_DATA", codec: binary },
  slaveKind: { type: 4, symbol: "IFLA_INFO_SLAVE_KIND", codec: text },
} as const;

const readInfo = attrReader(linkInfoTable);

const KIND_READERS = {
  macvlan: attrReader(macvlanTable),
  macvtap: attrReader(macvlanTable),
  ipvlan: attrReader(ipvlanTable),
  ipvtap: attrReader(ipvlanTable),
  vlan: attrReader(vlanTable),
} as const satisfies Record<KnownKind, unknown>;

type KnownInfo = {
  readonly [K in KnownKind]: { readonly kind: K; readonly data?: Attrs<(typeof KIND_TABLES)[K]> };
}[KnownKind];

/** A kind with a table has typed data; any other keeps its bytes. `kind` is absent on a slave that has none itself. */
export type LinkInfo = (KnownInfo | { readonly kind?: string; readonly rawData?: Uint8Array }) & {
  readonly slaveKind?: string;
  readonly other?: readonly RawAttr[];
};

export function isKnownKind(kind: string | undefined): kind is KnownKind {
  return kind !== undefined && Object.hasOwn(KIND_TABLES, kind);
}

export const linkInfo: Codec<LinkInfo> = {
  encode(info) {
    const data =
      "data" in info && info.data !== undefined && isKnownKind(info.kind)
        ? encodeAttrs<AttrTable>(KIND_TABLES[info.kind], info.data)
        : "rawData" in info
          ? info.rawData
          : undefined;
    return encodeAttrs(linkInfoTable, {
      ...(info.kind !== undefined && { kind: info.kind }),
      ...(data && { data }),
      ...(info.slaveKind !== undefined && { slaveKind: info.slaveKind }),
      ...(info.other && { other: info.other }),
    });
  },
  decode(bytes) {
    const { kind, data, slaveKind, other } = readInfo(bytes);
    const rest = { ...(slaveKind !== undefined && { slaveKind }), ...(other && { other }) };
    if (!isKnownKind(kind)) {
      return { ...(kind !== undefined && { kind }), ...(data && { rawData: data }), ...rest };
    }
    const decoded = data && KIND_READERS[kind](data);
    return { kind, ...(decoded && { data: decoded }), ...rest } as LinkInfo;
  },
  path(bytes, offset) {
    const { kind } = readInfo(bytes);
    for (const { at, type, payload } of eachAttr(bytes)) {
      if (offset < at || offset >= at + 4 + payload.length) continue;
      if (type !== linkInfoTable.data.type) return [type === linkInfoTable.kind.type ? "kind" : `#${type}`];
      return ["data", ...dataPath(kind, payload, offset - at - 4)];
    }
    return [];
  },
};

function dataPath(kind: string | undefined, payload: Uint8Array, offset: number): string[] {
  if (!isKnownKind(kind)) return [];
  const table: AttrTable = KIND_TABLES[kind];
  for (const { at, type, payload: value } of eachAttr(payload)) {
    if (offset < at || offset >= at + 4 + value.length) continue;
    return [Object.entries(table).find(([, entry]) => entry.type === type)?.[0] ?? `#${type}`];
  }
  return [];
}
