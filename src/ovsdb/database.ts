import { type Clock, systemClock } from "../lib/clock.ts";
import { UnderlayError } from "../lib/errors.ts";
import { openChannel } from "./channel.ts";
import type { CallOptions, LinkState, Ovsdb, OvsdbOptions } from "./client.ts";
import { Connection } from "./connection.ts";
import { Follower, replicaOf } from "./follower.ts";
import type { Json } from "./json.ts";
import { Link } from "./link.ts";
import { type Lock, LockState, lockOf } from "./lock.ts";
import { type Answers, mutate, type Operation, select, waitUntil } from "./operation.ts";
import type { Replica, Selection } from "./replica.ts";
import { isOutcomeUnknown } from "./session.ts";
import type { RowOf, TableName } from "./tables.ts";

/** Docker has its answer within 10 s. */
const PATIENCE = 5_000;

/** The client: calls, monitors and locks over whatever connection there is. */
export class Database implements Ovsdb {
  readonly #options: OvsdbOptions;
  readonly #clock: Clock;
  readonly #patience: number;
  readonly #link: Link;
  readonly #listeners = new Set<(state: LinkState) => void>();
  readonly #followers = new Map<string, Follower>();
  readonly #locks = new Map<string, LockState>();
  #lastMonitor = 0;
  state: LinkState = { isUp: false, error: new UnderlayError("unreachable", "ovsdb: not connected yet") };

