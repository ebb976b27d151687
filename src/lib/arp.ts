import { concatBytes } from "./bytes.ts";
import { decodeEthernet, ETHERTYPE, encodeEthernet } from "./ethernet.ts";
import type { Ip } from "./ip.ts";
import { BROADCAST_MAC, type Mac, macBytes, macFromBytes, ZERO_MAC } from "./mac.ts";

/** ARP for IPv4 on Ethernet, in whole frames: RFC 826, and RFC 5227 for probes. */

/** Hardware type Ethernet, protocol type IPv4, address lengths 6 and 4. */
const PREAMBLE = Uint8Array.of(0, 1, 8, 0, 6, 4);
const PACKET_BYTES = 28;

const OPERATIONS = ["request", "reply"] as const;

export interface ArpPacket {
  readonly operation: (typeof OPERATIONS)[number];
  readonly senderMac: Mac;
  readonly senderIp: Ip;
  readonly targetMac: Mac;
  readonly targetIp: Ip;
}

/** RFC 5227 section 1.1: a sender that says nothing of itself, so that nobody's ARP table learns of it. */
const NOBODY: Ip = { family: 4, bytes: new Uint8Array(4) };

/**
 * The broadcast frame that asks who has an IPv4 address. `sender`: the asker's own address; absent in an RFC 5227
 * probe.
 */
export function arpRequest(from: Mac, target: Ip, sender: Ip = NOBODY): Uint8Array {
  const packet = concatBytes([
    PREAMBLE,
    Uint8Array.of(0, OPERATIONS.indexOf("request") + 1),
    macBytes(from),
    sender.bytes,
    // The address that is asked for: RFC 826 leaves it open, RFC 5227 wants zeros.
    macBytes(ZERO_MAC),
    target.bytes,
  ]);
  return encodeEthernet({
    destination: BROADCAST_MAC,
    source: from,
    etherType: ETHERTYPE.arp,
    payload: packet,
  });
}

/** RFC 5227 section 3: who has the address tells all others, unasked, at which MAC it is now. */
export function arpAnnouncement(from: Mac, ip: Ip): Uint8Array {
  return arpRequest(from, ip, ip);
}

/** Undefined for a frame that is no ARP request or reply of IPv4 on Ethernet. */
export function decodeArp(frame: Uint8Array): ArpPacket | undefined {
  const ethernet = decodeEthernet(frame);
  if (ethernet?.etherType !== ETHERTYPE.arp || ethernet.payload.length < PACKET_BYTES) return undefined;
  const packet = ethernet.payload;
  const operation = OPERATIONS[(((packet[6] ?? 0) << 8) | (packet[7] ?? 0)) - 1];
  const senderMac = macFromBytes(packet.subarray(8, 14));
  const targetMac = macFromBytes(packet.subarray(18, 24));
  if (!PREAMBLE.every((byte, i) => packet[i] === byte)) return undefined;
  if (operation === undefined || senderMac === undefined || targetMac === undefined) return undefined;
  return {
    operation,
    senderMac,
    senderIp: { family: 4, bytes: packet.slice(14, 18) },
    targetMac,
    targetIp: { family: 4, bytes: packet.slice(24, 28) },
  };
}
