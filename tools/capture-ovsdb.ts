import { join } from "node:path";
import { TABLES } from "../src/ovsdb/tables.ts";
import { AGES } from "../test/ground/engines.ts";
import { startSwitch } from "../test/ground/ovs.ts";
import { captureOvsdb } from "./golden/ovsdb-capture.ts";
import { OVSDB_CASES } from "./golden/ovsdb-cases.ts";

/**
 * Writes `src/ovsdb/*.golden.ts`: what real servers answer, and the schemas of the oldest and the newest that we know.
 * `bun tools/capture-ovsdb.ts`, as root.
 */

const folder = join(import.meta.dir, "../src/ovsdb");
const SCHEMA = { name: "schema", requests: ['{"method":"get_schema","params":["Open_vSwitch"],"id":0}'] };

const schemas: string[] = [];
for (const age of AGES) {
  await using ovs = await startSwitch({ age, vswitchd: false });
  const { schema = [] } = await captureOvsdb(ovs.socket, [SCHEMA]);
  const { result } = JSON.parse(schema[0] ?? "");
  const tables = Object.keys(TABLES).map((table) => [table, result.tables[table]]);
  const cut = { ...result, tables: Object.fromEntries(tables) };
  schemas.push(`  /** ovsdb-server ${ovs.version} */\n  ${age}: ${JSON.stringify(JSON.stringify(cut))},\n`);
  if (age !== "oldest") continue;
  const captured = await captureOvsdb(ovs.socket, OVSDB_CASES);
  const entries = OVSDB_CASES.map(({ name, requests }) => {
    const lines = (texts: readonly string[]) =>
      texts.map((text) => `      ${JSON.stringify(text)},\n`).join("");
    return `  ${name}: {\n    sent: [\n${lines(requests)}    ],\n    received: [\n${lines(captured[name] ?? [])}    ],\n  },\n`;
  });
  const head = `/**\n * Captured by tools/capture-ovsdb.ts from ovsdb-server ${ovs.version}. Do not edit.\n */\n`;
  await Bun.write(
    join(folder, "exchange.golden.ts"),
    `${head}export const exchanges = {\n${entries.join("")}} as const;\n`,
  );
}
const head =
  "/**\n * Captured by tools/capture-ovsdb.ts: answers to `get_schema`, of which tables that we do not touch are left out.\n * Do not edit.\n */\n";
await Bun.write(
  join(folder, "schema.golden.ts"),
  `${head}export const schemas = {\n${schemas.join("")}} as const;\n`,
);
Bun.spawnSync(["node_modules/.bin/biome", "format", "--write", folder], { cwd: join(import.meta.dir, "..") });
