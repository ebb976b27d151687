import { describe, expect, test } from "bun:test";
import { exchanges } from "./exchange.golden.ts";
import { isList, isObject, type Json } from "./json.ts";
import { METHODS, type MonitorMethod } from "./monitor.ts";
import { type AnyChange, Rows } from "./rows.ts";
import { schemas } from "./schema.golden.ts";
import { Schema } from "./schema.ts";

// All three ways to follow a table, as a real server told the same changes by each.

const schema = new Schema(JSON.parse(schemas.oldest));
const SELECTION = { Bridge: ["name", "external_ids", "flood_vlans", "fail_mode"] } as const;
const BRIDGE = "0b000000-0000-4000-8000-000000000001";

const CAPTURED: Readonly<Record<string, { readonly received: readonly string[] }>> = {
  monitor_cond_since: exchanges.monitorSince,
  monitor_cond: exchanges.monitorCond,
  monitor: exchanges.monitor,
};

/** What each change left of the table, and what it was told as. */
function follow(rows: Rows, { method, notification, start, changes }: MonitorMethod) {
  const told: (readonly AnyChange[])[] = [];
  for (const text of CAPTURED[method]?.received ?? []) {
    const message: Json = JSON.parse(text);
    if (!isObject(message)) throw new Error("no message");
    const { params, result } = message;
    if (message["method"] === notification && isList(params))
      told.push(rows.apply(schema, changes(params.slice(1))));
    else if (told.length === 0 && result !== undefined) told.push(rows.load(schema, start(result)));
  }
  return told;
}

const ids = (pairs: Readonly<Record<string, string>>) => new Map(Object.entries(pairs));
const row = (more: object) => ({
  _uuid: BRIDGE,
  name: "br0",
  external_ids: ids({ a: "3", b: "2" }),
  flood_vlans: [],
  fail_mode: undefined,
  ...more,
});

describe.each(METHODS.map((method) => [method.method, method] as const))("%s", (_name, method) => {
  test("tells each change once, as what was and what is", () => {
    const rows = new Rows(SELECTION);
    const told = follow(rows, method);
    const states = told.map((changes) => changes.map(({ after }) => after));
    const br1 = { _uuid: "0b000000-0000-4000-8000-000000000004", name: "br1" };
    expect(states).toMatchObject([
      [row({})],
      [row({ external_ids: ids({ a: "3", b: "2", c: "3" }) })],
      [row({ external_ids: ids({ a: "3", b: "2", c: "4" }) })],
      [row({})],
      [row({ flood_vlans: [1, 2, 3] })],
      [row({ flood_vlans: [2, 3, 4] })],
      [row({})],
      [row({ fail_mode: "secure" })],
      [row({})],
      [{ ...br1, external_ids: new Map(), flood_vlans: [], fail_mode: undefined }],
      [undefined],
    ]);
    for (const [i, changes] of told.entries())
      expect(changes[0]?.before).toEqual(
        i === 0 || i === 9 ? undefined : (told[i - 1]?.[0]?.after ?? told[8]?.[0]?.after),
      );
    expect([...rows.of("Bridge").values()]).toEqual([row({})]);
  });

  test("told anew: only what differs is a change", () => {
    const rows = new Rows(SELECTION);
    follow(rows, method);
    const [first] = CAPTURED[method.method]?.received ?? [];
    const answer: Json = JSON.parse(first ?? "null").result;
    expect(rows.load(schema, method.start(answer))).toEqual([]);
    const empty: Json = method.method === "monitor_cond_since" ? [false, "x", {}] : {};
    expect(rows.load(schema, method.start(empty))).toMatchObject([{ uuid: BRIDGE, after: undefined }]);
    expect(rows.of("Bridge").size).toBe(0);
  });

  test("garbage is told", () => {
    for (const json of [
      null,
      1,
      [],
      { Bridge: 1 },
      { Bridge: { [BRIDGE]: 1 } },
      { Bridge: { [BRIDGE]: {} } },
    ])
      expect(() => method.changes(method.notification === "update3" ? ["x", json] : [json])).toThrow(
        "ovsdb tells changes as",
      );
  });
});

test("a difference of a row that is not known is no row", () => {
  const rows = new Rows(SELECTION);
  const changes = new Map([
    ["Bridge", new Map([[BRIDGE, { kind: "difference", columns: { name: "x" } } as const]])],
  ]);
  expect(() => rows.apply(schema, changes)).toThrow("a row of Bridge that it never told");
});

test("only columns that the server has are asked for", () => {
  expect(new Rows({ Mirror: ["name", "filter"], Port: ["tag"] }).requests(schema)).toEqual({
    Mirror: [{ columns: ["name"] }],
    Port: [{ columns: ["tag"] }],
  });
});
