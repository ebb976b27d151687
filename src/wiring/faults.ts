import { ALL_STEPS, type StepReached } from "../engine/steps.ts";
import { UnderlayError } from "../lib/errors.ts";
import { didYouMean } from "../lib/nearest.ts";

/** `UNDERLAY_FAULT=STEP:kill` ends this process at a step as kill -9 would. Unset, steps are no-ops. */
export function faultPoints(env: Readonly<Record<string, string | undefined>>): StepReached {
  const wanted = env["UNDERLAY_FAULT"];
  if (!wanted) return () => undefined;
  const name = ALL_STEPS.find((known) => wanted === `${known}:kill`);
  if (name === undefined) {
    const choices = ALL_STEPS.map((known) => `${known}:kill`);
    throw new UnderlayError(
      "invalid_option",
      `UNDERLAY_FAULT: no step ${wanted}${didYouMean(wanted, choices)}`,
    );
  }
  return (reached) => {
    if (reached === name) process.kill(process.pid, "SIGKILL");
  };
}
