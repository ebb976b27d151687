import { asUnderlayError, joinErrors, type UnderlayError } from "./errors.ts";

export type Step = () => Promise<void> | void;

/**
 * Runs every step in order, whatever the earlier ones did: teardown goes on past errors and forgets none.
 * Throws one error that carries all of them, or nothing.
 */
export async function settleAll(steps: readonly Step[]): Promise<void> {
  const failures: UnderlayError[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (thrown) {
      failures.push(asUnderlayError(thrown));
    }
  }
  const [first, ...rest] = failures;
  if (first === undefined) return;
  throw joinErrors([first, ...rest]);
}
