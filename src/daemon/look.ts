import { type Clock, systemClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { WatchedLink } from "../links/watch.ts";
import type { DaemonParts } from "../wiring.ts";
import type { HostWatch } from "./host.ts";
import type { Rest } from "./rest.ts";

/**
 * Link events come in flocks, and a look enters every netns: one serves all that fall into the first time, and the
 * next waits for the second. In milliseconds; a missing parent is to be told within a second.
 */
const FLOCK = { first: 100, next: 500 };

/**
 * A parent of which nothing is new has got or lost a link: mostly one of ours, with each container. That can begin or
 * end a finding, but is no reason to walk through all namespaces twice a second. In milliseconds.
 */
const NO_NEWS = 1000;

/**
 * Looks at parents when links change, and reconciles from time to time; at the host at once, and then as often as it
 * reconciles. Each look stirs `rest`. Returns what ends it.
 */
export function keepLooking(
  {
    engine,
    watch,
    host,
    rest,
  }: Pick<DaemonParts, "engine" | "watch"> & { readonly host?: HostWatch; readonly rest?: Rest },
  interval: number,
  log: Log,
  clock: Clock = systemClock,
): () => Promise<void> {
  let busy: Promise<void> = Promise.resolve();
  let ended = false;
  /** Wanted and not begun. On a host of many namespaces a look can take longer than the time to the next. */
  const due = new Set<() => Promise<void>>();

  function look(work: () => Promise<void>): void {
    if (due.has(work)) return;
    due.add(work);
    busy = busy.then(async () => {
      due.delete(work);
      if (ended) return;
      await work().catch((error: Error) => {
        log("error", "a look at the kernel failed", { error: error.message });
      });
      rest?.stir();
    });
  }

  /** What changed since the last look; undefined: nobody knows. */
  let heard: Map<string, WatchedLink> | undefined = new Map();
  const refresh = () => {
    const links = heard && [...heard.values()];
    heard = new Map();
    return engine.refresh(links);
  };
  /** The names that a link has had: each may be a parent's. */
  const hear = ({ name, ifindex, parentIfindex }: WatchedLink) =>
    heard?.set(`${ifindex} ${parentIfindex} ${name}`, {
      name,
      ifindex,
      ...(parentIfindex !== undefined && { parentIfindex }),
    });
  const pass = async () => {
    await engine.reconcile({ dryRun: false });
    await engine.refresh();
  };
  const lookAtHost = host && (() => host.look());
  /** A bridge of a switch came, say, and what is wrong with it is the host's. */
  const refreshAll = async () => {
    await refresh();
    if (lookAtHost && host.isStale()) look(lookAtHost);
  };

  if (lookAtHost) look(lookAtHost);

  let lastLook = Number.NEGATIVE_INFINITY;
  let soon: { readonly at: number; cancel(): void } | undefined;
  const lookWithin = (wait: number) => {
    const at = clock.now() + wait;
    if (soon && soon.at <= at) return;
    soon?.cancel();
    const cancel = clock.after(wait, () => {
      soon = undefined;
      lastLook = clock.now();
      look(refreshAll);
    });
    soon = { at, cancel };
  };
  const subscription = watch.subscribe((event) => {
    if (event.kind === "overrun") heard = undefined;
    else if (engine.concerns(event)) hear(event);
    else return;
    if (event.kind === "changed" && !event.news) lookWithin(NO_NEWS);
    else lookWithin(Math.max(FLOCK.first, lastLook + FLOCK.next - clock.now()));
  });
  const nextPass = () =>
    clock.after(interval, () => {
      // First: a pass can wait long for a program that does not run, and that is what is to be told.
      if (lookAtHost) look(lookAtHost);
      look(pass);
      cancelPass = nextPass();
    });
  let cancelPass = nextPass();

  return async () => {
    ended = true;
    subscription.unsubscribe();
    cancelPass();
    soon?.cancel();
    await busy;
  };
}
