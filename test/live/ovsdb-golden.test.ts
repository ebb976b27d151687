import { beforeAll, describe, expect, test } from "bun:test";
import { exchanges } from "../../src/ovsdb/exchange.golden.ts";
import { schemas } from "../../src/ovsdb/schema.golden.ts";
import { captureOvsdb } from "../../tools/golden/ovsdb-capture.ts";
import { OVSDB_CASES } from "../../tools/golden/ovsdb-cases.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { AGES } from "../ground/engines.ts";
import { type Switch, startSwitch } from "../ground/ovs.ts";

/** The golden files are what the tool says that they are; and a newer server answers as the older one did. */

const GET_SCHEMA = { name: "schema", requests: ['{"method":"get_schema","params":["Open_vSwitch"],"id":0}'] };

/** Members of an object come in any order. */
const parsed = (texts: readonly string[] = []): unknown[] => texts.map((text) => JSON.parse(text));

describe.each([...AGES])("golden exchanges with the %s ovsdb-server, captured again", (age) => {
  const things = disposedAfterAll();
  let ovs: Switch;
  beforeAll(async () => {
    ovs = things.use(await startSwitch({ age, vswitchd: false }));
  }, 600_000);

  test("are the same", async () => {
    const captured = await captureOvsdb(ovs.socket, OVSDB_CASES);
    const stored = Object.entries(exchanges);
    expect(OVSDB_CASES.map(({ name, requests }) => [name, requests])).toEqual(
      stored.map(([name, { sent }]) => [name, [...sent]]),
    );
    for (const [name, { received }] of stored)
      expect([name, parsed(captured[name])]).toEqual([name, parsed(received)]);
  });

  test("the schema has the tables that we touch as they were", async () => {
    const { schema } = await captureOvsdb(ovs.socket, [GET_SCHEMA]);
    const now = JSON.parse(schema?.[0] ?? "null").result;
    const { version, tables } = JSON.parse(schemas[age]);
    // A Debian that goes on has a newer schema, which may have more.
    if (version === now.version) expect(now.tables).toMatchObject(tables);
    else
      for (const [name, table] of Object.entries(tables))
        expect([name, now.tables[name]]).toMatchObject([name, table]);
  });
});
