import type { Clock } from "../lib/clock.ts";
import { asUnderlayError, UnderlayError } from "../lib/errors.ts";

/**
 * The result of the work when it comes in time. Otherwise throws `timeout`, and the work goes on: when it ends,
 * `late` is told, with the error if it failed.
 */
export async function within<T>(
  clock: Clock,
  milliseconds: number,
  what: string,
  work: Promise<T>,
  late: (error?: UnderlayError) => void,
): Promise<T> {
  const over = Promise.withResolvers<never>();
  const cancel = clock.after(milliseconds, () => {
    over.reject(new UnderlayError("timeout", `${what} takes too long`));
    work.then(
      () => late(),
      (thrown) => late(asUnderlayError(thrown)),
    );
  });
  try {
    return await Promise.race([work, over.promise]);
  } finally {
    cancel();
  }
}
