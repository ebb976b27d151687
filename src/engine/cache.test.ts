import { expect, test } from "bun:test";
import fc from "fast-check";
import { memoryStore } from "../store/memory.ts";
import { Cache } from "./cache.ts";

interface Thing {
  readonly owner: string;
  readonly room: string;
  readonly words: readonly string[];
}

const keysOf = ({ room, words }: Thing) => ({ room: [room], word: words });
const cache = () => new Cache(memoryStore().table<Thing>("endpoints"), keysOf);

const letters = fc.constantFrom("a", "b", "c");
const things = fc.record({ owner: letters, room: letters, words: fc.uniqueArray(letters) });
const changes = fc.oneof(things, fc.record({ gone: letters }));

test("after any changes a record is found by its keys of now, and by no other", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(changes, { maxLength: 20 }), async (all) => {
      const subject = cache();
      for (const change of all) await ("gone" in change ? subject.delete(change.gone) : subject.put(change));
      for (const key of ["a", "b", "c"]) {
        const owners = (list: Thing[]) => list.map(({ owner }) => owner).sort();
        const having = (has: (thing: Thing) => boolean) => owners(subject.list().filter(has));
        expect(owners(subject.with("room", key))).toEqual(having(({ room }) => room === key));
        expect(owners(subject.with("word", key))).toEqual(having(({ words }) => words.includes(key)));
      }
      const left = subject.list();
      expect([...subject.keys("room")].sort()).toEqual([...new Set(left.map(({ room }) => room))].sort());
      expect([...subject.keys("word")].sort()).toEqual(
        [...new Set(left.flatMap(({ words }) => words))].sort(),
      );
    }),
  );
});

test("records that were there before are found by their keys", async () => {
  const table = memoryStore().table<Thing>("endpoints");
  await table.put("one", { owner: "one", room: "a", words: ["x", "y"] }, 0);
  const subject = new Cache(table, keysOf);
  expect(subject.with("word", "y").map(({ owner }) => owner)).toEqual(["one"]);
});

test("a kind and a key do not run into each other", async () => {
  const subject = cache();
  await subject.put({ owner: "one", room: "word x", words: ["room a"] });
  expect(subject.with("word", "x")).toEqual([]);
  expect(subject.with("room", "a")).toEqual([]);
});

test("what another process wrote is there when it was read again, one record or all", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(changes), fc.array(changes), fc.boolean(), async (own, others, isAll) => {
      const table = memoryStore().table<Thing>("endpoints");
      const [subject, other] = [new Cache(table, keysOf), new Cache(table, keysOf)];
      const change = (cache: typeof subject, one: (typeof own)[number]) =>
        "gone" in one ? cache.delete(one.gone) : cache.put(one);
      for (const one of own) await change(subject, one);
      other.reload();
      for (const one of others) await change(other, one);
      if (isAll) subject.reload();
      else for (const owner of ["a", "b", "c"]) subject.reload(owner);
      const sorted = (cache: typeof subject) =>
        cache.list().sort((one, two) => (one.owner < two.owner ? -1 : 1));
      expect(sorted(subject)).toEqual(sorted(other));
      for (const kind of ["room", "word"] as const) {
        expect([...subject.keys(kind)].sort()).toEqual([...other.keys(kind)].sort());
      }
      await subject.put({ owner: "a", room: "after", words: [] });
    }),
  );
});
