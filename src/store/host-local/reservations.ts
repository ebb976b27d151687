import type { Ip } from "../../lib/ip.ts";
import type { Entry } from "../../sys/file.ts";
import { legacyText, ownerText, type ReservationFiles } from "./files.ts";
import { hashOf } from "./hash.ts";
import type { Index } from "./index-file.ts";
import { added, isFormer, readInto, remade, sync } from "./sync.ts";
import { type Mark, type Slot, Table } from "./table.ts";

/** A container's interface: what one reservation is for. */
export interface Owner {
  readonly container: string;
  readonly ifname: string;
}

/** A reservation of ours that may be nobody's any more, if its netns is gone. */
export interface Suspect {
  readonly ip: Ip;
  /** Inode of the netns that it was made for. */
  readonly netns: number;
  readonly ino: number;
  readonly changed: bigint;
}

export interface ReservationParts {
  readonly files: ReservationFiles;
  readonly list: () => readonly Entry[];
  readonly boot: number;
}

/**
 * The reservations of one network while its lock is held. The table decides where to look; what a file says counts. Every
 * answer about an owner has been read from a file.
 */
export class Reservations {
  readonly #parts: ReservationParts;
  #table: Table;
  #tainted: boolean;
  #former: boolean;
  #hasChanged: boolean;

  constructor(parts: ReservationParts, index: Index | undefined) {
    this.#parts = parts;
    this.#table = index?.table ?? Table.empty();
    this.#tainted = index?.tainted ?? false;
    this.#former = index?.former ?? false;
    this.#hasChanged = index?.state !== "trusted";
    if (index?.state === "doubtful") this.#table = remade(index.table);
    if (index?.state === "stale") this.#compareNames();
    else if (index?.state !== "trusted") this.#compareFiles();
  }

  /** What is to be saved; undefined when all is as it was. */
  get changes(): { table: Table; tainted: boolean; former: boolean } | undefined {
    if (!this.#hasChanged) return undefined;
    return { table: this.#table, tainted: this.#tainted, former: this.#former };
  }

  get count(): number {
    return this.#table.count;
  }

  isTaken(ip: Ip): boolean {
    return this.#table.inoOf(ip) !== undefined;
  }

  lastReserved(set: number): Ip | undefined {
    return this.#parts.files.lastReserved(set);
  }

  /** Addresses of an owner, those that are the container's by a file of old among them. */
  of(owner: Owner): Ip[] {
    return [...this.#have(ownerText(owner)), ...this.#have(legacyText(owner))].map(({ ip }) => ip);
  }

  /** Gives back all of an owner; what is the whole container's only when nothing else is its. How many that were. */
  release(owner: Owner): number {
    const found = this.surelyOf(owner);
    const exact = this.#have(ownerText(owner)).map(({ ip }) => ip);
    const gone = exact.length > 0 ? exact : found;
    for (const ip of gone) this.free(ip);
    return gone.length;
  }

  /** As `of`, and sure that there are no others even when somebody else has replaced files unnoticed. */
  surelyOf(owner: Owner): Ip[] {
    if (this.#tainted) this.#compareFiles();
    return this.of(owner);
  }

  /** False when the address is taken after all. */
  reserve(ip: Ip, owner: Owner, set: number, netns: number | undefined): boolean {
    const { files, boot } = this.#parts;
    const file = files.reserve(ip, ownerText(owner));
    this.#hasChanged = true;
    if (!file) {
      this.#table = readInto(this.#table, ip, files);
      return false;
    }
    const mark: Mark = { boot, netns: netns ?? 0 };
    this.#table.remove(ip);
    this.#table = added(this.#table, { ip, owner: hashOf(ownerText(owner)), ...file, mark });
    try {
      files.setLastReserved(set, ip);
    } catch (error) {
      this.free(ip);
      throw error;
    }
    return true;
  }

  /** A reservation of ours serves another attempt of its owner: of this boot, in this netns. */
  renew(ip: Ip, netns: number | undefined): void {
    const slot = this.#table.byIp(ip);
    if (!slot?.mark) return;
    const { boot } = this.#parts;
    const mark: Mark = { boot, netns: netns ?? 0 };
    const { mark: old } = slot;
    if (old.boot === boot && old.netns === mark.netns) return;
    this.#table.remove(ip);
    this.#table.add({ ...slot, mark });
    this.#hasChanged = true;
  }

  free(ip: Ip): void {
    this.#hasChanged = true;
    this.#parts.files.free(ip);
    this.#table.remove(ip);
  }

  /** Reads the names again: for who finds no address free, before he says so. */
  compareNames(): void {
    this.#compareNames();
  }

  /** Gives back what is ours and of a boot that is over. */
  freeFormer(): void {
    if (!this.#former) return;
    this.#former = false;
    this.#hasChanged = true;
    const { boot } = this.#parts;
    this.#freeUnchanged([...this.#table.all()].filter((slot) => isFormer(slot, boot)));
  }

  /** What is ours, of this boot, and of a netns that is known. */
  suspects(): Suspect[] {
    return [...this.#table.all()].flatMap(({ ip, ino, changed, mark }) =>
      mark && mark.netns !== 0 ? { ip, ino, changed, netns: mark.netns } : [],
    );
  }

  /** Of these, those that are still what they were. How many that were. */
  freeUnchanged(suspects: readonly Suspect[]): number {
    return this.#freeUnchanged(suspects);
  }

  /** Files that a crash has left empty, by who did not write them at once. While the lock is held nobody is about to. */
  freeEmpty(): number {
    const { files } = this.#parts;
    const empty = this.#table.byOwner(hashOf("")).filter(({ ip }) => files.owner(ip) === "");
    for (const { ip } of empty) this.free(ip);
    return empty.length;
  }

  /** Gives back what is of none of these, whoever wrote it. */
  keepOnly(valid: readonly Owner[]): void {
    this.#compareFiles();
    const texts = new Set(valid.flatMap((owner) => [ownerText(owner), legacyText(owner)]));
    const hashes = new Set([...texts].map(hashOf));
    const gone = [...this.#table.all()].filter(({ owner }) => !hashes.has(owner));
    const { files } = this.#parts;
    for (const { ip } of gone) if (!texts.has(files.owner(ip) ?? "")) this.free(ip);
  }

  /** Verified; what the table had wrong is put right. */
  #have(text: string): Slot[] {
    return this.#table.byOwner(hashOf(text)).filter((slot) => {
      if (this.#parts.files.owner(slot.ip) === text) return true;
      this.#hasChanged = true;
      this.#table = readInto(this.#table, slot.ip, this.#parts.files);
      return false;
    });
  }

  #freeUnchanged(slots: readonly Pick<Slot, "ip" | "ino" | "changed">[]): number {
    const same = slots.filter(({ ip, ino, changed }) => {
      const file = this.#parts.files.mark(ip);
      const slot = this.#table.byIp(ip);
      return file?.ino === ino && file.changed === changed && slot?.ino === ino && slot.changed === changed;
    });
    for (const { ip } of same) this.free(ip);
    return same.length;
  }

  #compareNames(): void {
    const { files, list } = this.#parts;
    const { table, hasChanged } = sync(this.#table, list(), files, "names");
    this.#table = table;
    this.#tainted = true;
    this.#hasChanged ||= hasChanged;
  }

  #compareFiles(): void {
    const { files, list, boot } = this.#parts;
    this.#table = sync(this.#table, list(), files, "files").table;
    this.#tainted = false;
    this.#hasChanged = true;
    this.#former = [...this.#table.all()].some((slot) => isFormer(slot, boot));
  }
}
