import { concatBytes } from "./bytes.ts";
import { decodeEthernet, ETHERTYPE, encodeEthernet } from "./ethernet.ts";
import type { Ip } from "./ip.ts";
import { type Mac, macBytes, macFromBytes, multicastMac } from "./mac.ts";

/** Neighbour solicitation and advertisement in whole Ethernet frames: RFC 4861 sections 4.3, 4.4 and 7.1. */

const IPV6_HEADER_BYTES = 40;
/** Type, code, checksum, flags, target. */
const MESSAGE_BYTES = 24;
const ICMPV6 = 58;
/** A router lowers it: what has less came from another link, and is refused. */
const HOP_LIMIT = 255;
const SOLICITATION = 135;
const ADVERTISEMENT = 136;
const SOURCE_LINK_ADDRESS = 1;
const TARGET_LINK_ADDRESS = 2;
const SOLICITED = 0x40;
const OVERRIDE = 0x20;

/** ff02::1. */
const ALL_NODES: Ip = { family: 6, bytes: Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1) };

export interface Advertisement {
  /** Destination of the frame. */
  readonly to: Mac;
  readonly target: Ip;
  /** Who has it: the target link-layer address, or the frame's sender where there is none. */
  readonly at: Mac;
  /** An answer, not an announcement to everybody. */
  readonly solicited: boolean;
}

/** fe80::/64 and the modified EUI-64 of a MAC address: RFC 4291 appendix A. */
export function linkLocalOf(mac: Mac): Ip {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = macBytes(mac);
  return { family: 6, bytes: Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f) };
}

/**
 * The multicast frame that asks who has an IPv6 address. It carries the asker's MAC, so that the answer comes to that
 * one alone; `sender` must be an address of the asker, for to nobody (::) one would answer to all nodes.
 */
export function neighbourSolicitation(from: Mac, target: Ip, sender: Ip): Uint8Array {
  const about = { type: SOLICITATION, flags: 0, target, option: SOURCE_LINK_ADDRESS };
  return frameOf(from, sender, solicitedNode(target), about);
}

/** The frame by which a node tells all others, unasked, at which MAC its address is now: RFC 4861 section 7.2.6. */
export function unsolicitedAdvertisement(from: Mac, target: Ip): Uint8Array {
  const about = { type: ADVERTISEMENT, flags: OVERRIDE, target, option: TARGET_LINK_ADDRESS };
  return frameOf(from, target, ALL_NODES, about);
}

interface NdpMessage {
  readonly type: number;
  readonly flags: number;
  readonly target: Ip;
  /** Type of the one that carries the sender's MAC. */
  readonly option: number;
}

function frameOf(from: Mac, sender: Ip, group: Ip, { type, flags, target, option }: NdpMessage): Uint8Array {
  const message = concatBytes([
    Uint8Array.of(type, 0, 0, 0, flags, 0, 0, 0),
    target.bytes,
    Uint8Array.of(option, 1),
    macBytes(from),
  ]);
  const checksum = checksumOf(sender.bytes, group.bytes, message);
  message.set([checksum >> 8, checksum & 0xff], 2);
  const header = Uint8Array.of(0x60, 0, 0, 0, 0, message.length, ICMPV6, HOP_LIMIT);
  return encodeEthernet({
    destination: multicastMac(group),
    source: from,
    etherType: ETHERTYPE.ipv6,
    payload: concatBytes([header, sender.bytes, group.bytes, message]),
  });
}

/** RFC 4291 section 2.7.1. */
function solicitedNode({ bytes }: Ip): Ip {
  const group = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, ...bytes.subarray(13));
  return { family: 6, bytes: group };
}

/** Undefined for a frame that is no neighbour advertisement, or that RFC 4861 section 7.1.2 tells to drop. */
export function decodeAdvertisement(frame: Uint8Array): Advertisement | undefined {
  const ethernet = decodeEthernet(frame);
  if (ethernet?.etherType !== ETHERTYPE.ipv6) return undefined;
  const packet = ethernet.payload;
  const length = ((packet[4] ?? 0) << 8) | (packet[5] ?? 0);
  const message = packet.subarray(IPV6_HEADER_BYTES, IPV6_HEADER_BYTES + length);
  const isOne =
    packet[6] === ICMPV6 && packet[7] === HOP_LIMIT && message[0] === ADVERTISEMENT && message[1] === 0;
  if (!isOne || message.length < Math.max(length, MESSAGE_BYTES)) return undefined;
  if (checksumOf(packet.subarray(8, 24), packet.subarray(24, 40), message) !== 0) return undefined;
  return {
    to: ethernet.destination,
    target: { family: 6, bytes: message.slice(8, 24) },
    at: targetLinkAddress(message.subarray(MESSAGE_BYTES)) ?? ethernet.source,
    solicited: ((message[4] ?? 0) & SOLICITED) !== 0,
  };
}

/** Options are type, length in units of 8 bytes, value. One of length 0 ends them: the message is then broken. */
function targetLinkAddress(options: Uint8Array): Mac | undefined {
  for (let at = 0; at + 8 <= options.length; ) {
    const length = (options[at + 1] ?? 0) * 8;
    if (options[at] === TARGET_LINK_ADDRESS && length === 8)
      return macFromBytes(options.subarray(at + 2, at + 8));
    if (length === 0) return undefined;
    at += length;
  }
  return undefined;
}

/** RFC 4443 section 2.3, RFC 1071: 0 for a message whose checksum is right. */
function checksumOf(source: Uint8Array, destination: Uint8Array, message: Uint8Array): number {
  const pseudo = Uint8Array.of(0, 0, message.length >> 8, message.length & 0xff, 0, 0, 0, ICMPV6);
  const bytes = concatBytes([source, destination, pseudo, message]);
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
