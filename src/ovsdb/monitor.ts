import { UnderlayError } from "../lib/errors.ts";
import { quote } from "../lib/quote.ts";
import type { Datum, Shape } from "./datum.ts";
import { isList, isObject, type Json, type JsonObject, stringify } from "./json.ts";

/**
 * The three ways to watch tables, newest first: ovsdb-server(7) sections 4.1.12, 4.1.15 and RFC 7047 section 4.1.5. All
 * are read into one shape of change.
 */

/** A row is so from now on; or differs in these columns by as much; or is gone. */
export type RowChange =
  | { readonly kind: "whole" | "difference"; readonly columns: JsonObject }
  | { readonly kind: "gone" };

export type TableChanges = ReadonlyMap<string, ReadonlyMap<string, RowChange>>;

export interface MonitorMethod {
  readonly method: string;
  /** Of the notifications that follow. */
  readonly notification: string;
  params(id: string, requests: JsonObject): readonly Json[];
  /** Of the answer, all rows; of a notification's parameters after the id, the changes. */
  readonly start: (answer: Json) => TableChanges;
  readonly changes: (params: readonly Json[]) => TableChanges;
}

const NO_TRANSACTION = "00000000-0000-0000-0000-000000000000";

/** A server that stands alone never knows the last transaction, so all rows come with every answer. */
export const METHODS: readonly MonitorMethod[] = [
  {
    method: "monitor_cond_since",
    notification: "update3",
    params: (id, requests) => [id, requests, NO_TRANSACTION],
    start: (answer) => updates2(isList(answer) ? answer[2] : undefined),
    changes: (params) => updates2(params[1]),
  },
  {
    method: "monitor_cond",
    notification: "update2",
    params: (id, requests) => [id, requests],
    start: updates2,
    changes: (params) => updates2(params[0]),
  },
  {
    method: "monitor",
    notification: "update",
    params: (id, requests) => [id, requests],
    start: updates1,
    changes: (params) => updates1(params[0]),
  },
];

/** `{table: {uuid: {initial|insert|modify: row} | {delete: null}}}` */
function updates2(json: Json | undefined): TableChanges {
  return eachRow(json, (update) => {
    const whole = update["initial"] ?? update["insert"];
    if (isObject(whole)) return { kind: "whole", columns: whole };
    const difference = update["modify"];
    if (isObject(difference)) return { kind: "difference", columns: difference };
    return Object.hasOwn(update, "delete") ? { kind: "gone" } : undefined;
  });
}

/** `{table: {uuid: {old?: row, new?: row}}}`; `new` has all columns that were asked for. */
function updates1(json: Json | undefined): TableChanges {
  return eachRow(json, (update) => {
    const whole = update["new"];
    if (isObject(whole)) return { kind: "whole", columns: whole };
    return isObject(update["old"]) ? { kind: "gone" } : undefined;
  });
}

function eachRow(json: Json | undefined, read: (update: JsonObject) => RowChange | undefined): TableChanges {
  if (!isObject(json)) throw garbled(json);
  const tables = Object.entries(json).map(([table, rows]) => {
    if (!isObject(rows)) throw garbled(json);
    const changes = Object.entries(rows).map(([uuid, update]) => {
      const change = isObject(update) ? read(update) : undefined;
      if (change === undefined) throw garbled(json);
      return [uuid, change] as const;
    });
    return [table, new Map(changes)] as const;
  });
  return new Map(tables);
}

/**
 * The value after a `modify` (ovsdb-server(7), `<row-update2>`): of a set the elements that came or went, of a map the
 * pairs that came, changed, or went (then with the value that they had), of anything else the new value.
 */
export function applyDifference(shape: Shape, before: Datum, difference: Datum): Datum {
  if (shape.kind === "set" && isSet(before) && isSet(difference)) {
    const gone = new Set(before.filter((element) => difference.includes(element)));
    return [
      ...before.filter((element) => !gone.has(element)),
      ...difference.filter((element) => !gone.has(element)),
    ];
  }
  if (before instanceof Map && difference instanceof Map) {
    const after = new Map(before);
    for (const [key, value] of difference) {
      if (before.has(key) && before.get(key) === value) after.delete(key);
      else after.set(key, value);
    }
    return after;
  }
  return difference;
}

function isSet(value: Datum): value is Extract<Datum, readonly unknown[]> {
  return Array.isArray(value);
}

function garbled(json: Json | undefined): UnderlayError {
  return new UnderlayError("unsupported", `ovsdb tells changes as ${quote(stringify(json ?? null))}`);
}
