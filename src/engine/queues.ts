/** One queue a key: work for the same endpoint or parent runs one after another, the rest side by side. */
export class Queues {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Runs the work when all that was queued under any of the keys before it is over, whatever came of that. */
  run<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    const before = keys.map((key) => this.#tails.get(key));
    const result = Promise.allSettled(before).then(work);
    const tail = result.then(
      () => undefined,
      () => undefined,
    );
    for (const key of keys) this.#tails.set(key, tail);
    void tail.then(() => {
      for (const key of keys) if (this.#tails.get(key) === tail) this.#tails.delete(key);
    });
    return result;
  }
}

/** A repeated call joins the one that is under way: both get its result. */
export class Joined<T> {
  readonly #running = new Map<string, Promise<T>>();

  run(key: string, work: () => Promise<T>): Promise<T> {
    const running = this.#running.get(key);
    if (running) return running;
    const started = work().finally(() => this.#running.delete(key));
    this.#running.set(key, started);
    return started;
  }
}
