import type { Context } from "./context.ts";
import type { ReconcileAction } from "./engine.ts";

/** What a pass of reconcile finds to do, one thing at a time. */

export interface Plan {
  readonly action: ReconcileAction;
  /**
   * Judges again whether it is to be done, for calls of others go on while a pass works through its plans, and tells
   * whether it was.
   */
  carryOut(): Promise<boolean>;
}

/** Told, and nothing done about it yet. */
export function suspicion(subject: string, why: string): Plan {
  return { action: { what: "suspect", subject, why }, carryOut: async () => true };
}

/** Counts from the first pass that found it so, or from the last call about it, whichever is later. */
export function suspect(context: Context, subject: string, lastCall: number, patience: number) {
  const now = context.steady();
  const since = Math.max(context.sightings.unattachedSince(subject) ?? now, lastCall);
  context.sightings.suspect(subject, since);
  return { stale: now - since >= context.staleAfter * patience, seconds: Math.round((now - since) / 1000) };
}
