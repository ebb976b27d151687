import { DamagedIndex } from "./damaged.ts";
import { PAGE_BYTES, type Pages } from "./pages.ts";

/**
 * A hash table on disk with open addressing: pairs of a tag and a slot number, 8 bytes each. A bucket's place follows from
 * its tag alone, so that moving one needs no look at what it leads to. Slot 0 marks an empty bucket.
 */
export class Buckets {
  readonly #pages: Pages;
  readonly #firstPage: number;
  readonly #mask: number;

  /** `size`: how many buckets, a power of two and more than will ever be full. */
  constructor(pages: Pages, firstPage: number, size: number) {
    this.#pages = pages;
    this.#firstPage = firstPage;
    this.#mask = size - 1;
  }

  /** The first slot under a tag that is the one; those of other keys are under it too. 0 = none. */
  find(tag: number, is: (slot: number) => boolean): number {
    for (let i = 0; i <= this.#mask; i++) {
      const at = (tag + i) & this.#mask;
      const slot = this.#slot(at);
      if (slot === 0 || (this.#tag(at) === tag && is(slot))) return slot;
    }
    return 0;
  }

  add(tag: number, slot: number): void {
    this.#put(this.#search(tag, 0), tag, slot);
  }

  /** Closes the gap: what stands behind and would no longer be found moves up. */
  remove(tag: number, slot: number): void {
    let gap = this.#search(tag, slot);
    if (this.#slot(gap) === 0) return;
    for (let at = (gap + 1) & this.#mask; this.#slot(at) !== 0; at = (at + 1) & this.#mask) {
      const fromHome = (at - (this.#tag(at) & this.#mask)) & this.#mask;
      const fromGap = (at - gap) & this.#mask;
      if (fromHome < fromGap) continue;
      this.#put(gap, this.#tag(at), this.#slot(at));
      gap = at;
    }
    this.#put(gap, 0, 0);
  }

  /** The first bucket from the tag's home on that leads there or is empty. There is one, unless the file is damaged. */
  #search(tag: number, slot: number): number {
    for (let i = 0; i <= this.#mask; i++) {
      const at = (tag + i) & this.#mask;
      const found = this.#slot(at);
      if (found === 0 || found === slot) return at;
    }
    throw new DamagedIndex();
  }

  #page(bucket: number): number {
    return this.#firstPage + Math.floor((bucket * 8) / PAGE_BYTES);
  }

  #tag(bucket: number): number {
    return this.#pages.at(this.#page(bucket)).getUint32((bucket * 8) % PAGE_BYTES, true);
  }

  #slot(bucket: number): number {
    return this.#pages.at(this.#page(bucket)).getUint32(((bucket * 8) % PAGE_BYTES) + 4, true);
  }

  #put(bucket: number, tag: number, slot: number): void {
    const page = this.#pages.toChange(this.#page(bucket));
    page.setUint32((bucket * 8) % PAGE_BYTES, tag, true);
    page.setUint32(((bucket * 8) % PAGE_BYTES) + 4, slot, true);
  }
}
