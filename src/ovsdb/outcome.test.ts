import { describe, expect, test } from "bun:test";
import { UnderlayError } from "../lib/errors.ts";
import { parseUuid, type Uuid } from "./datum.ts";
import { exchanges } from "./exchange.golden.ts";
import { type Json, type JsonObject, Splitter } from "./json.ts";
import { assertLock, insert, mutate, named, type Operation, overwrite, select, update } from "./operation.ts";
import { ovsdbErrorOf, prepare } from "./outcome.ts";
import { schemas } from "./schema.golden.ts";
import { Schema } from "./schema.ts";

// Operations against what a real server was asked and has answered (tools/golden/ovsdb-cases.ts).

const schema = new Schema(JSON.parse(schemas.oldest));

function uuid(number: number): Uuid {
  const found = parseUuid(`0b000000-0000-4000-8000-00000000000${number}`);
  if (found === undefined) throw new Error("no UUID");
  return found;
}
const [BRIDGE, PORT, FACE, OTHER, MIRROR] = [uuid(1), uuid(2), uuid(3), uuid(4), uuid(5)];
const face = named("face");
const port = named("port");
const bridge = named("bridge");
const m = named("m");
const br0 = [["name", "==", "br0"]] as const;

type Name = keyof typeof exchanges;

function parsed(text: string | undefined): JsonObject {
  const [message] = new Splitter().push(new TextEncoder().encode(text));
  if (message === undefined) throw new Error(`no message: ${text}`);
  return message;
}

/** Without what only the capture says: UUIDs that the client chooses. */
function asSent(name: Name): Json {
  const text = exchanges[name].sent[0].replace(/"uuid":"[^"]*",/g, "");
  return parsed(text)["params"] ?? null;
}

/** The operations are what was sent by hand; answers what the server's reply means by them. */
function replay(name: Name, operations: readonly Operation<unknown>[]): unknown {
  const { params, judge } = prepare(schema, "Open_vSwitch", operations);
  expect(params).toEqual(asSent(name));
  try {
    return judge(parsed(exchanges[name].received[0])["result"] ?? null);
  } catch (thrown) {
    if (!(thrown instanceof UnderlayError)) throw thrown;
    return `${thrown.code}: ${thrown.message}`;
  }
}

const anyName = (name: string) => [["name", "==", name]] as const;
const toRoot = mutate("Open_vSwitch", [], [["bridges", "insert", [bridge]]], "some");

