import type { Clock } from "../lib/clock.ts";
import { asUnderlayError, UnderlayError } from "../lib/errors.ts";
import { quote } from "../lib/quote.ts";
import type { Channel, OpenChannel } from "./channel.ts";
import { isList, isObject, type Json, type JsonObject, Splitter, stringify } from "./json.ts";
import { formatTarget, type Target } from "./target.ts";

/** Sees every message, as text: one line each. */
export type Trace = (direction: "sent" | "received", message: string) => void;

export interface SessionOptions {
  readonly target: Target;
  readonly clock: Clock;
  readonly open: OpenChannel;
  /** A notification: its method and parameters. */
  readonly onNotification: (method: string, params: readonly Json[]) => void;
  /** Called once, for whatever ended it; not after `close`. */
  readonly onEnd: (error: UnderlayError) => void;
  readonly trace?: Trace | undefined;
}

export interface RequestOptions {
  /** Milliseconds for an answer; then it throws `timeout`. */
  readonly patience: number;
  /** A transaction that writes: when no answer comes nobody knows whether it was done. */
  readonly changes?: boolean;
  /** Called with the result before any message that came after it is looked at; the promise resolves later. */
  readonly onResult?: (result: Json) => void;
}

/** Silence after which the server is asked for an echo; as long again, and it is dead. As ovsdb-server has it. */
const PROBE = 5_000;

interface Pending {
  readonly method: string;
  readonly changes: boolean;
  resolve(result: Json): void;
  reject(error: UnderlayError): void;
}

/** One JSON-RPC 1.0 connection (RFC 7047 section 4): requests by id, notifications, and echo both ways. */
export class Session {
  readonly #options: SessionOptions;
  readonly #where: string;
  readonly #splitter = new Splitter();
  readonly #pending = new Map<number, Pending>();
  #channel: Channel | undefined;
  #lastId = 0;
  #lastHeard: number;
  #stopProbe: () => void = () => undefined;
  #ended: UnderlayError | undefined;

  private constructor(options: SessionOptions) {
    this.#options = options;
    this.#where = formatTarget(options.target);
    this.#lastHeard = options.clock.now();
  }

  /** Throws what `open` does, and `timeout` after so many milliseconds. */
  static async open(options: SessionOptions, patience: number): Promise<Session> {
    const session = new Session(options);
    const channel = await session.#connect(patience);
    session.#channel = channel;
    if (session.#ended) channel.close();
    else session.#probeIn(PROBE);
    return session;
  }

  async #connect(patience: number): Promise<Channel> {
    const { open, target, clock } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<Channel>();
    let isLate = false;
    const takeBack = clock.after(patience, () => {
      isLate = true;
      reject(new UnderlayError("timeout", `no connection to ovsdb at ${this.#where} within ${patience} ms`));
    });
    const opening = open(target, {
      onBytes: (bytes) => this.#hear(bytes),
      onEnd: (why) => this.#end(new UnderlayError("unreachable", `ovsdb at ${this.#where}: ${why}`)),
    });
    opening.then((channel) => (isLate ? channel.close() : resolve(channel)), reject).finally(takeBack);
    return promise;
  }

