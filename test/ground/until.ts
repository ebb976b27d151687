/** The one way for a test to wait for something it cannot await. */

export interface UntilOptions {
  readonly withinMs?: number;
  readonly everyMs?: number;
  /** Why it can never happen any more; asked before every probe. */
  readonly hopeless?: () => string | undefined;
}

/**
 * Polls `probe` until it answers something other than undefined, null or false, and answers that.
 * A probe that throws is asked again; past the deadline (10 s unless told) the last error or value is told.
 */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  options: UntilOptions = {},
): Promise<Exclude<T, undefined | null | false>> {
  const { withinMs = 10_000, everyMs = 20 } = options;
  const deadline = performance.now() + withinMs;
  for (;;) {
    const reason = options.hopeless?.();
    if (reason !== undefined) throw new Error(`never: ${what}: ${reason}`);
    const answer = await ask(probe);
    if (isSettled(answer.value)) return answer.value;
    if (performance.now() > deadline) {
      const last =
        answer.error === undefined ? `last answer: ${String(answer.value)}` : "last error is the cause";
      throw new Error(`not within ${withinMs} ms: ${what} (${last})`, { cause: answer.error });
    }
    await Bun.sleep(everyMs);
  }
}

async function ask<T>(probe: () => T | Promise<T>): Promise<{ value?: T; error?: unknown }> {
  try {
    return { value: await probe() };
  } catch (error) {
    return { error };
  }
}

function isSettled<T>(value: T): value is Exclude<T, undefined | null | false> {
  return value !== undefined && value !== null && value !== false;
}
