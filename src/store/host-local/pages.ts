/** A file in pages: only those that are looked at are read, only those that are changed are written. */

export const PAGE_BYTES = 4096;

export class Pages {
  readonly #read: (page: number, into: Uint8Array) => void;
  readonly #pages = new Map<number, DataView>();
  readonly #changed = new Set<number>();

  /** `read` fills a page; one that does nothing makes pages of zeros. */
  constructor(read: (page: number, into: Uint8Array) => void) {
    this.#read = read;
  }

  at(page: number): DataView {
    const known = this.#pages.get(page);
    if (known) return known;
    const bytes = new Uint8Array(PAGE_BYTES);
    this.#read(page, bytes);
    const view = new DataView(bytes.buffer);
    this.#pages.set(page, view);
    return view;
  }

  /** The same, to be written to. */
  toChange(page: number): DataView {
    this.#changed.add(page);
    return this.at(page);
  }

  /** The pages changed since the last call. */
  takeChanged(): [page: number, bytes: Uint8Array][] {
    const pages = [...this.#changed].map((page): [number, Uint8Array] => [
      page,
      new Uint8Array(this.at(page).buffer),
    ]);
    this.#changed.clear();
    return pages;
  }
}