  /** Throws `unreachable` when the connection ends first, `timeout`, and what the server has against the request. */
  request(method: string, params: Json, options: RequestOptions): Promise<Json> {
    if (this.#ended) return Promise.reject(this.#ended);
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<Json>();
    const changes = options.changes ?? false;
    const takeBack = this.#options.clock.after(options.patience, () => {
      this.#pending.delete(id);
      if (method === "transact") this.notify("cancel", [id]);
      reject(this.#unanswered("timeout", changes, `no answer to ${method} within ${options.patience} ms`));
    });
    this.#pending.set(id, {
      method,
      changes,
      resolve: (result) => {
        takeBack();
        try {
          options.onResult?.(result);
          resolve(result);
        } catch (thrown) {
          // What is no answer to this request ends the connection, and the request with it.
          reject(asUnderlayError(thrown));
          throw thrown;
        }
      },
      reject: (error) => {
        takeBack();
        reject(error);
      },
    });
    this.#send({ method, params, id });
    return promise;
  }

  notify(method: string, params: Json): void {
    if (!this.#ended) this.#send({ method, params, id: null });
  }

  /** All that is under way fails. */
  close(): void {
    if (this.#ended) return;
    this.#finish(new UnderlayError("unreachable", `the connection to ovsdb at ${this.#where} was closed`));
  }

  #send(message: JsonObject): void {
    const text = stringify(message);
    this.#options.trace?.("sent", text);
    this.#channel?.write(text);
  }

  #hear(bytes: Uint8Array): void {
    this.#lastHeard = this.#options.clock.now();
    try {
      for (const message of this.#splitter.push(bytes)) {
        if (this.#ended) return;
        this.#options.trace?.("received", stringify(message));
        this.#take(message);
      }
    } catch (thrown) {
      const { code, message } = asUnderlayError(thrown);
      this.#end(new UnderlayError(code, `ovsdb at ${this.#where}: ${message}`, { cause: thrown }));
    }
  }

  #take(message: JsonObject): void {
    const { id = null, method, params } = message;
    if (typeof method === "string") {
      if (!isList(params)) throw notSpoken(message);
      // The server asks for nothing but an echo (section 4.1.11).
      if (method === "echo" && id !== null) this.#send({ id, result: params, error: null });
      else this.#options.onNotification(method, params);
      return;
    }
    if (typeof id !== "number" && id !== ECHO) throw notSpoken(message);
    const pending = typeof id === "number" ? this.#pending.get(id) : undefined;
    // One that nobody waits for was given up before.
    if (pending === undefined || typeof id !== "number") return;
    const { error = null, result } = message;
    if (error === null && result === undefined) throw notSpoken(message);
    this.#pending.delete(id);
    // An unknown method is answered without a result, and with a text for an error.
    if (error !== null) pending.reject(rpcError(pending.method, error));
    else if (result !== undefined) pending.resolve(result);
  }

  #probeIn(milliseconds: number): void {
    this.#stopProbe = this.#options.clock.after(milliseconds, () => {
      const silence = this.#options.clock.now() - this.#lastHeard;
      if (silence >= 2 * PROBE) {
        const why = `nothing was heard for ${Math.round(silence)} ms`;
        this.#end(new UnderlayError("unreachable", `ovsdb at ${this.#where}: ${why}`));
        return;
      }
      if (silence >= PROBE) this.#send({ method: "echo", params: [], id: ECHO });
      this.#probeIn(silence >= PROBE ? 2 * PROBE - silence : PROBE - silence);
    });
  }

  #end(error: UnderlayError): void {
    if (this.#ended) return;
    this.#finish(error);
    this.#options.onEnd(error);
  }

  #finish(error: UnderlayError): void {
    this.#ended = error;
    this.#stopProbe();
    this.#channel?.close();
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { changes, reject } of pending)
      reject(this.#unanswered("unreachable", changes, error.message));
  }

  #unanswered(code: "timeout" | "unreachable", changes: boolean, why: string): UnderlayError {
    const unknown = changes ? "; whether the transaction was done is not known" : "";
    return new UnderlayError(code, `${why}${unknown}`, {
      inputs: { ovsdb: this.#where, ...(changes && { outcome: "unknown" }) },
    });
  }
}

function notSpoken(message: JsonObject): UnderlayError {
  return new UnderlayError("unreachable", `it does not speak OVSDB: ${quote(stringify(message))}`);
}

/** Id of our own echo requests; `echo` is the server's. */
const ECHO = "probe";

/** Whether the transaction that failed so may have been done all the same: read the rows again before trying again. */
export function isOutcomeUnknown(thrown: unknown): boolean {
  return thrown instanceof UnderlayError && thrown.inputs["outcome"] === "unknown";
}

function rpcError(method: string, error: Json): UnderlayError {
  const [name, details] = isObject(error) ? [error["error"], error["details"]] : [error, undefined];
  const words = [name, details].filter((part) => typeof part === "string").join(": ");
  const code = /^unknown (method|database)/.test(words) ? "unsupported" : "internal";
  return new UnderlayError(code, `ovsdb refuses ${method}: ${words || quote(stringify(error))}`, {
    inputs: { error: typeof name === "string" ? name : stringify(error) },
  });
}
