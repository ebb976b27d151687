import { changedMeanwhile } from "./failure.ts";
import type { TableName } from "./schema.ts";
import type { Row, Store, Table } from "./store.ts";

/** The same contract without a disk, for tests of what stands on a store. Bodies pass through JSON as in SQLite. */
export function memoryStore(seed = "00112233445566778899aabbccddeeff"): Store {
  const tables: Record<TableName, Map<string, Row<string>>> = {
    networks: new Map(),
    endpoints: new Map(),
    parents: new Map(),
    attachments: new Map(),
    moves: new Map(),
  };
  return {
    seed,
    table: <Body>(name: TableName) => memoryTable<Body>(name, tables[name]),
    checkpoint: () => undefined,
    close: () => undefined,
  };
}

function memoryTable<Body>(name: TableName, rows: Map<string, Row<string>>): Table<Body> {
  const decode = (row: Row<string>): Row<Body> => ({ ...row, body: JSON.parse(row.body) });
  return {
    get: (id) => {
      const row = rows.get(id);
      return row && decode(row);
    },
    list: () => [...rows.values()].sort((a, b) => (a.id < b.id ? -1 : 1)).map(decode),
    put: async (id, body, expected) => {
      const found = rows.get(id)?.version;
      if ((found ?? 0) !== expected) throw changedMeanwhile(name, id, expected, found);
      const row = { id, version: expected + 1, body: JSON.stringify(body) };
      rows.set(id, row);
      return decode(row);
    },
    delete: async (id) => {
      rows.delete(id);
    },
  };
}
