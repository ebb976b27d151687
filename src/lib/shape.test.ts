import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Problem } from "./errors.ts";
import {
  flag,
  integer,
  list,
  mapOf,
  openStruct,
  optional,
  type Shape,
  struct,
  text,
  whole,
} from "./shape.ts";

const shape = struct({
  Name: text,
  On: flag,
  Ports: list(struct({ Port: whole(0xffff) })),
  Labels: mapOf(text),
  Rest: openStruct({ Known: text }),
});

function read<T>(by: Shape<T>, value: unknown): { value: T; problems: string[] } {
  const problems: Problem[] = [];
  return { value: by(value, "", problems), problems: problems.map((problem) => problem.message) };
}

const ZERO = {
  Name: "",
  On: undefined,
  Ports: [],
  Labels: new Map(),
  Rest: { known: { Known: "" }, others: new Map() },
};

test("absence and null are the zero value", () => {
  const nulls = { Name: null, On: null, Ports: null, Labels: null, Rest: null };
  for (const value of [{}, null, undefined, nulls])
    expect(read(shape, value)).toEqual({ value: ZERO, problems: [] });
});

test("keys match whatever their case, and the last of two counts", () => {
  const { value, problems } = read(shape, JSON.parse('{"NAME":"a","name":"b","oN":true,"Unknown":{}}'));
  expect(problems).toEqual([]);
  expect(value).toMatchObject({ Name: "b", On: true });
});

test("map keys keep their case; a prototype's names are keys like others", () => {
  const { value } = read(
    shape,
    JSON.parse('{"Labels":{"A":"1","__proto__":"2"},"Rest":{"kNOWN":"3","__proto__":4}}'),
  );
  expect([...value.Labels]).toEqual([
    ["A", "1"],
    ["__proto__", "2"],
  ]);
  expect(value.Rest).toEqual({ known: { Known: "3" }, others: new Map([["__proto__", 4]]) });
});

test("a wrong type is a problem with its path, wherever it is", () => {
  const bad = {
    Name: 1,
    On: "true",
    Ports: [{ Port: 1 }, { Port: Number.POSITIVE_INFINITY }, 7],
    Labels: { a: {} },
    Rest: [],
  };
  expect(read(shape, bad).problems).toEqual([
    "Name must be a string, not 1",
    "On must be true or false, not a string",
    "Ports[1].Port must be a whole number from 0 to 65535, not Infinity",
    "Ports[2] must be an object, not 7",
    "Labels.a must be a string, not an object",
    "Rest must be an object, not a list",
  ]);
  expect(read(shape, "x").problems).toEqual(["the message must be an object, not a string"]);
});

test("no JSON value makes it throw, and what it answers has the promised types", () => {
  fc.assert(
    fc.property(
      fc.jsonValue({ maxDepth: 4 }),
      fc.constantFrom("Name", "On", "Ports", "Labels", "Rest"),
      (json, key) => {
        const { value } = read(shape, { [key]: json });
        expect(typeof value.Name).toBe("string");
        expect(["boolean", "undefined"]).toContain(typeof value.On);
        for (const { Port } of value.Ports) expect(Number.isInteger(Port)).toBe(true);
        for (const label of value.Labels.values()) expect(typeof label).toBe("string");
      },
    ),
  );
});

test("a pointer tells 0 from absence; an int has a sign and no fraction", () => {
  const by = struct({ Index: optional(integer), Mtu: integer });
  expect(read(by, { Index: 0, Mtu: -100 })).toEqual({ value: { Index: 0, Mtu: -100 }, problems: [] });
  expect(read(by, { Index: null })).toEqual({ value: { Index: undefined, Mtu: 0 }, problems: [] });
  expect(read(by, { Index: "0", Mtu: 1500.5 }).problems).toEqual([
    "Index must be a whole number, not a string",
    "Mtu must be a whole number, not 1500.5",
  ]);
});
