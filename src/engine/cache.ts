import type { Row, Table } from "../store/store.ts";

/** A table's records in memory, read once; every change goes to the table first. */
export class Cache<Body extends { readonly owner: string }> {
  readonly #table: Table<Body>;
  readonly #rows: Map<string, Row<Body>>;

  constructor(table: Table<Body>) {
    this.#table = table;
    this.#rows = new Map(table.list().map((row) => [row.id, row]));
  }

  get(owner: string): Body | undefined {
    return this.#rows.get(owner)?.body;
  }

  list(): Body[] {
    return [...this.#rows.values()].map(({ body }) => body);
  }

  /** Makes or changes a record. Throws `state`, and `conflict` when another process changed it. */
  async put(body: Body): Promise<void> {
    const version = this.#rows.get(body.owner)?.version ?? 0;
    this.#rows.set(body.owner, await this.#table.put(body.owner, body, version));
  }

  async delete(owner: string): Promise<void> {
    await this.#table.delete(owner);
    this.#rows.delete(owner);
  }
}
