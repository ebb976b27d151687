/**
 * IP addresses and prefixes as values: bytes in network order, text as RFC 5952 wants it.
 */

export type Family = 4 | 6;

export interface Ip {
  readonly family: Family;
  /** 4 or 16 bytes, network order. */
  readonly bytes: Uint8Array;
}

export interface Cidr {
  readonly ip: Ip;
  readonly prefix: number;
}

/** Undefined when the text is no address. Zones (`%eth0`) and leading zeros are refused. */
export function parseIp(text: string): Ip | undefined {
  const v4 = parseIpv4(text);
  if (v4) return { family: 4, bytes: v4 };
  const v6 = text.includes(":") ? parseIpv6(text) : undefined;
  return v6 && { family: 6, bytes: v6 };
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  const bytes = new Uint8Array(4);
  for (let i = 0; i < 4; i++) {
    const value = parseWhole(parts[i] ?? "");
    if (value === undefined || value > 255) return undefined;
    bytes[i] = value;
  }
  return bytes;
}

/** As it would be written: without sign, leading zeros or other bases. */
function parseWhole(text: string): number | undefined {
  const value = Number(text);
  return Number.isSafeInteger(value) && value >= 0 && String(value) === text ? value : undefined;
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = words(halves[0] ?? "");
  const tail = halves.length === 2 ? words(halves[1] ?? "") : [];
  if (!head || !tail) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const all = [...head, ...Array<number>(missing).fill(0), ...tail];
  return Uint8Array.from(all.flatMap((word) => [word >> 8, word & 255]));
}

function words(part: string): number[] | undefined {
  if (part === "") return [];
  const result: number[] = [];
  const groups = part.split(":");
  for (const [i, group] of groups.entries()) {
    const v4 = i === groups.length - 1 ? parseIpv4(group) : undefined;
    if (v4) {
      const [a = 0, b = 0, c = 0, d = 0] = v4;
      result.push((a << 8) | b, (c << 8) | d);
    } else if (/^[0-9a-f]{1,4}$/i.test(group)) {
      result.push(Number.parseInt(group, 16));
    } else return undefined;
  }
  return result;
}

/** RFC 5952: lower case, no leading zeros, the longest run of two or more zero words as `::`. */
export function formatIp(ip: Ip): string {
  if (ip.family === 4) return ip.bytes.join(".");
  const groups = Array.from(
    { length: 8 },
    (_, i) => ((ip.bytes[2 * i] ?? 0) << 8) | (ip.bytes[2 * i + 1] ?? 0),
  );
  const run = longestZeroRun(groups);
  const hex = (part: number[]) => part.map((word) => word.toString(16)).join(":");
  if (run.length < 2) return hex(groups);
  return `${hex(groups.slice(0, run.start))}::${hex(groups.slice(run.start + run.length))}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}

export function sameIp(a: Ip, b: Ip): boolean {
  return a.family === b.family && a.bytes.every((byte, i) => byte === b.bytes[i]);
}

export function isUnspecified(ip: Ip): boolean {
  return ip.bytes.every((byte) => byte === 0);
}

/** `address/prefix`; undefined when it is none. Host bits are kept: an interface address has them. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.lastIndexOf("/");
  const prefix = slash === -1 ? undefined : parseWhole(text.slice(slash + 1));
  if (prefix === undefined) return undefined;
  const ip = parseIp(text.slice(0, slash));
  return ip && prefix <= ip.bytes.length * 8 ? { ip, prefix } : undefined;
}

export function formatCidr(cidr: Cidr): string {
  return `${formatIp(cidr.ip)}/${cidr.prefix}`;
}

/** The address with its host bits cleared. */
export function networkOf(cidr: Cidr): Ip {
  const bytes = cidr.ip.bytes.map((byte, i) => byte & maskByte(cidr.prefix, i));
  return { family: cidr.ip.family, bytes };
}

export function hasHostBits(cidr: Cidr): boolean {
  return !sameIp(networkOf(cidr), cidr.ip);
}

export function contains(pool: Cidr, ip: Ip): boolean {
  return pool.ip.family === ip.family && sameIp(networkOf(pool), networkOf({ ip, prefix: pool.prefix }));
}

/** fe80::/10: addresses that mean something on one link only. */
export const LINK_LOCAL: Cidr = {
  ip: { family: 6, bytes: Uint8Array.of(0xfe, 0x80, ...Array<number>(14).fill(0)) },
  prefix: 10,
};

/** Two prefixes share an address exactly when the shorter one contains the other's base. */
export function overlaps(a: Cidr, b: Cidr): boolean {
  return a.prefix <= b.prefix ? contains(a, b.ip) : contains(b, a.ip);
}

function maskByte(prefix: number, index: number): number {
  const bits = Math.min(8, Math.max(0, prefix - index * 8));
  return (0xff00 >> bits) & 0xff;
}
