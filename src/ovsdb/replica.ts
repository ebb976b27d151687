import type { Uuid } from "./datum.ts";
import type { ColumnName, RowOf, TableName } from "./tables.ts";

/**
 * Which columns of which tables are followed. Few: `statistics` and `status` change for every port each 5 s
 * (other_config:stats-update-interval).
 */
export type Selection = { readonly [T in TableName]?: readonly ColumnName<T>[] };

type TablesOf<S extends Selection> = keyof S & TableName;

/** A row of a replica. */
export type Selected<S extends Selection, T extends TablesOf<S>> = RowOf<
  T,
  S[T] extends readonly (infer C)[] ? Extract<C, ColumnName<T>> : never
>;

/** `before` is undefined for a new row, `after` for one that is gone. */
export type Change<S extends Selection> = {
  [T in TablesOf<S>]: {
    readonly table: T;
    readonly uuid: Uuid;
    readonly before: Selected<S, T> | undefined;
    readonly after: Selected<S, T> | undefined;
  };
}[TablesOf<S>];

/** Rows of the database as they are now. */
export interface Replica<S extends Selection> extends AsyncDisposable {
  /** False while the connection is down; the rows are then those of before. */
  readonly isCurrent: boolean;
  rows<T extends TablesOf<S>>(table: T): ReadonlyMap<Uuid, Selected<S, T>>;
  /**
   * Calls for all changes of a transaction at once, when the rows have them; after a reconnect, for what differs from
   * before. What the listener throws ends the connection. The answer takes it back.
   */
  subscribe(listener: (changes: readonly Change<S>[]) => void): () => void;
}
