import { sha256, toHex } from "./bytes.ts";

/** A MAC address as users write it: six lower-case hex pairs with colons. Only `parseMac` and `deriveMac` make one. */
export type Mac = string & { readonly __mac: true };

const PATTERN = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;

/** Undefined when the text is no MAC address. */
export function parseMac(text: string): Mac | undefined {
  const lower = text.toLowerCase().replaceAll("-", ":");
  return PATTERN.test(lower) ? (lower as Mac) : undefined;
}

export function macBytes(mac: Mac): Uint8Array {
  return Uint8Array.from(mac.split(":"), (pair) => Number.parseInt(pair, 16));
}

/** Six bytes to text; other lengths (InfiniBand, tunnels) have no MAC. */
export function macFromBytes(bytes: Uint8Array): Mac | undefined {
  return bytes.length === 6 ? (toHex(bytes).replace(/..(?=.)/g, "$&:") as Mac) : undefined;
}

/** Bit 0 of the first byte: a group address, which no interface may have as its own. */
export function isMulticastMac(mac: Mac): boolean {
  return ((macBytes(mac)[0] ?? 0) & 1) === 1;
}

export function isZeroMac(mac: Mac): boolean {
  return mac === "00:00:00:00:00:00";
}

/** A locally administered unicast address (IEEE 802 section 8.4) that is the same for the same parts. */
export function deriveMac(...parts: readonly string[]): Mac {
  const bytes = sha256("mac", ...parts).slice(0, 6);
  bytes[0] = ((bytes[0] ?? 0) & 0xfc) | 0x02;
  return toHex(bytes).replace(/..(?=.)/g, "$&:") as Mac;
}
