import { sha256, toHex } from "./bytes.ts";
import type { Ip } from "./ip.ts";

/** A MAC address as users write it: six lower-case hex pairs with colons. Only this file makes one. */
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
  return bytes.length === 6 ? withColons(bytes) : undefined;
}

function withColons(bytes: Uint8Array): Mac {
  return toHex(bytes).replace(/..(?=.)/g, "$&:") as Mac;
}

export const BROADCAST_MAC = withColons(new Uint8Array(6).fill(0xff));
export const ZERO_MAC = withColons(new Uint8Array(6));

/** Where an IPv6 multicast address is heard on Ethernet: RFC 2464 section 7. */
export function multicastMac(group: Ip): Mac {
  return withColons(Uint8Array.of(0x33, 0x33, ...group.bytes.subarray(12)));
}

/** Bit 0 of the first byte: a group address, which no interface may have as its own. */
export function isMulticastMac(mac: Mac): boolean {
  return ((macBytes(mac)[0] ?? 0) & 1) === 1;
}

export function isZeroMac(mac: Mac): boolean {
  return mac === ZERO_MAC;
}

/** Undefined when the text is no MAC address that an interface may have: is_valid_ether_addr() of the kernel. */
export function parseUnicastMac(text: string): Mac | undefined {
  const mac = parseMac(text);
  return mac === undefined || isMulticastMac(mac) || isZeroMac(mac) ? undefined : mac;
}

/** A locally administered unicast address that nobody has had. */
export function randomMac(): Mac {
  return deriveMac(crypto.randomUUID());
}

/** A locally administered unicast address (IEEE 802 section 8.4) that is the same for the same parts. */
export function deriveMac(...parts: readonly string[]): Mac {
  const bytes = sha256("mac", ...parts).slice(0, 6);
  bytes[0] = ((bytes[0] ?? 0) & 0xfc) | 0x02;
  return withColons(bytes);
}

/**
 * The same for a port of somebody's bridge, which takes the lowest address of its ports for its own unless it was told one:
 * higher than any NIC's. Never that of `deriveMac` for the same parts: a bridge keeps to itself what is for one of its
 * ports, so a container of that address would hear nothing.
 */
export function derivePortMac(...parts: readonly string[]): Mac {
  const bytes = sha256("port mac", ...parts).slice(0, 6);
  bytes[0] = 0xfe;
  return withColons(bytes);
}
