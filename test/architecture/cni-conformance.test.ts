import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PLUGIN_NAMES } from "../../src/cni/plugins.ts";
import { ABSENT, CNI_CONFORMANCE, NUMBERED } from "../live/cni-conformance.ts";

const root = join(import.meta.dir, "../..");
const read = (file: string) => readFileSync(join(root, file), "utf8");

const TITLE = /\(\s*("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)\s*,/g;

/** Texts that come first in a call, as titles of tests do, without their quotes. */
function titlesIn(text: string): Set<string> {
  return new Set([...text.matchAll(TITLE)].map(([, quoted = ""]) => quoted.slice(1, -1)));
}

/** `2, 3` is two lines. */
const linesOf = (section: string) =>
  Object.keys(CNI_CONFORMANCE[section] ?? {})
    .flatMap((line) => line.split(", ").map(Number))
    .sort((a, b) => a - b);

test("each line of the reference's suite has a test of ours where the list says", () => {
  const rows = Object.entries(CNI_CONFORMANCE).flatMap(([section, lines]) =>
    Object.entries(lines).flatMap(([line, tests]) =>
      tests.map(([file, title]) => ({ section, line, file, title })),
    ),
  );
  const titles = new Map(
    [...new Set(rows.map(({ file }) => file))].map((file) => [file, titlesIn(read(file))]),
  );
  // Titles of loops over a table are in the table.
  const isThere = ({ file, title }: (typeof rows)[number]) =>
    titles.get(file)?.has(title) || read(file).includes(`["${title}", `);
  expect(rows.filter((row) => !isThere(row))).toEqual([]);
});

test("no line is without a test, and no numbered one is missing", () => {
  for (const [section, lines] of Object.entries(CNI_CONFORMANCE)) {
    for (const [line, tests] of Object.entries(lines))
      expect([section, line, tests.length > 0]).toEqual([section, line, true]);
  }
  for (const [section, count] of Object.entries(NUMBERED)) {
    expect([section, ...linesOf(section)]).toEqual([
      section,
      ...Array.from({ length: count }, (_, i) => i + 1),
    ]);
  }
});

test("each plugin that the reference tests is in the list, or says why not", () => {
  const sections = Object.keys(CNI_CONFORMANCE).map((section) => section.split(":")[0] ?? "");
  // Of these the notes count no lines; their tests are named beside those of others.
  const uncounted = ["dummy", "loopback", "flannel"];
  const all = [...PLUGIN_NAMES, "dhcp"].filter((name) => !uncounted.includes(name));
  expect(all.filter((name) => !sections.includes(name) && !(name in ABSENT))).toEqual([]);
  expect(sections.filter((section) => section in ABSENT)).toEqual([]);
});
