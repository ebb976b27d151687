/**
 * Durable records with versions. The store knows ids, versions and JSON bodies; what a body means is the engine's
 * business. Several processes may have the same database open.
 */

export interface Row<Body> {
  readonly id: string;
  /** 1 when made, one more with every change. */
  readonly version: number;
  readonly body: Body;
}

/** `full`: on disk before the promise resolves. `normal`: survives a kill, may lose the last commits in a power cut. */
export type Durability = "full" | "normal";

export interface Table<Body> {
  get(id: string): Row<Body> | undefined;
  list(): Row<Body>[];
  /**
   * Writes the body if the stored version is still `expected` (0 = must not exist yet).
   * `durability`: less than the table's, for what a power cut makes worthless anyway.
   * Throws `conflict` when it is not, `state` when the database cannot be written (disk full, read-only, damaged).
   */
  put(id: string, body: Body, expected: number, durability?: Durability): Promise<Row<Body>>;
  /** Deleting what is not there is success. */
  delete(id: string): Promise<void>;
}

export interface Store {
  /** `networks`, `parents` and `moves` commit with `full`, `endpoints` and `attachments` with `normal`. */
  table<Body>(name: "networks" | "endpoints" | "parents" | "attachments" | "moves"): Table<Body>;
  /** 16 random bytes as hex, made with the database: the seed of derived MAC addresses on this host. */
  readonly seed: string;
  /**
   * Takes what was committed over into the file proper, which waits for the disk and so is for a quiet moment. Undone
   * it is done by a commit some time, or at the next start. Throws `state`.
   */
  checkpoint(): void;
  close(): void;
}
