import { sha256 } from "../../../lib/bytes.ts";

/**
 * How flows of ours are known among those of controllers and of other tools: the first 24 bits of their cookie are "und" in
 * ASCII, the other 40 are a hash of the endpoint's owner. `ovs-ofctl dump-flows BRIDGE cookie=0x756e640000000000/0xffffff0000000000`
 * shows them. By chance another's 64 random bits begin so once in 16 million.
 */
export const OUR_COOKIE = 0x756e_6400_0000_0000n;
export const OUR_COOKIE_MASK = 0xffff_ff00_0000_0000n;

/** Of all flows of one endpoint. `owner`: what the engine knows it by. */
export function cookieOf(owner: string): bigint {
  const hash = sha256("flows", owner).subarray(0, 5);
  return hash.reduce((cookie, byte, i) => cookie | (BigInt(byte) << BigInt(8 * (4 - i))), OUR_COOKIE);
}

export function isOurCookie(cookie: bigint): boolean {
  return (cookie & OUR_COOKIE_MASK) === OUR_COOKIE;
}

/** As ovs-ofctl writes it. */
export function formatCookie(cookie: bigint): string {
  return `0x${cookie.toString(16)}`;
}
