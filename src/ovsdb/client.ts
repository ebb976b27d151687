import type { Clock } from "../lib/clock.ts";
import type { UnderlayError } from "../lib/errors.ts";
import type { OpenChannel } from "./channel.ts";
import { Database } from "./database.ts";
import type { Lock } from "./lock.ts";
import type { Answers, Operation } from "./operation.ts";
import type { Replica, Selection } from "./replica.ts";
import type { Trace } from "./session.ts";
import type { TableName } from "./tables.ts";
import type { Target } from "./target.ts";

/**
 * A client of OVSDB (RFC 7047, ovsdb-server(7)) for the database of Open vSwitch. It knows tables, not containers.
 *
 *     const problems: Problem[] = [];
 *     const target = parseTarget("unix:/run/openvswitch/db.sock", "ovsdb", problems);
 *     using ovsdb = await openOvsdb({ target });            // a program of few milliseconds: one connection
 *     using ovsdb = keepOvsdb({ target });                  // a daemon: connects by itself, again and again
 *
 *     const face = named("face");
 *     const port = named("port");
 *     const { done, after } = await ovsdb.applied(
 *       [
 *         insert("Interface", { name: "veth1", external_ids: { owner: "x" } }, face),
 *         insert("Port", { name: "veth1", interfaces: [face], tag: 100 }, port),
 *         mutate("Bridge", [["name", "==", "br0"]], [["ports", "insert", [port]]], "some"),
 *       ],
 *       [select("Interface", [["name", "==", "veth1"]], ["ofport", "error"])],
 *     );
 *     const [[row]] = after;                                // row.ofport: number | undefined
 *
 *     const replica = await ovsdb.replica({ Bridge: ["name", "ports"], Port: ["name", "tag"] });
 *     replica.rows("Port");                                 // ReadonlyMap<Uuid, { _uuid, name, tag }>
 *     replica.subscribe((changes) => …);
 *
 * Tables and columns are those of tables.ts, operations those of operation.ts. Errors are UnderlayErrors:
 *
 * | code | when |
 * |---|---|
 * | `not_found` | no row was there that an operation demands (`"some"`); nothing was done |
 * | `conflict` | a name is taken, a reference is broken, an assertion does not hold; nothing was done. `ovsdbErrorOf` tells which |
 * | `unsupported` | the server has no such column, or speaks something else |
 * | `invalid_option` | a value that OVSDB would refuse |
 * | `unreachable` | no connection in time, or it was lost |
 * | `timeout` | no answer in time; of `applied`: committed, but ovs-vswitchd does not follow |
 * | `permission` | the socket may not be opened |
 *
 * Of a transaction that writes and fails with `unreachable` or `timeout`, `isOutcomeUnknown` tells whether it may have
 * been done all the same. It is never sent twice: read the rows again, and decide. One that only reads is.
 */

export interface OvsdbOptions {
  readonly target: Target;
  readonly clock?: Clock;
  /** Milliseconds for a call that says nothing else; 5,000 unless told. */
  readonly patience?: number;
  readonly trace?: Trace;
  /** For tests: another way to the server, and dice. */
  readonly open?: OpenChannel;
  readonly random?: () => number;
}

export interface CallOptions {
  /** Milliseconds, waiting for the connection included. */
  readonly patience?: number;
}

/** Whether there is a connection; and why there is none. */
export type LinkState = { readonly isUp: true } | { readonly isUp: false; readonly error: UnderlayError };

export interface Ovsdb extends Disposable {
  /** All operations or none. Answers one value for each. */
  transact<const Ops extends readonly Operation<unknown>[]>(
    operations: Ops,
    options?: CallOptions,
  ): Promise<Answers<Ops>>;
  /**
   * The same, and waits until ovs-vswitchd has applied it (next_cfg, cur_cfg); then does `after` in a transaction of its
   * own. That it is applied does not say that it succeeded: read `ofport` and `error` of the Interface. Throws `timeout`
   * with inputs `{ committed: "yes" }` when ovs-vswitchd does not follow: the rows are there then.
   */
  applied<const Ops extends readonly Operation<unknown>[], const After extends readonly Operation<unknown>[]>(
    operations: Ops,
    after: After,
    options?: CallOptions,
  ): Promise<{ readonly done: Answers<Ops>; readonly after: Answers<After> }>;
  /** Resolves when the rows are there. It is made again after each reconnect. */
  replica<const S extends Selection>(selection: S, options?: CallOptions): Promise<Replica<S>>;
  /** Asks for a lock, which may be had later; asked for again after each reconnect. */
  lock(name: string, how?: "lock" | "steal", options?: CallOptions): Promise<Lock>;
  /** Whether the server has the column. */
  has(table: TableName, column: string, options?: CallOptions): Promise<boolean>;
  readonly state: LinkState;
  /** Calls on every change; also after each try that failed. The answer takes it back. */
  onState(listener: (state: LinkState) => void): () => void;
}

/** One connection; what is lost stays lost. Throws why there is none. */
export async function openOvsdb(options: OvsdbOptions): Promise<Ovsdb> {
  const client = new Database(options, false);
  await client.start();
  return client;
}

/** Connects, and connects again; calls wait for the connection as long as their patience is. */
export function keepOvsdb(options: OvsdbOptions): Ovsdb {
  const client = new Database(options, true);
  void client.begin();
  return client;
}