const CASES: readonly (readonly [Name, readonly Operation<unknown>[], unknown])[] = [
  [
    "insertBridge",
    [
      insert("Interface", { name: "br0", type: "internal" }, face),
      insert("Port", { name: "br0", interfaces: [face], tag: 7 }, port),
      insert(
        "Bridge",
        { name: "br0", datapath_type: "netdev", ports: [port], external_ids: { a: "1", b: "2" } },
        bridge,
      ),
      toRoot,
    ],
    [FACE, PORT, BRIDGE, 1],
  ],
  [
    "select",
    [
      select("Bridge", br0, ["name", "ports", "mirrors", "fail_mode", "stp_enable", "external_ids"]),
      select(
        "Port",
        [
          ["tag", ">=", 7],
          ["name", "!=", "x"],
        ],
        ["tag", "trunks", "interfaces"],
      ),
      select("Bridge", [["external_ids", "includes", { a: "2" }]], []),
    ],
    [
      [
        {
          _uuid: BRIDGE,
          name: "br0",
          ports: [PORT],
          mirrors: [],
          fail_mode: undefined,
          stp_enable: false,
          external_ids: new Map([
            ["a", "1"],
            ["b", "2"],
          ]),
        },
      ],
      [{ _uuid: PORT, tag: 7, trunks: [], interfaces: [FACE] }],
      [],
    ],
  ],
  [
    "duplicateName",
    [insert("Bridge", { name: "br0" }, bridge), toRoot],
    'conflict: ovsdb: commit: constraint violation: Transaction causes multiple rows in "Bridge" table to have identical values (br0) for index on column "name".  First row, with UUID 0b000000-0000-4000-8000-000000000001, existed in the database before this transaction and was not modified by the transaction.  Second row, with UUID 0b000000-0000-4000-8000-000000000004, was inserted by this transaction.',
  ],
  [
    "referenceToNothing",
    [mutate("Bridge", br0, [["ports", "insert", [OTHER]]], "any")],
    "conflict: ovsdb: commit: referential integrity violation: Table Bridge column ports row 0b000000-0000-4000-8000-000000000001 references nonexistent row 0b000000-0000-4000-8000-000000000004 in table Port.",
  ],
  ["noRow", [update("Bridge", anyName("no"), { stp_enable: true }, "any")], [0]],
  [
    "noRowThatIsDemanded",
    [update("Bridge", anyName("no"), { stp_enable: true }, "some")],
    "not_found: update Bridge where name == no: there is no such row; nothing was done",
  ],
  [
    "failedInTheMiddle",
    [
      update("Bridge", br0, { stp_enable: true }, "any"),
      update("Port", br0, { tag: 4096 }, "any"),
      update("Bridge", br0, { stp_enable: false }, "any"),
    ],
    "conflict: ovsdb: update Port where name == br0: constraint violation: 4096 is not in the valid range 0 to 4095 (inclusive)",
  ],
  [
    "immutable",
    [update("Bridge", br0, { name: "br1" }, "any")],
    "conflict: ovsdb: update Bridge where name == br0: constraint violation: Cannot update immutable column name in table Bridge.",
  ],
  [
    "notOwner",
    [assertLock("nobody")],
    "conflict: ovsdb: assert nobody: not owner: Asserted lock nobody not held.",
  ],
  [
    "overwrite",
    [
      mutate("Bridge", br0, overwrite("Bridge", "external_ids", { a: "3" }), "some"),
      select("Bridge", br0, ["external_ids"]),
    ],
    [
      1,
      [
        {
          _uuid: BRIDGE,
          external_ids: new Map([
            ["a", "3"],
            ["b", "2"],
          ]),
        },
      ],
    ],
  ],
  [
    "bigNumbers",
    [
      update(
        "Interface",
        [],
        { ingress_policing_rate: 2n ** 63n - 1n, ingress_policing_burst: 2n ** 53n + 1n },
        "some",
      ),
      select("Interface", [], ["ingress_policing_rate", "ingress_policing_burst"]),
    ],
    [1, [{ _uuid: FACE, ingress_policing_rate: 2n ** 63n - 1n, ingress_policing_burst: 2n ** 53n + 1n }]],
  ],
  [
    "optionalReference",
    [
      insert("Mirror", { name: "m", output_port: PORT }, m),
      mutate("Bridge", br0, [["mirrors", "insert", [m]]], "some"),
      select("Mirror", [], ["output_port", "output_vlan"]),
    ],
    [MIRROR, 1, [{ _uuid: MIRROR, output_port: PORT, output_vlan: undefined }]],
  ],
];

describe("a transaction", () => {
  test.each(CASES)("%s: is sent as by hand, and read as it was meant", (name, operations, outcome) => {
    expect(replay(name, operations)).toEqual(outcome);
  });

  test("tells the server's own word", () => {
    const { judge } = prepare(schema, "Open_vSwitch", [assertLock("nobody")]);
    const word = (reply: Json) => {
      try {
        judge(reply);
        return "none";
      } catch (thrown) {
        return ovsdbErrorOf(thrown);
      }
    };
    expect(word([{ error: "not owner" }])).toBe("not owner");
    expect(word([{ error: "something new", details: 7 }])).toBe("something new");
    expect(word([{}])).toBe("none");
  });

  const two = [update("Bridge", br0, { stp_enable: true }, "any"), insert("Bridge", { name: "b" })];
  const garbled: readonly Json[] = [
    null,
    {},
    [],
    [{ count: 1 }],
    [{ count: 1 }, null],
    [{ count: 1 }, {}],
    [{}, { uuid: ["uuid", uuid(1)] }],
    [{ count: 1 }, { uuid: ["uuid", "x"] }],
    [{ count: 1 }, { uuid: ["uuid", uuid(1)] }, {}],
  ];
  test.each(garbled.map((reply) => [reply] as const))(
    "answered by %j: nobody knows what was done",
    (reply) => {
      const { judge } = prepare(schema, "Open_vSwitch", two);
      expect(() => judge(reply)).toThrow("ovsdb answers a transaction with ");
    },
  );

  test("of which only a part reads may not be sent twice", () => {
    const read = select("Bridge", [], []);
    const reads = (...operations: Operation<unknown>[]) => prepare(schema, "x", operations).reads;
    expect([reads(read), reads(read, assertLock("x")), reads(read, ...two)]).toEqual([true, true, false]);
  });

  test("names no row by what a server would not understand", () => {
    for (const name of ["a-b", "1a", "", "a b", "é"]) expect(() => named(name)).toThrow("cannot name a row");
    expect(named("_A1")).toEqual({ named: "_A1" });
  });
});
