import type { Connection } from "./connection.ts";

/** A lock of the server's (RFC 7047 section 4.1.8): one client at a time has it, others queue. */
export interface Lock extends AsyncDisposable {
  readonly name: string;
  /** False while it is waited for, after it was stolen, and while the connection is down. */
  readonly isHeld: boolean;
  /** Calls when it is had or lost. The answer takes it back. */
  subscribe(listener: (isHeld: boolean) => void): () => void;
}

/** What a client knows of a lock. */
export class LockState {
  readonly name: string;
  readonly #listeners = new Set<(isHeld: boolean) => void>();
  #isHeld = false;
  #askedOn: Connection | undefined;

  constructor(name: string) {
    this.name = name;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Once on each connection: a server takes a second request for an error. */
  async ask(connection: Connection, how: "lock" | "steal", patience: number): Promise<void> {
    if (this.#askedOn === connection) return;
    this.#askedOn = connection;
    await connection.lock(how, this.name, patience, (isHeld) => this.set(isHeld));
  }

  set(isHeld: boolean): void {
    if (this.#isHeld === isHeld) return;
    this.#isHeld = isHeld;
    for (const listener of [...this.#listeners]) listener(isHeld);
  }

  subscribe(listener: (isHeld: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

export function lockOf(state: LockState, release: () => Promise<void>): Lock {
  return {
    name: state.name,
    get isHeld() {
      return state.isHeld;
    },
    subscribe: (listener) => state.subscribe(listener),
    [Symbol.asyncDispose]: release,
  };
}
