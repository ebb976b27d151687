import type { Dns } from "../result.ts";

/** What a resolv.conf says, as host-local passes it on: resolv.conf(5), and no more than the reference reads of it. */
export function parseResolvConf(text: string): Dns {
  const lines = text.split("\n").map((line) => line.trim());
  const fields = lines.filter((line) => !/^[#;]/.test(line)).map((line) => line.split(/\s+/));
  const of = (keyword: string) => fields.filter(([name, value]) => name === keyword && value !== undefined);
  return {
    nameservers: of("nameserver").flatMap(([, address]) => address ?? []),
    domain: of("domain").at(-1)?.[1],
    search: of("search").flatMap(([, ...domains]) => domains),
    options: of("options").flatMap(([, ...options]) => options),
  };
}
