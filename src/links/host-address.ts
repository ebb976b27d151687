import { formatIp, isUnspecified, parseIp } from "../lib/ip.ts";
import { quote } from "../lib/quote.ts";
import { commaList, type Reading } from "./options.ts";

/** Reads `-o host_address=`: one address, or one of each family with a comma between. In the text of RFC 5952. */
export function hostAddresses(text: string): Reading<readonly string[]> {
  const list = commaList(text);
  if ("problem" in list) return list;
  const addresses = list.value.map((word) => ({ word, ip: parseIp(word) }));
  const bad = addresses.find(({ ip }) => ip === undefined || isUnspecified(ip));
  if (bad) return { problem: `${quote(bad.word)} is not an address of a host, without a prefix length` };
  const known = addresses.flatMap(({ ip }) => ip ?? []);
  const families = new Set(known.map(({ family }) => family));
  if (families.size < known.length) return { problem: `${quote(text)} has two addresses of one family` };
  return { value: known.map(formatIp) };
}
