import { asUnderlayError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { DaemonParts } from "../wiring.ts";

/** Has the addresses of containers announced whenever a parent has moved. Returns what ends it. */
export function keepAnnouncing(
  { engine, watch }: Pick<DaemonParts, "engine" | "watch">,
  log: Log,
): () => Promise<void> {
  const busy = new Set<Promise<void>>();

  async function announce(ifindex: number): Promise<void> {
    try {
      await engine.announce(ifindex);
    } catch (thrown) {
      const { message } = asUnderlayError(thrown);
      log("warn", "the neighbours of a parent that has moved could not be told", { error: message });
    }
  }

  const subscription = watch.subscribe((event) => {
    if (event.kind !== "changed" || !event.moved) return;
    const work = announce(event.ifindex);
    busy.add(work);
    void work.then(() => busy.delete(work));
  });
  return async () => {
    subscription.unsubscribe();
    await Promise.all(busy);
  };
}
