import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type Atom,
  type AtomValue,
  type Datum,
  decode,
  defaultOf,
  encode,
  parseUuid,
  type Shape,
  type Uuid,
} from "./datum.ts";
import { type JsonObject, Splitter, stringify } from "./json.ts";
import { applyDifference } from "./monitor.ts";

function uuidOf(text: string): Uuid {
  const uuid = parseUuid(text);
  if (uuid === undefined) throw new Error(`no UUID: ${text}`);
  return uuid;
}

const ATOMS: Readonly<Record<Atom, fc.Arbitrary<AtomValue>>> = {
  integer: fc.maxSafeInteger(),
  int64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  real: fc
    .double({ noNaN: true, noDefaultInfinity: true })
    .map((number) => (Object.is(number, -0) ? 0 : number)),
  boolean: fc.boolean(),
  string: fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0")),
  uuid: fc.uuid().map(uuidOf),
};
const atomName = fc.constantFrom(...(Object.keys(ATOMS) as Atom[]));
const shapes: fc.Arbitrary<Shape> = fc.oneof(
  fc.record({ kind: fc.constantFrom("one" as const, "optional" as const, "set" as const), key: atomName }),
  fc.record({ kind: fc.constant("map" as const), key: atomName, value: atomName }),
);

function someValue(shape: Shape): fc.Arbitrary<Datum> {
  const key = ATOMS[shape.key];
  if (shape.kind === "map") {
    const pair = fc.tuple(key, ATOMS[shape.value]);
    return fc.uniqueArray(pair, { selector: ([name]) => name, maxLength: 6 }).map((pairs) => new Map(pairs));
  }
  if (shape.kind === "optional") return fc.option(key, { nil: undefined });
  return shape.kind === "set" ? fc.uniqueArray(key, { maxLength: 6 }) : key;
}

const shapeAndValues = shapes.chain((shape) =>
  fc.tuple(fc.constant(shape), someValue(shape), someValue(shape)),
);

/** Over the wire and back. */
function carry(shape: Shape, value: Datum): Datum {
  const [message] = new Splitter().push(
    new TextEncoder().encode(stringify({ it: encode(shape, value, "it") })),
  );
  return decode(shape, (message as JsonObject)["it"] ?? null, "it");
}

describe("a value of a column", () => {
  test("comes back from the wire as it was", () => {
    fc.assert(fc.property(shapeAndValues, ([shape, value]) => expect(carry(shape, value)).toEqual(value)));
  });

  test("may be the bare atom where a set has one element, or where it may be missing", () => {
    const id = "0b000000-0000-4000-8000-000000000001";
    const uuids = { kind: "set", key: "uuid" } as const;
    expect(decode(uuids, ["uuid", id], "ports")).toEqual([uuidOf(id)]);
    expect(decode(uuids, ["set", [["uuid", id]]], "ports")).toEqual([uuidOf(id)]);
    expect(decode(uuids, ["set", []], "ports")).toEqual([]);
    const tag = { kind: "optional", key: "integer" } as const;
    expect(decode(tag, 7, "tag")).toBe(7);
    expect(decode(tag, ["set", [7]], "tag")).toBe(7);
    expect(decode(tag, ["set", []], "tag")).toBeUndefined();
    expect(decode({ kind: "one", key: "string" }, "set", "name")).toBe("set");
    expect(encode(tag, undefined, "tag")).toEqual(["set", []]);
  });

  test("has its default when nobody has set it", () => {
    const atoms: readonly (readonly [Atom, Datum])[] = [
      ["integer", 0],
      ["int64", 0n],
      ["real", 0],
      ["boolean", false],
      ["string", ""],
      ["uuid", uuidOf("00000000-0000-0000-0000-000000000000")],
    ];
    for (const [key, value] of atoms) expect(defaultOf({ kind: "one", key })).toEqual(value);
    expect(defaultOf({ kind: "optional", key: "integer" })).toBeUndefined();
    expect(defaultOf({ kind: "set", key: "integer" })).toEqual([]);
    expect(defaultOf({ kind: "map", key: "string", value: "string" })).toEqual(new Map());
  });

  const bad: readonly (readonly [Shape, Parameters<typeof decode>[1]])[] = [
    [{ kind: "one", key: "string" }, 1],
    [{ kind: "one", key: "integer" }, 2n ** 60n],
    [{ kind: "one", key: "integer" }, 1.5],
    [{ kind: "one", key: "integer" }, ["set", []]],
    [{ kind: "one", key: "boolean" }, null],
    [{ kind: "optional", key: "integer" }, ["set", [1, 2]]],
    [{ kind: "set", key: "uuid" }, ["named-uuid", "x"]],
    [{ kind: "set", key: "uuid" }, ["set", ["0b000000-0000-4000-8000-000000000001"]]],
    [{ kind: "set", key: "uuid" }, ["uuid", "0B"]],
    [{ kind: "map", key: "string", value: "int64" }, ["map", [["a", "1"]]]],
    [{ kind: "map", key: "string", value: "string" }, ["map", [["a"]]]],
    [{ kind: "map", key: "string", value: "string" }, { a: "b" }],
  ];
  test.each(bad)("bad value %# is told", (shape, json) => {
    expect(() => decode(shape, json, "Port.tag")).toThrow(/^ovsdb sends .* for Port.tag, not /);
  });

  const unwritable: readonly (readonly [Shape, unknown, string])[] = [
    [{ kind: "one", key: "string" }, "a\0b", "a text without NUL"],
    [{ kind: "one", key: "string" }, "\ud800", "a text without NUL"],
    [{ kind: "optional", key: "integer" }, 1.5, "a whole number"],
    [{ kind: "optional", key: "integer" }, Number.NaN, "a whole number"],
    [{ kind: "one", key: "int64" }, 2n ** 63n, "a whole number of 64 bits"],
    [{ kind: "one", key: "integer" }, undefined, "a whole number"],
    [{ kind: "set", key: "uuid" }, ["br0"], "a row's UUID"],
    [{ kind: "set", key: "uuid" }, [{ named: "a-b" }], "a row's UUID"],
  ];
  test.each(unwritable)(
    "what cannot be written (%#) is refused before the server sees it",
    (shape, value, wanted) => {
      expect(() => encode(shape, value, "Port.tag")).toThrow(`Port.tag must be ${wanted}, not `);
    },
  );
});

describe("a difference", () => {
  // As ovsdb-server(7) defines it, made from before and after by another way than it is applied.
  function differenceOf(before: Datum, after: Datum): Datum {
    if (Array.isArray(before) && Array.isArray(after))
      return [
        ...before.filter((each) => !after.includes(each)),
        ...after.filter((each) => !before.includes(each)),
      ];
    if (before instanceof Map && after instanceof Map) {
      const gone = [...before].filter(([key]) => !after.has(key));
      const changed = [...after].filter(([key, value]) => !before.has(key) || before.get(key) !== value);
      return new Map([...gone, ...changed]);
    }
    return after;
  }
  const sorted = (value: Datum) => (Array.isArray(value) ? new Set(value) : value);

  test("turns what was into what is", () => {
    fc.assert(
      fc.property(shapeAndValues, ([shape, before, after]) => {
        const difference = carry(shape, differenceOf(before, after));
        expect(sorted(applyDifference(shape, before, difference))).toEqual(sorted(after));
      }),
    );
  });
});
