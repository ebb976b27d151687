import { expect, test } from "bun:test";
import { type Cell, coloured, pairsOf, plain, tableOf } from "./table.ts";

const columns = [
  { head: "NAME", cell: ([name]: readonly Cell[]) => name ?? "" },
  { head: "STATE", cell: ([, state]: readonly Cell[]) => state ?? "" },
  { head: "LAST", cell: ([, , last]: readonly Cell[]) => last ?? "" },
];

test("columns line up, whatever is in them, and no line ends in blanks", () => {
  const rows: Cell[][] = [
    ["a", "active", "1"],
    ["名前", { text: "gone", style: "red" }, ""],
  ];
  expect(tableOf(columns, rows, { paint: plain, heading: true })).toBe(
    ["NAME  STATE   LAST", "a     active  1", "名前  gone", ""].join("\n"),
  );
});

test("colour changes no column", () => {
  const rows: Cell[][] = [["a", { text: "ok", style: "green" }, "1"]];
  const text = tableOf(columns, rows, { paint: coloured, heading: false });
  expect(text).toBe("a  \u001b[32mok\u001b[0m  1\n");
});

test("control characters of strangers do not reach the terminal", () => {
  const rows: Cell[][] = [["\u001b[2Jx\n", { text: "\r\u009b", style: "red" }, "ok"]];
  expect(tableOf(columns, rows, { paint: plain, heading: false })).toBe("?[2Jx?  ??  ok\n");
  expect(pairsOf([["option", "a\nb"]], plain)).toBe("option  a?b\n");
});

test("an empty list is its heading, or nothing", () => {
  expect(tableOf(columns, [], { paint: plain, heading: true })).toBe("NAME  STATE  LAST\n");
  expect(tableOf(columns, [], { paint: plain, heading: false })).toBe("");
});
