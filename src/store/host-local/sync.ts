import { formatIp, type Ip } from "../../lib/ip.ts";
import type { Entry } from "../../sys/file.ts";
import { addressNamed, type ReservationFiles } from "./files.ts";
import { hashOf } from "./hash.ts";
import { type Mark, type Slot, Table } from "./table.ts";

/** Makes a table say what a directory says, reading as few files as can be. */

/**
 * `names`: only new names are read, vanished ones are dropped, and files with another inode are read again. `files`: every
 * file is looked at, and read when it is not the one that the slot was made from.
 */
export type Care = "names" | "files";

export interface Synced {
  readonly table: Table;
  readonly hasChanged: boolean;
}

export function sync(given: Table, entries: readonly Entry[], files: ReservationFiles, care: Care): Synced {
  let table = given;
  let hasChanged = false;
  const present = new Set<string>();
  for (const { name, ino } of entries) {
    const ip = addressNamed(name);
    if (!ip) continue;
    present.add(name);
    if (table.inoOf(ip) === ino && (care === "names" || isUnchanged(table, ip, files))) continue;
    hasChanged = true;
    table = readInto(table, ip, files);
  }
  if (table.count !== present.size) {
    const vanished = [...table.all()].filter(({ ip }) => !present.has(formatIp(ip)));
    for (const { ip } of vanished) table.remove(ip);
    hasChanged ||= vanished.length > 0;
  }
  return { table, hasChanged };
}

function isUnchanged(table: Table, ip: Ip, files: ReservationFiles): boolean {
  return files.mark(ip)?.changed === table.byIp(ip)?.changed;
}

/** What the file of an address says, put in the place of what was known of it. */
export function readInto(table: Table, ip: Ip, files: ReservationFiles): Table {
  table.remove(ip);
  const found = files.look(ip);
  return found ? added(table, { ...found, ip, owner: hashOf(found.owner) }) : table;
}

export function added(table: Table, slot: Slot): Table {
  const roomy = table.isFull ? table.grown() : table;
  roomy.add(slot);
  return roomy;
}

/** The slots of a table whose parts may contradict each other. */
export function remade(table: Table): Table {
  let fresh = Table.empty();
  for (const slot of table.all()) if (!fresh.byIp(slot.ip)) fresh = added(fresh, slot);
  return fresh;
}

export function isFormer(slot: Slot, boot: number): slot is Slot & { readonly mark: Mark } {
  return slot.mark !== undefined && slot.mark.boot !== boot;
}
