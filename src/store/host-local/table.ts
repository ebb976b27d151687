import type { Ip } from "../../lib/ip.ts";
import { Buckets } from "./buckets.ts";
import { mix } from "./hash.ts";
import { PAGE_BYTES, Pages } from "./pages.ts";

/**
 * Who has which address, in pages: found by address and by owner with a few looks, however many there are. Layout: a
 * page of header, the buckets by address, the buckets by owner, the slots.
 */

/** By what a reservation of ours is known as ours: no other program writes this. */
export interface Mark {
  /** Hash of the boot id under which it was made. */
  readonly boot: number;
  /** Inode of the netns that it was made for; 0 = not known. */
  readonly netns: number;
}

export interface Slot {
  readonly ip: Ip;
  /** Hash of what the file says. */
  readonly owner: number;
  /** The file's inode and the time of its last change: another file under the same name has others. */
  readonly ino: number;
  readonly changed: bigint;
  /** Absent when somebody else wrote it. */
  readonly mark?: Mark;
}

const AT = { slots: 0, used: 4, free: 8, count: 12 } as const;
const SLOT_BYTES = 64;
export const FEWEST_SLOTS = 256;

/** Where in the first page the table's own four numbers stand. */
export const TABLE_AT = 64;

export class Table {
  readonly pages: Pages;
  readonly #capacity: number;
  readonly #byIp: Buckets;
  readonly #byOwner: Buckets;
  readonly #firstSlotPage: number;

  private constructor(pages: Pages, capacity: number) {
    const bucketPages = (capacity * 2 * 8) / PAGE_BYTES;
    this.pages = pages;
    this.#capacity = capacity;
    this.#byIp = new Buckets(pages, 1, capacity * 2);
    this.#byOwner = new Buckets(pages, 1 + bucketPages, capacity * 2);
    this.#firstSlotPage = 1 + 2 * bucketPages;
  }

  /** An empty one, in memory. */
  static empty(capacity = FEWEST_SLOTS): Table {
    const pages = new Pages(() => undefined);
    pages.toChange(0).setUint32(TABLE_AT + AT.slots, capacity, true);
    return new Table(pages, capacity);
  }

  /** Undefined when the first page is not one of a table. */
  static open(pages: Pages): Table | undefined {
    const capacity = pages.at(0).getUint32(TABLE_AT + AT.slots, true);
    const isPower = capacity >= FEWEST_SLOTS && capacity <= 2 ** 28 && (capacity & (capacity - 1)) === 0;
    return isPower ? new Table(pages, capacity) : undefined;
  }

  /** Of the file that holds it all. */
  get bytes(): number {
    return this.#firstSlotPage * PAGE_BYTES + this.#capacity * SLOT_BYTES;
  }

  get count(): number {
    return this.#number(AT.count);
  }

  get isFull(): boolean {
    return this.#number(AT.free) === 0 && this.#number(AT.used) === this.#capacity;
  }

  /** The same with twice the room. */
  grown(): Table {
    const larger = Table.empty(this.#capacity * 2);
    for (const slot of this.all()) larger.add(slot);
    return larger;
  }

  /** The inode of the file of an address, when it has one. */
  inoOf(ip: Ip): number | undefined {
    const at = this.#atIp(ip);
    return at === 0 ? undefined : getNumber(this.#slotPage(at), this.#offset(at) + 32);
  }

  byIp(ip: Ip): Slot | undefined {
    const at = this.#atIp(ip);
    return at === 0 ? undefined : this.#read(at);
  }

  byOwner(owner: number): Slot[] {
    const found: Slot[] = [];
    this.#byOwner.find(owner >>> 0, (at) => {
      const slot = this.#read(at);
      if (slot?.owner === owner) found.push(slot);
      return false;
    });
    return found;
  }

  /** All, oldest slots first. Must not be changed meanwhile. */
  *all(): Generator<Slot> {
    for (let at = 1; at <= this.#number(AT.used); at++) {
      const slot = this.#read(at);
      if (slot) yield slot;
    }
  }

