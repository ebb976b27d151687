import type { Problem } from "../lib/errors.ts";
import { formatIp, isUnspecified, parseIp } from "../lib/ip.ts";
import { commaList, type OptionValues, type Reading, yesOrNo } from "../lib/options.ts";
import { quote } from "../lib/quote.ts";
import type { HostAccessSpec } from "./driver.ts";

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

/** What kinds have in common whose networks the host can reach by a link of its own. */
export const hostAccessOptions = { host_access: { read: yesOrNo }, host_address: { read: hostAddresses } };

type HostAccessValues = OptionValues<typeof hostAccessOptions>;

/** `apart`: why the host's link would not hear those of containers, if so. */
export function hostAccessProblems(
  { host_access, host_address }: HostAccessValues,
  apart: string | undefined,
): Problem[] {
  if (host_access !== "true") {
    if (host_address === undefined) return [];
    const message = "host_address: has a use with host_access=true only";
    return [{ subject: "host_address", message }];
  }
  if (apart === undefined) return [];
  return [{ subject: "host_access", message: `host_access: ${apart}` }];
}

/** The part of a spec. */
export function hostAccessOf({ host_access, host_address }: HostAccessValues): {
  readonly hostAccess?: HostAccessSpec;
} {
  return host_access === "true" ? { hostAccess: { addresses: host_address ?? [] } } : {};
}
