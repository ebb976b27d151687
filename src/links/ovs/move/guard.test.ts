import { describe, expect, test } from "bun:test";
import { lineReader, type Orders, postedGuard, standGuard } from "./guard.ts";

/** A connection between a daemon and its guard, in memory. */
function connection() {
  const [atDaemon, atGuard] = [lineReader(), lineReader()];
  const end = (...sides: readonly ReturnType<typeof lineReader>[]) => {
    for (const side of sides) side.over();
  };
  const toward = (side: ReturnType<typeof lineReader>) => ({
    write: (text: string) => side.heard(new TextEncoder().encode(text)),
    end: () => end(atDaemon, atGuard),
  });
  return {
    daemon: { socket: toward(atGuard), lines: atDaemon },
    guard: { socket: toward(atDaemon), lines: atGuard },
    breakOff: () => end(atDaemon, atGuard),
  };
}

const ORDERS: Orders = {
  record: {
    ...{ state: "moving", uplink: "eth0", ifindex: 2, bootId: "b", bridge: "br0", bridgeIfindex: 7 },
    before: {},
    belongings: { addresses: [], routes: [] },
  },
  bootId: "b",
  within: 60_000,
};

/** The guard's whole life; how often it brought things back. */
function post(within = ORDERS.within) {
  const both = connection();
  const counted = { back: 0 };
  const life = (async () => {
    const orders: Orders = JSON.parse((await both.guard.lines.next()) ?? "{}");
    expect(orders.record.uplink).toBe("eth0");
    return standGuard(both.guard.socket, both.guard.lines, within, async () => {
      counted.back++;
    });
  })();
  return { ...both, counted, life };
}

describe("the guard of a move", () => {
  test("ends when it is told that all is well", async () => {
    const { daemon, counted, life } = post();
    const guard = await postedGuard(daemon.socket, daemon.lines, ORDERS);
    await guard.standDown();
    expect(await life).toBe(false);
    expect(counted.back).toBe(0);
  });

  test("brings things back when the daemon is gone", async () => {
    const { daemon, counted, life, breakOff } = post();
    await postedGuard(daemon.socket, daemon.lines, ORDERS);
    breakOff();
    expect(await life).toBe(true);
    expect(counted.back).toBe(1);
  });

  test("brings things back when the daemon leaves it to it", async () => {
    const { daemon, counted, life } = post();
    (await postedGuard(daemon.socket, daemon.lines, ORDERS)).leave();
    expect(await life).toBe(true);
    expect(counted.back).toBe(1);
  });

  test("brings things back when its time is over, and the daemon hears that it came too late", async () => {
    const { daemon, counted, life } = post(1);
    const guard = await postedGuard(daemon.socket, daemon.lines, ORDERS);
    expect(await life).toBe(true);
    await expect(guard.standDown()).rejects.toMatchObject({ code: "timeout" });
    expect(counted.back).toBe(1);
  });

  test("that does not begin lets nothing begin", async () => {
    const { daemon, breakOff } = connection();
    const posted = postedGuard(daemon.socket, daemon.lines, ORDERS);
    breakOff();
    await expect(posted).rejects.toMatchObject({
      code: "timeout",
      message: expect.stringContaining("it ended"),
    });
  });
});

test("lines come whole, however their bytes came", async () => {
  const lines = lineReader();
  for (const part of ["on", "e\ntw", "o\nthree"]) lines.heard(new TextEncoder().encode(part));
  expect([await lines.next(), await lines.next()]).toEqual(["one", "two"]);
  const third = lines.next();
  lines.over();
  expect(await third).toBeUndefined();
});
