import { expect, test } from "bun:test";
import fc from "fast-check";
import { readToml } from "./toml.ts";

test("tables, dotted keys, inline tables and comments become flat keys with their lines", () => {
  const text = '# sample\na = "1"\nb.c = true\n\n[d]\n"e f" = 2 # two\n[d.g]\nh = { i = \'3\' }\n';
  expect(readToml(text)).toEqual({
    entries: [
      { key: "a", text: "1", line: 2 },
      { key: "b.c", text: "true", line: 3 },
      { key: "d.e f", text: "2", line: 6 },
      { key: "d.g.h.i", text: "3", line: 8 },
    ],
    problems: [],
  });
});

test("any text is entries or problems, never a throw", () => {
  const piece = fc.oneof(
    fc.string(),
    fc.constantFrom(
      "a",
      "=",
      "[",
      "]",
      "{",
      "}",
      '"',
      "'''",
      "\n",
      "#",
      "1",
      ".",
      ",",
      "__proto__",
      "\r",
      "\0",
    ),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const { entries, problems } = readToml(pieces.join(""));
      for (const { line } of [...entries, ...problems]) expect(line).toBeGreaterThan(0);
    }),
    { numRuns: 2000 },
  );
});
