import { concatBytes } from "../../src/lib/bytes.ts";
import { ETHERTYPE, encodeEthernet } from "../../src/lib/ethernet.ts";
import { type Ip, parseIp } from "../../src/lib/ip.ts";
import { type Mac, macBytes, parseMac } from "../../src/lib/mac.ts";

/** Frames as a container may forge them: any source, any content. Checksums are left out: no switch looks at them. */

export function mac(text: string): Mac {
  const value = parseMac(text);
  if (value === undefined) throw new Error(`no MAC address: ${text}`);
  return value;
}

export function ip(text: string): Ip {
  const value = parseIp(text);
  if (value === undefined) throw new Error(`no IP address: ${text}`);
  return value;
}

/** Where a frame comes from and goes to. */
export interface Ends {
  readonly source: Mac;
  readonly destination: Mac;
}

export interface IpEnds extends Ends {
  readonly from: string;
  readonly to: string;
}

const bytesOf16 = (value: number) => Uint8Array.of(value >> 8, value & 0xff);

export interface ArpContent {
  readonly operation: 1 | 2;
  readonly sha: Mac;
  readonly spa: string;
  readonly tpa: string;
}

/** RFC 826. */
export function arp(ends: Ends, { operation, sha, spa, tpa }: ArpContent): Uint8Array {
  const preamble = Uint8Array.of(0, 1, 8, 0, 6, 4, 0, operation);
  const payload = concatBytes([preamble, macBytes(sha), ip(spa).bytes, new Uint8Array(6), ip(tpa).bytes]);
  return encodeEthernet({ ...ends, etherType: ETHERTYPE.arp, payload });
}

/** RFC 791 and RFC 8200, by the family of the addresses. */
export function packet({ from, to, ...ends }: IpEnds, protocol: number, content: Uint8Array): Uint8Array {
  const [source, destination] = [ip(from), ip(to)];
  const addresses = concatBytes([source.bytes, destination.bytes]);
  if (source.family === 4) {
    const header = Uint8Array.of(0x45, 0, 0, 20 + content.length, 0, 1, 0, 0, 64, protocol, 0, 0);
    const sum = checksum(concatBytes([header, addresses]));
    header.set([sum >> 8, sum & 0xff], 10);
    return encodeEthernet({ ...ends, etherType: 0x0800, payload: concatBytes([header, addresses, content]) });
  }
  const header = Uint8Array.of(0x60, 0, 0, 0, ...bytesOf16(content.length), protocol, 255);
  return encodeEthernet({
    ...ends,
    etherType: ETHERTYPE.ipv6,
    payload: concatBytes([header, addresses, content]),
  });
}

/** RFC 1071. */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** RFC 768. */
export function udp(ends: IpEnds, from: number, to: number): Uint8Array {
  const length = 16;
  const header = [from, to, length, 0].map(bytesOf16);
  return packet(ends, 17, concatBytes([...header, new Uint8Array(length - 8)]));
}

/** RFC 4443: type, code 0, and what follows the checksum. */
export function icmp6(ends: IpEnds, type: number, content: Uint8Array = new Uint8Array(4)): Uint8Array {
  return packet(ends, 58, concatBytes([Uint8Array.of(type, 0, 0, 0), content]));
}

/** RFC 4861: flags, a target, and an option with a MAC, of type 1 (source) or 2 (target), given as often as told. */
export function neighbour(
  ends: IpEnds,
  type: 135 | 136,
  target: string,
  option?: { readonly mac: Mac; readonly times?: number },
): Uint8Array {
  const { mac: address, times = 1 } = option ?? { times: 0 };
  const one =
    address === undefined ? new Uint8Array() : concatBytes([Uint8Array.of(type - 134, 1), macBytes(address)]);
  const content = [new Uint8Array(4), ip(target).bytes, ...Array.from({ length: times }, () => one)];
  return icmp6(ends, type, concatBytes(content));
}