  /** The address must not be in it yet, and the table not full. */
  add(slot: Slot): void {
    const free = this.#number(AT.free);
    const at = free === 0 ? this.#number(AT.used) + 1 : free;
    if (free === 0) this.#setNumber(AT.used, at);
    else this.#setNumber(AT.free, this.#slotPage(at).getUint32(this.#offset(at) + 4, true));
    this.#write(at, slot);
    this.#byIp.add(tagOf(slot.ip), at);
    this.#byOwner.add(slot.owner >>> 0, at);
    this.#setNumber(AT.count, this.count + 1);
  }

  remove(ip: Ip): void {
    const at = this.#atIp(ip);
    const slot = at === 0 ? undefined : this.#read(at);
    if (!slot) return;
    this.#byIp.remove(tagOf(ip), at);
    this.#byOwner.remove(slot.owner >>> 0, at);
    const page = this.pages.toChange(this.#pageOf(at));
    page.setUint8(this.#offset(at), 0);
    page.setUint32(this.#offset(at) + 4, this.#number(AT.free), true);
    this.#setNumber(AT.free, at);
    this.#setNumber(AT.count, this.count - 1);
  }

  #atIp(ip: Ip): number {
    return this.#byIp.find(tagOf(ip), (at) => this.#hasIp(at, ip));
  }

  #hasIp(at: number, { family, bytes }: Ip): boolean {
    const [page, offset] = [this.#slotPage(at), this.#offset(at)];
    if (page.getUint8(offset) !== family) return false;
    for (let i = 0; i < bytes.length; i++) if (page.getUint8(offset + 8 + i) !== bytes[i]) return false;
    return true;
  }

  #read(at: number): Slot | undefined {
    const [page, offset] = [this.#slotPage(at), this.#offset(at)];
    const family = page.getUint8(offset);
    if (family !== 4 && family !== 6) return undefined;
    const mark = {
      boot: getNumber(page, offset + 48),
      netns: getNumber(page, offset + 56),
    };
    return {
      ip: { family, bytes: new Uint8Array(page.buffer.slice(offset + 8, offset + (family === 4 ? 12 : 24))) },
      owner: getNumber(page, offset + 24),
      ino: getNumber(page, offset + 32),
      changed: page.getBigInt64(offset + 40, true),
      ...(page.getUint8(offset + 1) === 1 ? { mark } : {}),
    };
  }

  #write(at: number, { ip, owner, ino, changed, mark }: Slot): void {
    const [page, offset] = [this.pages.toChange(this.#pageOf(at)), this.#offset(at)];
    page.setUint8(offset, ip.family);
    page.setUint8(offset + 1, mark ? 1 : 0);
    for (const [i, byte] of ip.bytes.entries()) page.setUint8(offset + 8 + i, byte);
    setNumber(page, offset + 24, owner);
    setNumber(page, offset + 32, ino);
    page.setBigInt64(offset + 40, changed, true);
    setNumber(page, offset + 48, mark?.boot ?? 0);
    setNumber(page, offset + 56, mark?.netns ?? 0);
  }

  #pageOf(at: number): number {
    return this.#firstSlotPage + Math.floor(((at - 1) * SLOT_BYTES) / PAGE_BYTES);
  }

  #slotPage(at: number): DataView {
    return this.pages.at(this.#pageOf(at));
  }

  #offset(at: number): number {
    return ((at - 1) * SLOT_BYTES) % PAGE_BYTES;
  }

  #number(which: number): number {
    return this.pages.at(0).getUint32(TABLE_AT + which, true);
  }

  #setNumber(which: number, value: number): void {
    this.pages.toChange(0).setUint32(TABLE_AT + which, value, true);
  }
}

/** Neighbours in a subnet are neighbours on disk: who walks a full pool reads few pages. */
function tagOf({ bytes }: Ip): number {
  const last = bytes[bytes.length - 1] ?? 0;
  let high = bytes.length + (last >>> 6);
  for (let i = 0; i < bytes.length - 1; i++) high = mix(Math.imul(high, 31) + (bytes[i] ?? 0));
  return ((high << 6) | (last & 63)) >>> 0;
}

export function getNumber(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}

export function setNumber(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
}
