import { concatBytes } from "./bytes.ts";
import { type Mac, macBytes, macFromBytes } from "./mac.ts";

/** Ethernet II frames as values (IEEE 802.3 section 3): destination, source, EtherType, payload; no check sequence. */

/** `<linux/if_ether.h>`: ETH_P_ARP, ETH_P_IPV6. */
export const ETHERTYPE = { arp: 0x0806, ipv6: 0x86dd } as const;

const HEADER_BYTES = 14;

export interface EthernetFrame {
  readonly destination: Mac;
  readonly source: Mac;
  readonly etherType: number;
  readonly payload: Uint8Array;
}

/** Not padded to 60 bytes: the driver does that. */
export function encodeEthernet({ destination, source, etherType, payload }: EthernetFrame): Uint8Array {
  const type = Uint8Array.of(etherType >> 8, etherType & 0xff);
  return concatBytes([macBytes(destination), macBytes(source), type, payload]);
}

/** Undefined when it is too short to be one. The payload may have padding behind it. */
export function decodeEthernet(frame: Uint8Array): EthernetFrame | undefined {
  const destination = macFromBytes(frame.subarray(0, 6));
  const source = macFromBytes(frame.subarray(6, 12));
  if (frame.length < HEADER_BYTES || destination === undefined || source === undefined) return undefined;
  const etherType = ((frame[12] ?? 0) << 8) | (frame[13] ?? 0);
  return { destination, source, etherType, payload: frame.subarray(HEADER_BYTES) };
}
