import type { Clock } from "../lib/clock.ts";
import type { UnderlayError } from "../lib/errors.ts";
import type { OpenChannel } from "./channel.ts";
import { isObject, type Json } from "./json.ts";
import type { Answers, Operation } from "./operation.ts";
import { prepare } from "./outcome.ts";
import { Schema } from "./schema.ts";
import { Session, type Trace } from "./session.ts";
import type { Target } from "./target.ts";

/** The only database of which tables.ts speaks. */
const DATABASE = "Open_vSwitch";

export interface ConnectionOptions {
  readonly target: Target;
  readonly clock: Clock;
  readonly open: OpenChannel;
  readonly trace?: Trace | undefined;
  /** Milliseconds until the server's schema has come. */
  readonly patience: number;
  readonly onNotification: (method: string, params: readonly Json[]) => void;
  /** Not after `close`. */
  readonly onEnd: (error: UnderlayError) => void;
}

/**
 * One life of a connection to a database, whose schema is known. When the server converts its database to another
 * schema it ends the connection (ovsdb-server(7), `set_db_change_aware`), so a schema holds as long as its connection.
 */
export class Connection {
  readonly schema: Schema;
  readonly #session: Session;

  private constructor(session: Session, schema: Schema) {
    this.#session = session;
    this.schema = schema;
  }

  /** Throws `unreachable`, `permission`, `timeout`, `unsupported`. */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const session = await Session.open(options, options.patience);
    try {
      const { patience } = options;
      const schema = new Schema(await session.request("get_schema", [DATABASE], { patience }));
      return new Connection(session, schema);
    } catch (thrown) {
      session.close();
      throw thrown;
    }
  }

  /** All of it is done, or it throws and nothing is; only after `isOutcomeUnknown` nobody knows. */
  async transact<const Ops extends readonly Operation<unknown>[]>(
    operations: Ops,
    patience: number,
  ): Promise<Answers<Ops>> {
    const { params, reads, judge } = prepare(this.schema, DATABASE, operations);
    return judge(await this.#session.request("transact", params, { patience, changes: !reads }));
  }

  /** `onStart`: called with the answer, before any change that comes after it. */
  async monitor(
    method: string,
    params: readonly Json[],
    patience: number,
    onStart: (answer: Json) => void,
  ): Promise<void> {
    await this.#session.request(method, [DATABASE, ...params], { patience, onResult: onStart });
  }

  async cancelMonitor(id: string, patience: number): Promise<void> {
    await this.#session.request("monitor_cancel", [id], { patience });
  }

  /** Section 4.1.8. `onHeld`: called before any notification about the lock that comes later. */
  async lock(
    method: "lock" | "steal",
    name: string,
    patience: number,
    onHeld: (isHeld: boolean) => void,
  ): Promise<void> {
    const onResult = (result: Json) => onHeld(isObject(result) && result["locked"] === true);
    await this.#session.request(method, [name], { patience, onResult });
  }

  async unlock(name: string, patience: number): Promise<void> {
    await this.#session.request("unlock", [name], { patience });
  }

  close(): void {
    this.#session.close();
  }
}
