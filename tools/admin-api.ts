import type * as v from "valibot";
import { ROUTES, type Route } from "../src/daemon/admin.ts";
import { ErrorBody, SCHEMAS } from "../src/daemon/api.ts";

/** What `docs/reference/admin-api.md` says, of the daemon's own routes and schemas. */

export function adminApi(note: string): string {
  const answers = [...new Set(ROUTES.map(({ answers }) => answers))];
  return [
    `# Admin API\n\n${note}`,
    "What the commands of `underlay` ask the daemon, as JSON over HTTP on `/run/underlay/underlay.sock`, which is root's. The answers are\n",
    "what the commands print with `-o json`. A key is never renamed or given another meaning within a version; new ones may come.\n\n",
    "```\ncurl --unix-socket /run/underlay/underlay.sock http://underlay/v1/status\n```\n\n",
    "| request | answers | |\n|---|---|---|\n",
    ...ROUTES.map(routeRow),
    ...ROUTES.flatMap(({ takes, method, path }) =>
      takes ? [`\n## Body of ${method} ${path}\n\n${keyTable(takes)}`] : [],
    ),
    ...answers.map((name) => `\n## ${name}\n\n${keyTable(SCHEMAS[name])}`),
    `\n## Errors\n\nOf every answer that is no success.\n\n${keyTable(ErrorBody)}`,
  ].join("");
}

function routeRow({ method, path, query = [], answers, help }: Route): string {
  const asked = query.length === 0 ? "" : `?${query.join("&")}`;
  return `| \`${method} ${path}${asked}\` | [${answers}](#${answers.replace(/[./]/g, "")}) | ${help} |\n`;
}

function keyTable(schema: v.GenericSchema): string {
  return `| key | is |\n|---|---|\n${keyRows(schema, "").join("")}`;
}

/** As much of a schema of valibot as ours are made of. */
interface Shape {
  readonly type: string;
  readonly entries?: Readonly<Record<string, Shape>>;
  readonly item?: Shape;
  readonly wrapped?: Shape;
  readonly literal?: string;
  readonly options?: readonly string[];
}

/** Keys of objects follow it, by their path. */
function keyRows(schema: Shape, path: string): string[] {
  return Object.entries(schema.entries ?? {}).flatMap(([key, value]) => {
    const { words, inner, suffix } = described(value);
    return [`| \`${path}${key}\` | ${words} |\n`, ...keyRows(inner, `${path}${key}${suffix}.`)];
  });
}

interface Described {
  readonly words: string;
  /** Of which the keys follow. */
  readonly inner: Shape;
  readonly suffix: string;
}

const PLAIN: Readonly<Record<string, string>> = {
  object: "object",
  strict_object: "object",
  string: "text",
  number: "number",
  boolean: "true or false",
  record: "object of texts",
};

function described(shape: Shape): Described {
  const { type, item, wrapped, options = [], literal } = shape;
  if (item) {
    const each = described(item);
    return { words: `list of: ${each.words}`, inner: each.inner, suffix: "[]" };
  }
  if (wrapped) {
    const { words, ...rest } = described(wrapped);
    return { ...rest, words: type === "nullable" ? `${words}, or null` : `${words}; may be absent` };
  }
  const values = literal === undefined ? options : [literal];
  const words = PLAIN[type] ?? values.map((each) => `\`${each}\``).join(", ");
  if (words === "") throw new Error(`a schema of type ${type} has no words`);
  return { words, inner: shape, suffix: "" };
}
