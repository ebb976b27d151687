import { expect, test } from "bun:test";
import type { NetlinkThread } from "./thread.ts";
import { threadPool } from "./thread-pool.ts";

function world(most: number) {
  const started: (NetlinkThread & { closed: boolean })[] = [];
  const start = () => {
    const thread = {
      closed: false,
      transport: () => ({ exchange: async () => [], close: () => undefined }),
      collect: () => undefined,
      close() {
        thread.closed = true;
      },
    };
    started.push(thread);
    return thread;
  };
  const pool = threadPool(start, most);
  /** Work that ends when it is told to. */
  const begin = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    let thread = -1;
    const done = pool.run(async (given) => {
      thread = started.findIndex(({ close }) => close === given.close);
      await promise;
    });
    const end = () => {
      resolve();
      return done;
    };
    return { thread: () => thread, end };
  };
  return { pool, started, begin };
}

test("work goes to a thread without any, then to a new one, then to the one with the least", async () => {
  const { started, begin } = world(2);
  expect(started).toHaveLength(0);
  const first = begin();
  await first.end();
  const [a, b, c] = [begin(), begin(), begin()];
  expect([a, b, c].map(({ thread }) => thread())).toEqual([0, 1, 0]);
  expect(started).toHaveLength(2);
  await b.end();
  const d = begin();
  expect(d.thread()).toBe(1);
  await Promise.all([a, c, d].map(({ end }) => end()));
});

test("work that fails leaves its thread free", async () => {
  const { pool, started } = world(8);
  await expect(pool.run(() => Promise.reject(new Error("EBUSY")))).rejects.toThrow("EBUSY");
  await pool.run(async () => undefined);
  expect(started).toHaveLength(1);
});

test("only those with nothing to do are ended, and new ones come when they are needed", async () => {
  const { pool, started, begin } = world(8);
  const [a, b] = [begin(), begin()];
  await a.end();
  pool.shrink();
  expect(started.map(({ closed }) => closed)).toEqual([true, false]);
  const c = begin();
  expect(started).toHaveLength(3);
  pool.close();
  expect(started.map(({ closed }) => closed)).toEqual([true, true, true]);
  await Promise.all([b, c].map(({ end }) => end()));
});
