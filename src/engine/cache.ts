import type { Durability, Row, Table } from "../store/store.ts";

/** The keys besides its owner under which a record is found: of each kind none, one or several. */
export type KeysOf<Body, Kind extends string> = (body: Body) => Readonly<Record<Kind, readonly string[]>>;

/** A table's records in memory, read once; every change goes to the table first. */
export class Cache<Body extends { readonly owner: string }, Kind extends string = never> {
  readonly #table: Table<Body>;
  readonly #rows: Map<string, Row<Body>>;
  readonly #keysOf: KeysOf<Body, Kind>;
  /** Owners by kind and key. */
  readonly #found = new Map<string, Set<string>>();

  constructor(table: Table<Body>, keysOf: KeysOf<Body, Kind>) {
    this.#table = table;
    this.#rows = new Map(table.list().map((row) => [row.id, row]));
    this.#keysOf = keysOf;
    for (const body of this.list()) this.#note(body);
  }

  get size(): number {
    return this.#rows.size;
  }

  get(owner: string): Body | undefined {
    return this.#rows.get(owner)?.body;
  }

  list(): Body[] {
    return [...this.#rows.values()].map(({ body }) => body);
  }

  /** The records with that key, without a look at the thousands that have another. */
  with(kind: Kind, key: string): Body[] {
    const owners = this.#found.get(placeOf(kind, key)) ?? [];
    return [...owners].flatMap((owner) => this.get(owner) ?? []);
  }

  /** All keys of that kind that records have. */
  keys(kind: Kind): ReadonlySet<string> {
    const prefix = placeOf(kind, "");
    const places = [...this.#found.keys()].filter((place) => place.startsWith(prefix));
    return new Set(places.map((place) => place.slice(prefix.length)));
  }

  /** Makes or changes a record. Throws `state`, and `conflict` when another process changed it. */
  async put(body: Body, durability?: Durability): Promise<void> {
    const version = this.#rows.get(body.owner)?.version ?? 0;
    const row = await this.#table.put(body.owner, body, version, durability);
    this.#forget(body.owner);
    this.#rows.set(body.owner, row);
    this.#note(row.body);
  }

  /** Takes over what other processes wrote: of one record, or of all. */
  reload(owner?: string): void {
    const rows = owner === undefined ? this.#table.list() : [this.#table.get(owner)];
    for (const known of owner === undefined ? [...this.#rows.keys()] : [owner]) {
      this.#forget(known);
      this.#rows.delete(known);
    }
    for (const row of rows) {
      if (!row) continue;
      this.#rows.set(row.id, row);
      this.#note(row.body);
    }
  }

  async delete(owner: string): Promise<void> {
    await this.#table.delete(owner);
    this.#forget(owner);
    this.#rows.delete(owner);
  }

  #note(body: Body): void {
    for (const place of this.#placesOf(body)) {
      const owners = this.#found.get(place) ?? new Set();
      this.#found.set(place, owners.add(body.owner));
    }
  }

  #forget(owner: string): void {
    const body = this.get(owner);
    if (!body) return;
    for (const place of this.#placesOf(body)) {
      const owners = this.#found.get(place);
      owners?.delete(owner);
      if (owners?.size === 0) this.#found.delete(place);
    }
  }

  #placesOf(body: Body): string[] {
    return Object.entries<readonly string[]>(this.#keysOf(body)).flatMap(([kind, keys]) =>
      keys.map((key) => placeOf(kind, key)),
    );
  }
}

function placeOf(kind: string, key: string): string {
  return `${kind} ${key}`;
}
