import { concatBytes } from "../lib/bytes.ts";
import { UnderlayError } from "../lib/errors.ts";
import { encodeAttr, NLA_F_NESTED, nested } from "./attribute.ts";
import { binary, text, u32 } from "./codec.ts";
import type { Conversation } from "./conversation.ts";
import type { Request } from "./failure.ts";
import { familyNumber, genlmsghdr } from "./genetlink.ts";
import type { LinkRef } from "./link.ts";
import { decodeBody } from "./message.ts";

/** Features of links, as `ethtool -K` has them: `<linux/ethtool_netlink.h>`, Documentation/networking/ethtool-netlink.rst. */

const ETHTOOL_MSG_FEATURES_SET = 12;
/** ETHTOOL_GENL_VERSION. */
const VERSION = 1;
const ETHTOOL_FLAG_COMPACT_BITSETS = 1;

export const ethtoolHeaderTable = {
  devIndex: { type: 1, symbol: "ETHTOOL_A_HEADER_DEV_INDEX", codec: u32 },
  devName: { type: 2, symbol: "ETHTOOL_A_HEADER_DEV_NAME", codec: text },
  flags: { type: 3, symbol: "ETHTOOL_A_HEADER_FLAGS", codec: u32 },
} as const;

/** One bit by its name; `value` present: set. */
export const bitTable = {
  index: { type: 1, symbol: "ETHTOOL_A_BITSET_BIT_INDEX", codec: u32 },
  name: { type: 2, symbol: "ETHTOOL_A_BITSET_BIT_NAME", codec: text },
  value: { type: 3, symbol: "ETHTOOL_A_BITSET_BIT_VALUE", codec: binary },
} as const;

const BITS_BIT = { type: 1, symbol: "ETHTOOL_A_BITSET_BITS_BIT", codec: nested(bitTable) } as const;
export const bitsTable = { bit: BITS_BIT } as const;

export const bitsetTable = {
  size: { type: 2, symbol: "ETHTOOL_A_BITSET_SIZE", codec: u32 },
  bits: { type: 3, symbol: "ETHTOOL_A_BITSET_BITS", codec: binary },
  value: { type: 4, symbol: "ETHTOOL_A_BITSET_VALUE", codec: binary },
  mask: { type: 5, symbol: "ETHTOOL_A_BITSET_MASK", codec: binary },
} as const;

export const featuresTable = {
  header: { type: 1, symbol: "ETHTOOL_A_FEATURES_HEADER", codec: nested(ethtoolHeaderTable) },
  wanted: { type: 3, symbol: "ETHTOOL_A_FEATURES_WANTED", codec: nested(bitsetTable) },
} as const;

export const featuresFormat = { header: genlmsghdr, table: featuresTable } as const;

/** Names of features, as `ethtool -k` has them, and whether each is to be on. */
export type Features = Readonly<Record<string, boolean>>;

/** Bits are given by name: their numbers are the kernel's own, and differ between versions. */
export function setFeaturesRequest(family: number, ref: LinkRef, features: Features): Request {
  const { header, wanted } = featuresTable;
  const link = "name" in ref ? part("devName", ref.name) : part("devIndex", ref.ifindex);
  const bits = Object.entries(features).map(([name, on]) =>
    nest(BITS_BIT.type, [
      encodeAttr(bitTable.name.type, text.encode(name)),
      ...(on ? [encodeAttr(bitTable.value.type, new Uint8Array())] : []),
    ]),
  );
  const words = Object.entries(features).map(([name, on]) => `${name} ${on ? "on" : "off"}`);
  return {
    what: `set features of link ${"name" in ref ? ref.name : `#${ref.ifindex}`}: ${words.join(", ")}`,
    type: family,
    flags: 0,
    body: concatBytes([
      genlmsghdr.encode({ cmd: ETHTOOL_MSG_FEATURES_SET, version: VERSION }),
      nest(header.type, [link, part("flags", ETHTOOL_FLAG_COMPACT_BITSETS)]),
      nest(wanted.type, [nest(bitsetTable.bits.type, bits)]),
    ]),
    format: featuresFormat,
  };
}

/** The kernel parses this family strictly: what holds attributes must say so. */
function nest(type: number, parts: readonly Uint8Array[]): Uint8Array {
  return encodeAttr(type | NLA_F_NESTED, concatBytes(parts));
}

function part(name: "devIndex" | "flags", value: number): Uint8Array;
function part(name: "devName", value: string): Uint8Array;
function part(name: keyof typeof ethtoolHeaderTable, value: number | string): Uint8Array {
  const bytes = typeof value === "string" ? text.encode(value) : u32.encode(value);
  return encodeAttr(ethtoolHeaderTable[name].type, bytes);
}

export interface Ethtool {
  /** Throws `unsupported` when the kernel, or the link, does not let all of them be so; `kernel`, `permission`. */
  setFeatures(ref: LinkRef, features: Features): Promise<void>;
}

/** `generic`: over NETLINK_GENERIC, in the netns of the links. */
export function ethtool(generic: Conversation): Ethtool {
  const known: { family?: number | undefined } = {};
  return {
    async setFeatures(ref, features) {
      known.family ??= await familyNumber(generic, "ethtool");
      const { family } = known;
      if (family === undefined)
        throw new UnderlayError(
          "unsupported",
          "this kernel has no ethtool over netlink (Linux 5.6 and later do)",
        );
      const request = setFeaturesRequest(family, ref, features);
      const [answer] = await generic.request(request);
      // What was wanted and is not so: a feature may be fixed, or another one may need it.
      const refused =
        answer && decodeBody(featuresFormat, answer.body).attrs.wanted?.mask?.some((byte) => byte !== 0);
      if (refused)
        throw new UnderlayError("unsupported", `${request.what}: the link does not let them be so`);
    },
  };
}
