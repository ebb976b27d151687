import type { Dns } from "../result.ts";

/** What a resolv.conf says, as host-local passes it on: resolv.conf(5), and no more than the reference reads of it. */
export function parseResolvConf(text: string): Dns {
  const lines = text.split("\n").map((line) => line.trim());
  const fields = lines.filter((line) => !/^[#;]/.test(line)).map((line) => line.split(/\s+/));
  const of = (keyword: string) => fields.filter(([name, value]) => name === keyword && value !== undefined);
  return {
    nameservers: some(of("nameserver").flatMap(([, address]) => address ?? [])),
    domain: of("domain").at(-1)?.[1],
    search: some(of("search").flatMap(([, ...domains]) => domains)),
    options: some(of("options").flatMap(([, ...options]) => options)),
  };
}

/** A list that is there and empty would be printed, and override another. */
function some(list: readonly string[]): readonly string[] | undefined {
  return list.length > 0 ? list : undefined;
}
