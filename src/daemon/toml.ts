import { readFileSync } from "node:fs";
import { type AST, ParseError, parseTOML } from "toml-eslint-parser";
import { UnderlayError } from "../lib/errors.ts";

/** One `key = value` of a file: the key with the names of its tables, the value as text. */
export interface TomlEntry {
  readonly key: string;
  readonly text: string;
  /** Counted from 1. */
  readonly line: number;
}

export type TomlProblem = { readonly line: number; readonly problem: string };

export type TomlReading = {
  readonly entries: readonly TomlEntry[];
  readonly problems: readonly TomlProblem[];
};

/** Reads a TOML 1.0 file into flat entries. Throws `permission` or `not_found` when it cannot be read. */
export function readTomlFile(path: string): TomlReading {
  return readToml(fileText(path));
}

function fileText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (thrown) {
    const missing = thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT";
    const why = missing
      ? "does not exist"
      : `cannot be read: ${thrown instanceof Error ? thrown.message : thrown}`;
    throw new UnderlayError(missing ? "not_found" : "permission", `configuration file ${path} ${why}`, {
      cause: thrown,
      inputs: { path },
    });
  }
}

export function readToml(text: string): TomlReading {
  try {
    const [top] = parseTOML(text, { tomlVersion: "1.0" }).body;
    const read = top.body.map((node) =>
      node.type === "TOMLTable" ? readPairs(node.body, node.resolvedKey) : readPairs([node], []),
    );
    return { entries: read.flatMap((one) => one.entries), problems: read.flatMap((one) => one.problems) };
  } catch (thrown) {
    if (!(thrown instanceof ParseError)) throw thrown;
    return { entries: [], problems: [{ line: thrown.lineNumber, problem: `is no TOML: ${thrown.message}` }] };
  }
}

function readPairs(pairs: readonly AST.TOMLKeyValue[], tables: readonly (string | number)[]): TomlReading {
  const read = pairs.map((pair): TomlReading => {
    const names = pair.key.keys.map((part) => (part.type === "TOMLBare" ? part.name : part.value));
    const path = [...tables, ...names];
    const line = pair.loc.start.line;
    const { value } = pair;
    if (value.type === "TOMLInlineTable") return readPairs(value.body, path);
    const key = path.join(".");
    const simple = value.type === "TOMLValue" && !(value.value instanceof Date);
    return simple
      ? { entries: [{ key, text: String(value.value), line }], problems: [] }
      : { entries: [], problems: [{ line, problem: `${key} must be a string` }] };
  });
  return { entries: read.flatMap((one) => one.entries), problems: read.flatMap((one) => one.problems) };
}
