import type { Clock } from "./clock.ts";

export interface ManualClock extends Clock {
  /** Lets so many milliseconds go by, and calls what falls due in them, each at its time. */
  pass(milliseconds: number): void;
  /** How many calls are still to come. */
  pending(): number;
}

/** A clock that stands still until it is told. */
export function manualClock(): ManualClock {
  let now = 0;
  const timers = new Set<{ readonly at: number; readonly call: () => void }>();
  return {
    now: () => now,
    after(milliseconds, call) {
      const timer = { at: now + milliseconds, call };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    pass(milliseconds) {
      const end = now + milliseconds;
      for (;;) {
        const [next] = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
        if (!next) break;
        timers.delete(next);
        now = Math.max(now, next.at);
        next.call();
      }
      now = end;
    },
    pending: () => timers.size,
  };
}
