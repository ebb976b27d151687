import { type Code, UnderlayError } from "../lib/errors.ts";
import { quote } from "../lib/quote.ts";
import { isList, isObject, type Json, type JsonObject, stringify } from "./json.ts";
import type { Answers, Operation } from "./operation.ts";
import type { Schema } from "./schema.ts";

/** What became of a transaction. Its reply says so in many ways, and JSON-RPC's own error is none of them. */

/** Every `<error>` of RFC 7047 and of ovsdb-server(7), as a code of ours. Others are bugs of ours. */
const CODES: ReadonlyMap<string, Code> = new Map([
  ["constraint violation", "conflict"], // a name that is taken, a column that cannot be changed, a value out of range
  ["referential integrity violation", "conflict"],
  ["timed out", "conflict"], // a wait that was not met
  ["aborted", "conflict"],
  ["not owner", "conflict"], // of the lock
  ["duplicate uuid", "conflict"],
  ["resources exhausted", "state"],
  ["I/O error", "state"],
  ["permission error", "permission"],
  ["not supported", "unsupported"],
  ["unknown database", "unsupported"],
]);

/** Of what the server has against a transaction, its own word: `constraint violation`. */
export function ovsdbErrorOf(thrown: unknown): string | undefined {
  const error = thrown instanceof UnderlayError ? thrown.inputs["error"] : undefined;
  return typeof error === "string" ? error : undefined;
}

interface Step {
  readonly operation: Operation<unknown>;
  readonly isGuard: boolean;
}

/** A transaction on its way: what is sent, and how the reply is read. */
export interface Prepared<Ops extends readonly Operation<unknown>[]> {
  readonly params: Json;
  /** All of them only read. */
  readonly reads: boolean;
  /** Throws when any of it failed; then none of it was done. */
  judge(reply: Json): Answers<Ops>;
}

/** Throws `unsupported` for a column that the server lacks, `invalid_option` for a value that it would not take. */
export function prepare<const Ops extends readonly Operation<unknown>[]>(
  schema: Schema,
  database: string,
  operations: Ops,
): Prepared<Ops> {
  const steps: Step[] = [];
  const wire: JsonObject[] = [];
  for (const operation of operations) {
    if (operation.guard) {
      steps.push({ operation, isGuard: true });
      wire.push(operation.guard(schema));
    }
    steps.push({ operation, isGuard: false });
    wire.push(operation.encode(schema));
  }
  return {
    params: [database, ...wire],
    reads: operations.every((operation) => operation.reads),
    judge: (reply) => judge(schema, steps, reply) as Answers<Ops>,
  };
}

/**
 * One element for each operation. Of one that failed it has `error`, and those after it are null; what fails only when
 * all is committed (a name that is taken, a reference to nothing) is told in an extra element (section 4.1.3).
 */
function judge(schema: Schema, steps: readonly Step[], reply: Json): readonly unknown[] {
  if (!isList(reply)) throw garbled(reply);
  const failed = reply.findIndex((element) => isObject(element) && element["error"] !== undefined);
  if (failed >= 0) throw failureOf(steps[failed], reply[failed]);
  if (reply.length !== steps.length) throw garbled(reply);
  return steps.flatMap(({ operation, isGuard }, i) => {
    const answer = reply[i];
    if (!isObject(answer)) throw garbled(reply);
    return isGuard ? [] : [readAnswer(schema, operation, answer)];
  });
}

function readAnswer(schema: Schema, operation: Operation<unknown>, answer: JsonObject): unknown {
  const value = operation.decode(schema, answer);
  if (value === undefined) throw garbled(answer);
  return value;
}

/** `step` is undefined for the extra element. */
function failureOf(step: Step | undefined, element: Json | undefined): UnderlayError {
  const { error, details } = isObject(element) ? element : {};
  const name = typeof error === "string" ? error : stringify(error ?? null);
  const more = typeof details === "string" ? `: ${details}` : "";
  const inputs = { error: name };
  if (step?.isGuard && name === "timed out")
    return new UnderlayError("not_found", `${step.operation.what}: there is no such row; nothing was done`, {
      inputs,
    });
  const what = step?.operation.what ?? "commit";
  return new UnderlayError(CODES.get(name) ?? "internal", `ovsdb: ${what}: ${name}${more}`, { inputs });
}

function garbled(reply: Json): UnderlayError {
  return new UnderlayError("unsupported", `ovsdb answers a transaction with ${quote(stringify(reply))}`, {
    inputs: { outcome: "unknown" },
  });
}
