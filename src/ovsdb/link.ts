import type { Clock } from "../lib/clock.ts";
import { asUnderlayError, UnderlayError } from "../lib/errors.ts";
import type { Connection } from "./connection.ts";

/** Milliseconds between two tries: doubled after each, as ovs-vswitchd does. */
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 8_000;
/** As long as somebody waits for the connection, whose own patience may be shorter than those. */
const WAITED_PAUSE = 250;

export interface LinkOptions {
  readonly clock: Clock;
  /** From 0 to 1: clients that lost the same server do not all come back at once. */
  readonly random: () => number;
  /** `false`: what is lost stays lost. */
  readonly reconnects: boolean;
  /** A connection on which everything that has to be there is there again. */
  readonly connect: (onEnd: (error: UnderlayError) => void) => Promise<Connection>;
  readonly onUp: () => void;
  readonly onDown: (error: UnderlayError) => void;
}

interface Waiter {
  resolve(connection: Connection): void;
  reject(error: UnderlayError): void;
}

/** Keeps one connection, and makes another when it is lost. */
export class Link {
  readonly #options: LinkOptions;
  readonly #waiters = new Set<Waiter>();
  #connection: Connection | undefined;
  /** Why there is none. */
  #failure: UnderlayError | undefined;
  #pause = FIRST_PAUSE;
  #stopTimer: () => void = () => undefined;
  /** Until the next try; absent while one is made. */
  #resting: "long" | "short" | undefined;
  #isOver = false;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  get current(): Connection | undefined {
    return this.#connection;
  }

  /** The first try. Resolves when it has succeeded or failed. */
  async start(): Promise<void> {
    const life: { ended?: UnderlayError } = {};
    try {
      const connection = await this.#options.connect((error) => {
        life.ended = error;
        if (this.#connection !== undefined) this.#lose(error);
      });
      if (life.ended) throw life.ended;
      if (this.#isOver) connection.close();
      else this.#gain(connection);
    } catch (thrown) {
      this.#lose(asUnderlayError(thrown));
    }
  }

  /** The connection, now or as soon as there is one. Past the deadline, throws why there is none. */
  usable(deadline: number): Promise<Connection> {
    if (this.#connection) return Promise.resolve(this.#connection);
    const left = deadline - this.#options.clock.now();
    if (this.#failure && (this.#isOver || left <= 0)) return Promise.reject(this.#failure);
    const { promise, resolve, reject } = Promise.withResolvers<Connection>();
    const stopTimer = this.#options.clock.after(Math.max(0, left), () => {
      this.#waiters.delete(waiter);
      reject(this.#failure ?? new UnderlayError("unreachable", "ovsdb: the connection is not made yet"));
    });
    const waiter: Waiter = {
      resolve: (connection) => {
        stopTimer();
        resolve(connection);
      },
      reject: (error) => {
        stopTimer();
        reject(error);
      },
    };
    this.#waiters.add(waiter);
    if (this.#resting === "long") this.#rest("short");
    return promise;
  }

  close(): void {
    this.#giveUp(new UnderlayError("unreachable", "ovsdb: the connection was closed"));
    this.#connection?.close();
    this.#connection = undefined;
  }

  #gain(connection: Connection): void {
    this.#connection = connection;
    this.#failure = undefined;
    this.#pause = FIRST_PAUSE;
    this.#options.onUp();
    for (const waiter of this.#takeWaiters()) waiter.resolve(connection);
  }

  #lose(error: UnderlayError): void {
    this.#connection = undefined;
    if (this.#isOver) return;
    this.#failure = error;
    if (!this.#options.reconnects) this.#giveUp(error);
    else this.#rest(this.#waiters.size > 0 ? "short" : "long");
    this.#options.onDown(error);
  }

  #rest(how: "long" | "short"): void {
    this.#stopTimer();
    this.#resting = how;
    this.#stopTimer = this.#options.clock.after(how === "short" ? WAITED_PAUSE : this.#nextPause(), () => {
      this.#resting = undefined;
      void this.start();
    });
  }

  #nextPause(): number {
    const pause = this.#pause * (0.75 + this.#options.random() / 2);
    this.#pause = Math.min(LONGEST_PAUSE, this.#pause * 2);
    return pause;
  }

  #giveUp(error: UnderlayError): void {
    this.#isOver = true;
    this.#stopTimer();
    this.#failure = error;
    for (const waiter of this.#takeWaiters()) waiter.reject(error);
  }

  #takeWaiters(): readonly Waiter[] {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    return waiters;
  }
}
