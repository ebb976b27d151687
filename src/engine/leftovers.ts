import { asUnderlayError } from "../lib/errors.ts";
import type { LinkDriver } from "../links/driver.ts";
import type { Context } from "./context.ts";
import { type Plan, suspect, suspicion } from "./reconcile-plan.ts";
import { NEVER } from "./sightings.ts";

/**
 * What links of ours had beside themselves, like ports in a switch, and no record speaks of: the link went with its
 * container, and its endpoint while the switch could not be told. One that is just being removed is among them, so they
 * have to be seen twice.
 */
export async function leftovers(context: Context): Promise<Plan[]> {
  const plans = await Promise.all(
    Object.values(context.drivers).map(async (driver) =>
      (await leftBy(context, driver))
        .filter((owner) => context.endpoints.get(owner) === undefined)
        .map((owner) => planFor(context, driver, owner)),
    ),
  );
  return plans.flat();
}

function planFor(context: Context, driver: LinkDriver, owner: string): Plan {
  // Not the endpoint itself, which may be made this moment and has a minute of its own.
  const subject = `port of ${owner}`;
  const { stale, seconds } = suspect(context, subject, NEVER, 1);
  const why = `its link is gone, and no record speaks of it (${seconds} s)`;
  if (!stale) return suspicion(subject, why);
  return {
    action: { what: "drop-port", subject, why },
    carryOut: async () => {
      if (context.endpoints.get(owner)) return false;
      await driver.detach(owner);
      return true;
    },
  };
}

/** A switch that does not answer keeps what it has until it does; that it does not is told elsewhere. */
async function leftBy({ log }: Context, driver: LinkDriver): Promise<readonly string[]> {
  try {
    return await driver.leftovers();
  } catch (thrown) {
    log("debug", "what links have beside themselves is not known", {
      kind: driver.kind,
      error: asUnderlayError(thrown).message,
    });
    return [];
  }
}
