import { describe, expect, test } from "bun:test";
import { UnderlayError } from "../lib/errors.ts";
import type { Store } from "./store.ts";

interface Body {
  readonly name: string;
  readonly subnets?: readonly string[];
}

/** What every `Store` does; each implementation's test file runs it with its own `open`. */
export function storeContract(name: string, open: () => Store): void {
  const fresh = () => open().table<Body>("networks");

  describe(`${name} keeps the store contract`, () => {
    test("an empty table has nothing", () => {
      expect(fresh().list()).toEqual([]);
      expect(fresh().get("a")).toBeUndefined();
    });

    test("what was put is got, with version 1, then one more with every change", async () => {
      const table = fresh();
      expect(await table.put("a", { name: "lan" }, 0)).toEqual({
        id: "a",
        version: 1,
        body: { name: "lan" },
      });
      expect(await table.put("a", { name: "lan2" }, 1)).toEqual({
        id: "a",
        version: 2,
        body: { name: "lan2" },
      });
      expect(table.get("a")).toEqual({ id: "a", version: 2, body: { name: "lan2" } });
    });

    test("list is in the order of ids", async () => {
      const table = fresh();
      for (const id of ["b", "c", "a"]) await table.put(id, { name: id }, 0);
      expect(table.list().map((row) => row.id)).toEqual(["a", "b", "c"]);
    });

    test.each([
      ["making what exists", 0],
      ["changing an older version", 1],
      ["changing a version that never was", 3],
    ])("%s is a conflict and changes nothing", async (_, expected) => {
      const table = fresh();
      await table.put("a", { name: "1" }, 0);
      await table.put("a", { name: "2" }, 1);
      await expectCode("conflict", table.put("a", { name: "x" }, expected));
      expect(table.get("a")).toEqual({ id: "a", version: 2, body: { name: "2" } });
    });

    test("changing what does not exist is a conflict", async () => {
      const table = fresh();
      await expectCode("conflict", table.put("a", { name: "x" }, 1));
      expect(table.list()).toEqual([]);
    });

    test("of two changes at once exactly one wins", async () => {
      const table = fresh();
      const results = await Promise.allSettled([
        table.put("a", { name: "1" }, 0),
        table.put("a", { name: "2" }, 0),
      ]);
      expect(results.map((result) => result.status).sort()).toEqual(["fulfilled", "rejected"]);
    });

    test("a deleted row is gone, can be deleted again, and made again with version 1", async () => {
      const table = fresh();
      await table.put("a", { name: "1" }, 0);
      await table.put("a", { name: "2" }, 1);
      await table.delete("a");
      await table.delete("a");
      expect(table.get("a")).toBeUndefined();
      expect((await table.put("a", { name: "3" }, 0)).version).toBe(1);
    });

    test("tables are apart", async () => {
      const store = open();
      await store.table<Body>("networks").put("a", { name: "1" }, 0);
      expect(store.table<Body>("endpoints").list()).toEqual([]);
    });

    test("two handles on one table see the same rows", async () => {
      const store = open();
      await store.table<Body>("networks").put("a", { name: "1" }, 0);
      expect(store.table<Body>("networks").get("a")?.body).toEqual({ name: "1" });
    });

    test("bodies are copies: changing the object that was put changes no record", async () => {
      const table = fresh();
      const subnets = ["10.0.0.0/24"];
      const row = await table.put("a", { name: "1", subnets }, 0);
      subnets.push("10.0.1.0/24");
      expect(row.body.subnets).toEqual(["10.0.0.0/24"]);
      expect(table.get("a")?.body.subnets).toEqual(["10.0.0.0/24"]);
    });

    test("the seed is 16 bytes as hex", () => {
      expect(open().seed).toMatch(/^[0-9a-f]{32}$/);
    });
  });
}

export async function expectCode(code: string, promise: Promise<unknown>): Promise<UnderlayError> {
  const thrown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(thrown instanceof UnderlayError)) throw new Error(`expected an UnderlayError, got ${String(thrown)}`);
  expect(thrown.code as string).toBe(code);
  return thrown;
}
