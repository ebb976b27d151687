import type { NeighbourTable, Read } from "../../lib/host-facts.ts";
import type { Files } from "./read.ts";

const TABLES = [
  { family: "IPv4", file: "arp_cache", sysctl: "ipv4" },
  { family: "IPv6", file: "ndisc_cache", sysctl: "ipv6" },
] as const;

/**
 * The neighbour tables: neigh_stat_seq_show of net/core/neighbour.c has a row for each CPU, in hex, each with the
 * number of all entries. Limits exist in the initial netns only.
 */
export function neighbourTables(files: Files): Read<readonly NeighbourTable[]> {
  const tables = TABLES.flatMap(({ family, file, sysctl }) => {
    const source = `/proc/net/stat/${file}`;
    const [head = "", ...rows] = (files.text(source) ?? "").split("\n");
    const limit = Number(files.text(`/proc/sys/net/${sysctl}/neigh/default/gc_thresh3`));
    const columns = head.trim().split(/\s+/);
    const column = (name: string) => rows.map((row) => hexAt(row, columns.indexOf(name)));
    if (rows.length === 0 || !(limit > 0)) return [];
    const overflows = column("table_fulls").reduce((sum, count) => sum + count, 0);
    return [{ family, source, limit, overflows, entries: Math.max(...column("entries")) }];
  });
  if (tables.length > 0) return { known: tables };
  return {
    unread: "the limits of the neighbour tables (gc_thresh3) are only in the initial network namespace",
  };
}

function hexAt(row: string, index: number): number {
  const text = row.trim().split(/\s+/)[index];
  return text === undefined ? 0 : Number.parseInt(text, 16) || 0;
}
