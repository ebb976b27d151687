import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatIp, type Ip } from "../../lib/ip.ts";
import { DamagedIndex } from "./damaged.ts";
import { hashOf } from "./hash.ts";
import { added, remade } from "./sync.ts";
import { FEWEST_SLOTS, type Slot, Table } from "./table.ts";

const v4 = (a: number, b: number): Ip => ({ family: 4, bytes: Uint8Array.of(10, 0, a, b) });
const v6 = (a: number, b: number): Ip => ({
  family: 6,
  bytes: Uint8Array.of(0x20, 1, 0xd, 0xb8, ...Array<number>(10).fill(0), a, b),
});
const slotOf = (ip: Ip, owner: string): Slot => ({ ip, owner: hashOf(owner), ino: 2 ** 40 + 7, changed: 5n });

describe("a table", () => {
  test("keeps all that a slot says", () => {
    const table = Table.empty();
    const ours: Slot = {
      ...slotOf(v4(1, 2), "a"),
      mark: { boot: hashOf("boot"), netns: 4026531840 },
    };
    const theirs = slotOf(v6(1, 2), "a");
    table.add(ours);
    table.add(theirs);
    expect(table.byIp(v4(1, 2))).toEqual(ours);
    expect(table.byIp(v6(1, 2))).toEqual(theirs);
    expect(table.byOwner(hashOf("a"))).toEqual([ours, theirs]);
    expect(table.inoOf(v6(1, 2))).toBe(2 ** 40 + 7);
    expect(table.byIp(v4(2, 1))).toBeUndefined();
  });

  /** Few owners and few addresses, so that chains form and gaps are closed. */
  const step = fc.record({
    isAdd: fc.boolean(),
    isV6: fc.boolean(),
    third: fc.nat(2),
    last: fc.nat(255),
    owner: fc.nat(5).map((n) => `container-${n}\r\neth0`),
  });

  test("is what a plain map is, whatever is put in and taken out, and when it grows", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 1500, minLength: 300, size: "max" }), (steps) => {
        const model = new Map<string, Slot>();
        let table = Table.empty();
        for (const { isAdd, isV6, third, last, owner } of steps) {
          const ip = isV6 ? v6(third, last) : v4(third, last);
          const isThere = model.has(formatIp(ip));
          if (isAdd && !isThere) {
            model.set(formatIp(ip), slotOf(ip, owner));
            table = added(table, slotOf(ip, owner));
          } else if (!isAdd) {
            model.delete(formatIp(ip));
            table.remove(ip);
          }
        }
        expect(table.count).toBe(model.size);
        const byName = (slots: Iterable<Slot>) =>
          [...slots].map((slot) => [formatIp(slot.ip), slot] as const).sort(([a], [b]) => (a < b ? -1 : 1));
        expect(byName(table.all())).toEqual(byName(model.values()));
        expect(byName(remade(table).all())).toEqual(byName(model.values()));
        for (const [, slot] of model) expect(table.byIp(slot.ip)).toEqual(slot);
        for (let n = 0; n < 6; n++) {
          const owner = hashOf(`container-${n}\r\neth0`);
          const expected = [...model.values()].filter((slot) => slot.owner === owner);
          expect(byName(table.byOwner(owner))).toEqual(byName(expected));
        }
      }),
      { numRuns: 30 },
    );
  });

  test("says when it is full, and has twice the room then", () => {
    const table = Table.empty();
    for (let i = 0; i < FEWEST_SLOTS; i++) table.add(slotOf(v4(0, i), `c${i}`));
    expect(table.isFull).toBe(true);
    const grown = table.grown();
    expect(grown.isFull).toBe(false);
    expect(grown.byIp(v4(0, 17))).toEqual(slotOf(v4(0, 17), "c17"));
    table.remove(v4(0, 17));
    expect(table.isFull).toBe(false);
  });

  test("that contradicts itself is found out instead of searched for ever", () => {
    const table = Table.empty();
    for (const page of [1, 2])
      for (let at = 4; at < 4096; at += 8) table.pages.toChange(page).setUint32(at, 99_999, true);
    expect(table.byIp(v4(0, 1))).toBeUndefined();
    expect(() => table.add(slotOf(v4(0, 1), "a"))).toThrow(DamagedIndex);
  });
});

test("a hash is the same on every machine, for it is on disk", () => {
  expect(
    [hashOf(""), hashOf("dummy\r\neth0"), hashOf("ä")].map((hash) => hash.toString(16)),
  ).toMatchInlineSnapshot(`
    [
      "19d95374141c20",
      "4c425141f3f7e",
      "1a79e3f475432c",
    ]
  `);
  expect(Number.isSafeInteger(hashOf("x".repeat(64)))).toBe(true);
});
