import { expect, test } from "bun:test";
import { join } from "node:path";
import { CONFORMANCE } from "../clients/conformance.ts";

const root = join(import.meta.dir, "../..");

const TITLE = /\b(?:test|scenario)(?:\.each\((?:[^()]|\([^()]*\))*\))?\(\s*(["'`])(.*?[^\\])\1/gs;
const NAMES = /^([A-Z]\w+(?:, [A-Z]\w+)*): /;

/** The names of Moby's tests with which titles of a file begin. */
function namesIn(text: string): Set<string> {
  const titles = [...text.matchAll(TITLE)].map(([, , title = ""]) => title);
  return new Set(titles.flatMap((title) => NAMES.exec(title)?.[1]?.split(", ") ?? []));
}

const rows = Object.values(CONFORMANCE).flatMap((suite) =>
  Object.entries(suite).flatMap(([name, files]) => files.map((file) => ({ name, file }))),
);
const files = [...new Set(rows.map(({ file }) => file))];
const held = new Map(
  await Promise.all(
    files.map(async (file) => [file, namesIn(await Bun.file(join(root, file)).text())] as const),
  ),
);

test("each test of Moby's has one of ours where the list says", () => {
  expect(rows.filter(({ name, file }) => !held.get(file)?.has(name))).toEqual([]);
});

test("each of ours that bears such a name is in the list", () => {
  const listed = (name: string, file: string) => rows.some((row) => row.name === name && row.file === file);
  const others = [...held].flatMap(([file, names]) =>
    [...names].filter((name) => !listed(name, file)).map((name) => `${name} in ${file}`),
  );
  expect(others).toEqual([]);
});

test("titles are read however they are written", () => {
  const text = `
    test("One: a", () => {});
    scenario(
      "Two, Three: b",
      async () => {});
    test.each([{ a: f(1) }, ["x"]])("Four: \\"c\\" %s", () => {});
    test("five: no name", () => {}); test("Six has no colon after it", () => {});
    docker("Seven: no test");`;
  expect([...namesIn(text)]).toEqual(["One", "Two", "Three", "Four"]);
});
