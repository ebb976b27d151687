import { describe, expect, test } from "bun:test";
import type { Json } from "./json.ts";
import { schemas } from "./schema.golden.ts";
import { parseType, Schema } from "./schema.ts";
import { TABLES, type TableName } from "./tables.ts";

/** Columns that only newer servers have. */
const NEWER = ["Mirror.filter"];

const columns = Object.entries(TABLES).flatMap(([table, shapes]) =>
  Object.keys(shapes).map((column) => [table as TableName, column] as const),
);

describe("the table of columns", () => {
  test.each(["oldest", "newest"] as const)("is what the %s server says of itself", (age) => {
    const schema = new Schema(JSON.parse(schemas[age]));
    const missing = columns
      .filter(([table, column]) => !schema.has(table, column))
      .map((each) => each.join("."));
    expect(missing).toEqual(age === "oldest" ? NEWER : []);
    // Throws for a column of another type.
    for (const [table, column] of columns) schema.reader(table, column);
  });
});

describe("a schema", () => {
  const cut = (table: string, column: string, type: Json) =>
    new Schema({ name: "x", version: "7.0.0", tables: { [table]: { columns: { [column]: { type } } } } });

  test("that has a column of another type is not worked with", () => {
    const schema = cut("Port", "tag", { key: "integer", min: 0, max: "unlimited" });
    const message =
      "this Open vSwitch (database schema 7.0.0) has a column Port.tag that is set integer, not optional integer";
    expect(() => schema.reader("Port", "tag")).toThrow(message);
    expect(() => cut("Port", "tag", { key: "color" }).reader("Port", "tag")).toThrow(
      "of a kind that is not known",
    );
  });

  test("without a column: it is not written, and read as unset", () => {
    const schema = cut("Port", "name", "string");
    expect(() => schema.column("Port", "tag")).toThrow(
      "this Open vSwitch (database schema 7.0.0) has no column Port.tag",
    );
    expect(schema.reader("Port", "external_ids").whenAbsent).toEqual(new Map());
    expect(schema.has("Bridge", "name")).toBe(false);
    expect(schema.has("Port", "constructor")).toBe(false);
    expect(schema.has("Port", "_uuid")).toBe(true);
  });

  test.each([[null], [[]], [{}], [{ tables: [] }], ["x"]])("%j is none", (json) => {
    expect(() => new Schema(json as Json)).toThrow("ovsdb sends a schema that is none");
  });

  const types: readonly (readonly [Json, string | undefined])[] = [
    ["string", "one string"],
    [{ key: "integer" }, "one integer"],
    [{ key: { type: "integer", minInteger: 0 } }, "one integer"],
    [{ key: "string", min: 0, max: 1 }, "optional string"],
    [{ key: "string", min: 0 }, "optional string"],
    [{ key: "uuid", min: 1, max: "unlimited" }, "set uuid"],
    [{ key: "integer", min: 0, max: 4096 }, "set integer"],
    [
      { key: "integer", value: { type: "uuid", refTable: "Queue" }, min: 0, max: "unlimited" },
      "map integer uuid",
    ],
    [{ key: "strange" }, undefined],
    ["strange", undefined],
    [{ key: "string", value: "strange" }, undefined],
  ];
  test.each(types)("the type %j", (json, wanted) => {
    const shape = parseType(json);
    const words = shape && Object.values(shape).join(" ");
    expect(words).toBe(wanted);
  });
});
