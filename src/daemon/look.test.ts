import { expect, test } from "bun:test";
import { manualClock } from "../lib/clock.fixture.ts";
import { silentLog } from "../lib/log.ts";
import type { LinkListener, WatchedLink } from "../links/watch.ts";
import { fakeEngine } from "./admin.fixture.ts";
import { keepLooking } from "./look.ts";

/** Everything runs that waits for nothing but its turn. */
const turns = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A daemon whose looks at the kernel end when they are told to. */
function slowDaemon() {
  const looks: string[] = [];
  const touched: (readonly WatchedLink[] | undefined)[] = [];
  let free = Promise.withResolvers<void>();
  const slowly = async (what: string) => {
    looks.push(what);
    await free.promise;
  };
  const listeners = new Set<LinkListener>();
  const engine = {
    ...fakeEngine(),
    concerns: () => true,
    announce: async () => undefined,
    refresh: (links?: readonly WatchedLink[]) => {
      touched.push(links);
      return slowly("refresh");
    },
    reconcile: async () => {
      await slowly("reconcile");
      return { dryRun: false, actions: [] };
    },
  };
  const watch = {
    subscribe(listener: LinkListener) {
      listeners.add(listener);
      return { unsubscribe: () => void listeners.delete(listener) };
    },
  };
  const clock = manualClock();
  let stirs = 0;
  const rest = { stir: () => void stirs++, end: () => undefined };
  return {
    clock,
    looks,
    touched,
    overrun: () => {
      for (const listen of listeners) listen({ kind: "overrun" });
    },
    stirred: () => stirs,
    end: keepLooking({ engine, watch, rest }, 60_000, silentLog, clock),
    change: (news = true, name = "eth0", ifindex = 2) => {
      for (const listen of listeners)
        listen({ kind: "changed", name, ifindex, up: true, moved: false, news });
    },
    async free() {
      free.resolve();
      free = Promise.withResolvers();
      await turns();
    },
  };
}

test("link events in a flock cause one look, and those after it another", async () => {
  const { clock, looks, stirred, change, free, end } = slowDaemon();
  for (let event = 0; event < 10; event++) change();
  clock.pass(200);
  await turns();
  expect(looks).toEqual(["refresh"]);
  expect(stirred()).toBe(0);
  await free();
  expect(stirred()).toBe(1);
  change();
  clock.pass(1000);
  await turns();
  expect(looks).toEqual(["refresh", "refresh"]);
  await free();
  await end();
});

test("a parent of which nothing is new can wait, but not when something is", async () => {
  const { clock, looks, change, free, end } = slowDaemon();
  for (let tenth = 0; tenth < 9; tenth++) {
    change(false);
    clock.pass(100);
  }
  await turns();
  expect(looks).toEqual([]);
  clock.pass(100);
  await turns();
  expect(looks).toEqual(["refresh"]);
  await free();
  change(false);
  clock.pass(500);
  change();
  clock.pass(200);
  await turns();
  expect(looks).toEqual(["refresh", "refresh"]);
  await free();
  clock.pass(10_000);
  await turns();
  expect(looks).toEqual(["refresh", "refresh"]);
  await end();
});

test("a look is told which links changed since the last one began, and that all may have when events were lost", async () => {
  const { clock, touched, change, overrun, free, end } = slowDaemon();
  for (let time = 0; time < 3; time++) change();
  change(true, "eth1", 3);
  clock.pass(200);
  await turns();
  change(true, "eth2", 4);
  await free();
  clock.pass(1000);
  await turns();
  await free();
  change(true, "eth3", 5);
  overrun();
  change(true, "eth4", 6);
  clock.pass(1000);
  await turns();
  await free();
  change();
  clock.pass(1000);
  await turns();
  await free();
  expect(touched.map((links) => links?.map(({ name }) => name))).toEqual([
    ["eth0", "eth1"],
    ["eth2"],
    undefined,
    ["eth0"],
  ]);
  await end();
});

test("looks that take longer than the time to the next do not pile up", async () => {
  const { clock, looks, change, free, end } = slowDaemon();
  for (let minute = 0; minute < 10; minute++) {
    change();
    clock.pass(60_000);
    await turns();
  }
  expect(looks).toEqual(["refresh"]);
  for (let look = 0; look < 10; look++) await free();
  expect(looks).toEqual(["refresh", "reconcile", "refresh", "refresh"]);
  await end();
});

test("the end waits for the look under way, and begins none that is due", async () => {
  const { clock, looks, change, free, end } = slowDaemon();
  clock.pass(60_000);
  await turns();
  change();
  clock.pass(60_000);
  const ended = end();
  await free();
  await free();
  await ended;
  clock.pass(600_000);
  expect(looks).toEqual(["reconcile", "refresh"]);
});
