/**
 * 53 bits of a text, as a whole number: enough that two owners of one directory never share it by chance; who does so on
 * purpose is found out, for every hit is compared with the file itself. It is on disk: a change needs a new version of the index.
 */
export function hashOf(text: string): number {
  let low = 0x811c9dc5;
  let high = 0x9747b28c;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul(high ^ unit, 0x5bd1e995);
  }
  low = mix(low ^ text.length);
  high = mix(high + low);
  return (high & 0x1fffff) * 2 ** 32 + low;
}

/** Spreads every bit over all 32. */
export function mix(word: number): number {
  const a = Math.imul(word ^ (word >>> 16), 0x7feb352d);
  const b = Math.imul(a ^ (a >>> 15), 0x846ca68b);
  return (b ^ (b >>> 16)) >>> 0;
}
