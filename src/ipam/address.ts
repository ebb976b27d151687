import { type Cidr, type Family, type Ip, networkOf } from "../lib/ip.ts";

/** Addresses as numbers: a pool is counted through, which bytes are bad at. */

export function numberOf(ip: Ip): bigint {
  const view = new DataView(ip.bytes.buffer, ip.bytes.byteOffset, ip.bytes.length);
  return ip.family === 4 ? BigInt(view.getUint32(0)) : (view.getBigUint64(0) << 64n) | view.getBigUint64(8);
}

/** The number's low 32 or 128 bits. */
export function ipAt(family: Family, number: bigint): Ip {
  const bytes = new Uint8Array(family === 4 ? 4 : 16);
  const view = new DataView(bytes.buffer);
  if (family === 4) view.setUint32(0, Number(BigInt.asUintN(32, number)));
  else {
    // Each keeps the low 64 bits of what it is given.
    view.setBigUint64(0, number >> 64n);
    view.setBigUint64(8, number);
  }
  return { family, bytes };
}

export function next(ip: Ip): Ip {
  return ipAt(ip.family, numberOf(ip) + 1n);
}

/** The last address that a host may have: IPv4 keeps one for broadcasts. */
export function lastOf(subnet: Cidr): Ip {
  const { family } = subnet.ip;
  const hostBits = BigInt((family === 4 ? 32 : 128) - subnet.prefix);
  const last = numberOf(networkOf(subnet)) + (1n << hostBits) - 1n;
  return ipAt(family, family === 4 ? last - 1n : last);
}

const MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);

/** `::ffff:10.0.0.1` is `10.0.0.1` to Go's net package, and so to every CNI plugin that wrote or reads it. */
export function unmapped(ip: Ip): Ip {
  const isMapped = ip.family === 6 && MAPPED.every((byte, i) => byte === ip.bytes[i]);
  return isMapped ? { family: 4, bytes: ip.bytes.slice(12) } : ip;
}
