import { type Cidr, type Ip, parseCidr, parseIp } from "../lib/ip.ts";
import { word } from "../lib/quote.ts";
import { type Shape, text } from "../lib/shape.ts";

/** Addresses as Go's net package reads them, for what plugins written with it hand to each other. */

const MAPPED_BITS = 96;

/** An IPv4 address in IPv6's clothes (`::ffff:a.b.c.d`) is the IPv4 address. */
export function parseGoIp(text: string): Ip | undefined {
  const ip = parseIp(text);
  return ip && unmapped(ip);
}

/** The same with a prefix length. */
export function parseGoCidr(text: string): Cidr | undefined {
  const cidr = parseCidr(text);
  const ip = cidr && cidr.prefix >= MAPPED_BITS ? unmapped(cidr.ip) : cidr?.ip;
  if (!cidr || !ip) return undefined;
  return ip === cidr.ip ? cidr : { ip, prefix: cidr.prefix - MAPPED_BITS };
}

function unmapped(ip: Ip): Ip {
  const mapped = ip.family === 6 && ip.bytes.subarray(0, 12).every((byte, i) => byte === (i < 10 ? 0 : 0xff));
  return mapped ? { family: 4, bytes: ip.bytes.slice(12) } : ip;
}

/** An empty text is no address: `net.IP` is printed so when it is nil. */
export const ip: Shape<Ip | undefined> = (value, path, problems) => {
  const given = text(value, path, problems);
  const parsed = parseGoIp(given);
  if (given !== "" && !parsed)
    problems.push({ subject: path, message: `${path} must be an IP address, not ${word(given)}` });
  return parsed;
};

/** Has to be there. */
export const cidr: Shape<Cidr | undefined> = (value, path, problems) => {
  const noted = problems.length;
  const given = text(value, path, problems);
  const parsed = parseGoCidr(given);
  if (!parsed && problems.length === noted) {
    const what = given === "" ? "nothing" : word(given);
    problems.push({ subject: path, message: `${path} must be ADDRESS/PREFIX, not ${what}` });
  }
  return parsed;
};
