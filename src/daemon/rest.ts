import { type Clock, systemClock } from "../lib/clock.ts";

/**
 * How long nothing must have been asked, and how long it is put off at most while something always is. In
 * milliseconds: a `docker compose up` has no such pauses, and the look that follows it comes a second later.
 */
const QUIET = { least: 3000, most: 60_000 } as const;

/** Gives memory back when there is nothing to do. */
export interface Rest {
  /** Something is being done. */
  stir(): void;
  end(): void;
}

/**
 * Rests once after each time of activity. A burst of calls leaves some 30 MB of garbage and of code that only it
 * needed, and without a next one nothing would collect it. `giveBack` may take 20 ms, so it is not for between calls.
 */
export function restAfter(giveBack: () => void, clock: Clock = systemClock): Rest {
  let first: number | undefined;
  let last = 0;
  let cancel: () => void = () => undefined;

  function waitFor(milliseconds: number): void {
    cancel = clock.after(milliseconds, () => {
      const quiet = clock.now() - last;
      if (first === undefined) return;
      if (quiet < QUIET.least && clock.now() - first < QUIET.most) return waitFor(QUIET.least - quiet);
      first = undefined;
      giveBack();
    });
  }

  return {
    stir() {
      last = clock.now();
      if (first !== undefined) return;
      first = last;
      waitFor(QUIET.least);
    },
    end: () => cancel(),
  };
}