  constructor(options: OvsdbOptions, reconnects: boolean) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#patience = options.patience ?? PATIENCE;
    this.#link = new Link({
      clock: this.#clock,
      random: options.random ?? Math.random,
      reconnects,
      connect: (onEnd) => this.#connect(onEnd),
      onUp: () => this.#tell({ isUp: true }),
      onDown: (error) => {
        for (const follower of this.#followers.values()) follower.lose();
        for (const lock of this.#locks.values()) lock.set(false);
        this.#tell({ isUp: false, error });
      },
    });
  }

  /** Resolves when the first try is over. */
  begin(): Promise<void> {
    return this.#link.start();
  }

  /** Throws why the first try failed. */
  async start(): Promise<void> {
    await this.begin();
    await this.#link.usable(this.#clock.now());
  }

  async transact<const Ops extends readonly Operation<unknown>[]>(
    operations: Ops,
    { patience = this.#patience }: CallOptions = {},
  ): Promise<Answers<Ops>> {
    const reads = operations.every((operation) => operation.reads);
    return this.#call(patience, reads, (connection, left) => connection.transact(operations, left));
  }

  async applied<
    const Ops extends readonly Operation<unknown>[],
    const After extends readonly Operation<unknown>[],
  >(
    operations: Ops,
    after: After,
    { patience = this.#patience }: CallOptions = {},
  ): Promise<{ readonly done: Answers<Ops>; readonly after: Answers<After> }> {
    const deadline = this.#clock.now() + patience;
    const raise = mutate("Open_vSwitch", [], [["next_cfg", "+=", 1]], "some");
    const answers = await this.transact([...operations, raise, select("Open_vSwitch", [], ["next_cfg"])], {
      patience,
    });
    const done = answersOf(operations, answers);
    const [root] = answers.at(-1) as readonly RowOf<"Open_vSwitch", "next_cfg">[];
    const left = deadline - this.#clock.now();
    try {
      const [, ...more] = await this.transact([hasFollowed(root?.next_cfg ?? 0n), ...after], {
        patience: left,
      });
      return { done, after: answersOf(after, more) };
    } catch (thrown) {
      throw notApplied(thrown, patience);
    }
  }

  async replica<const S extends Selection>(
    selection: S,
    { patience = this.#patience }: CallOptions = {},
  ): Promise<Replica<S>> {
    const follower = new Follower(`m${++this.#lastMonitor}`, selection);
    const forget = () => void this.#followers.delete(follower.id);
    this.#followers.set(follower.id, follower);
    try {
      await this.#call(patience, true, (connection, left) => follower.follow(connection, left));
    } catch (thrown) {
      forget();
      throw thrown;
    }
    return replicaOf<S>(follower, async () => {
      forget();
      await unlessLost(this.#link.current?.cancelMonitor(follower.id, this.#patience));
    });
  }

  async lock(
    name: string,
    how: "lock" | "steal" = "lock",
    { patience = this.#patience }: CallOptions = {},
  ): Promise<Lock> {
    if (this.#locks.has(name)) throw new UnderlayError("internal", `the lock ${name} is asked for already`);
    const lock = new LockState(name);
    const forget = () => void this.#locks.delete(name);
    this.#locks.set(name, lock);
    try {
      await this.#call(patience, true, (connection, left) => lock.ask(connection, how, left));
    } catch (thrown) {
      forget();
      throw thrown;
    }
    return lockOf(lock, async () => {
      forget();
      await unlessLost(this.#link.current?.unlock(name, this.#patience));
    });
  }

  has(table: TableName, column: string, { patience = this.#patience }: CallOptions = {}): Promise<boolean> {
    return this.#call(patience, true, async ({ schema }) => schema.has(table, column));
  }

  onState(listener: (state: LinkState) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  [Symbol.dispose](): void {
    this.#link.close();
  }

  /** What was lost before it was sent, or only reads, is done on the next connection. */
  async #call<R>(
    patience: number,
    canRepeat: boolean,
    act: (connection: Connection, left: number) => Promise<R>,
  ): Promise<R> {
    const deadline = this.#clock.now() + patience;
    for (;;) {
      const connection = await this.#link.usable(deadline);
      try {
        return await act(connection, deadline - this.#clock.now());
      } catch (thrown) {
        if (!isLost(thrown) || (isOutcomeUnknown(thrown) && !canRepeat)) throw thrown;
      }
    }
  }

  /** With all monitors and locks of the connection before. */
  async #connect(onEnd: (error: UnderlayError) => void): Promise<Connection> {
    const { target, trace, open = openChannel } = this.#options;
    const patience = this.#patience;
    const connection = await Connection.open({
      ...{ target, trace, open, patience, onEnd },
      clock: this.#clock,
      onNotification: (method, params) => this.#hear(method, params),
    });
    try {
      for (const follower of this.#followers.values()) await follower.follow(connection, patience);
      for (const lock of this.#locks.values()) await lock.ask(connection, "lock", patience);
      return connection;
    } catch (thrown) {
      connection.close();
      throw thrown;
    }
  }

  #hear(method: string, params: readonly Json[]): void {
    const [name] = params;
    if (method === "locked" || method === "stolen") {
      if (typeof name === "string") this.#locks.get(name)?.set(method === "locked");
    } else for (const follower of this.#followers.values()) follower.hear(method, params);
  }

  #tell(state: LinkState): void {
    this.state = state;
    for (const listener of [...this.#listeners]) listener(state);
  }
}

/** Those of the first operations, whose types the array has lost. */
function answersOf<const Ops extends readonly Operation<unknown>[]>(
  operations: Ops,
  answers: readonly unknown[],
): Answers<Ops> {
  return answers.slice(0, operations.length) as unknown as Answers<Ops>;
}

/** Begins when ovs-vswitchd has come so far. */
function hasFollowed(configuration: bigint): Operation<null> {
  return waitUntil({
    table: "Open_vSwitch",
    where: [["cur_cfg", ">=", configuration]],
    columns: ["cur_cfg"],
    until: "!=",
    rows: [],
  });
}

/** The transaction itself was done, whatever kept ovs-vswitchd from it. */
function notApplied(thrown: unknown, patience: number): unknown {
  if (!(thrown instanceof UnderlayError)) return thrown;
  const inputs = { ...thrown.inputs, committed: "yes" };
  const message =
    thrown.code === "timeout"
      ? `ovs-vswitchd has not applied the change within ${patience} ms: it is not running, or it hangs`
      : `${thrown.message} (the change is in the database, and not known to be applied)`;
  return new UnderlayError(thrown.code, message, { cause: thrown, inputs });
}

function isLost(thrown: unknown): boolean {
  return thrown instanceof UnderlayError && thrown.code === "unreachable";
}

/** What a lost connection ends by itself need not be ended. */
async function unlessLost(ending: Promise<void> | undefined): Promise<void> {
  try {
    await ending;
  } catch (thrown) {
    if (!isLost(thrown)) throw thrown;
  }
}
