import { UnderlayError } from "../lib/errors.ts";
import type { Connection } from "./connection.ts";
import type { Json } from "./json.ts";
import { METHODS, type MonitorMethod } from "./monitor.ts";
import type { Change, Replica, Selection } from "./replica.ts";
import { type AnyChange, Rows } from "./rows.ts";
import type { Schema } from "./schema.ts";

/** What feeds a replica: a monitor on each connection in turn. */
export class Follower {
  readonly id: string;
  readonly rows: Rows;
  readonly #methods: readonly MonitorMethod[];
  readonly #listeners = new Set<(changes: readonly AnyChange[]) => void>();
  #schema: Schema | undefined;

  /** `methods`: in the order in which they are tried. */
  constructor(id: string, selection: Selection, methods: readonly MonitorMethod[] = METHODS) {
    this.id = id;
    this.rows = new Rows(selection);
    this.#methods = methods;
  }

  get isCurrent(): boolean {
    return this.#schema !== undefined;
  }

  /** All rows anew. Throws what `monitor` does; `unsupported` when the server has none of its methods. */
  async follow(connection: Connection, patience: number): Promise<void> {
    // A reconnect has done it while its caller was waiting for the connection.
    if (this.isCurrent) return;
    const { schema } = connection;
    const requests = this.rows.requests(schema);
    for (const { method, params, start } of this.#methods) {
      const isKnown = await isUnderstood(
        connection.monitor(method, params(this.id, requests), patience, (answer) => {
          this.#schema = schema;
          this.#tell(this.rows.load(schema, start(answer)));
        }),
      );
      if (isKnown) return;
    }
    throw new UnderlayError("unsupported", "this ovsdb-server knows no way to follow changes");
  }

  /** A notification of whatever monitor. */
  hear(notification: string, params: readonly Json[]): void {
    const method = this.#methods.find((each) => each.notification === notification);
    if (method === undefined || params[0] !== this.id || this.#schema === undefined) return;
    this.#tell(this.rows.apply(this.#schema, method.changes(params.slice(1))));
  }

  /** The connection is down. */
  lose(): void {
    this.#schema = undefined;
  }

  subscribe(listener: (changes: readonly AnyChange[]) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #tell(changes: readonly AnyChange[]): void {
    if (changes.length > 0) for (const listener of [...this.#listeners]) listener(changes);
  }
}

/** False when the server does not know the method. */
async function isUnderstood(request: Promise<void>): Promise<boolean> {
  try {
    await request;
    return true;
  } catch (thrown) {
    if (thrown instanceof UnderlayError && thrown.inputs["error"] === "unknown method") return false;
    throw thrown;
  }
}

/** With the types of its selection, by which all rows were read. */
export function replicaOf<S extends Selection>(follower: Follower, end: () => Promise<void>): Replica<S> {
  return {
    get isCurrent() {
      return follower.isCurrent;
    },
    rows: (table) => follower.rows.of(table) as never,
    subscribe: (listener) => follower.subscribe((changes) => listener(changes as unknown as Change<S>[])),
    [Symbol.asyncDispose]: end,
  };
}
