import { posix } from "node:path";
import type { Ban, Room } from "./rules.ts";

/** The checker of the import table. It works on texts by path, so that a test can hand it a tree that breaks a rule. */

/** Path from the repository root, `src/lib/ip.ts`, to the file's text. */
export type Tree = ReadonlyMap<string, string>;

export interface Rules {
  readonly rooms: Readonly<Record<string, Room>>;
  readonly sharedByKinds: readonly string[];
  readonly notAKind: readonly string[];
  readonly whyKinds: string;
  readonly bans: readonly Ban[];
  readonly maxLines: number;
  readonly tables: readonly string[];
}

export interface Import {
  /** As written: `../lib/ip.ts`, `bun:ffi`, `valibot`. */
  readonly path: string;
  /** Loaded when asked for, or only a type. */
  readonly lazy: boolean;
}

const COMMENT = /\/\*[\s\S]*?\*\/|(^|[\s;{}(,])\/\/[^\n]*/g;
const STRING = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g;
const STATIC = /\b(?:import|export)\s+(type\s+)?(?:[\w$*{}\s,]+?\s+from\s+)?["']([^"'\n]+)["']/g;
const LAZY = /\bimport\(\s*["'`]([^"'`\n]+)["'`]|\bnew URL\(\s*["'](\.[^"'\n]+)["']/g;

/** Every import of a file: static, re-exported, lazy, of types only, and the script of a worker. */
export function importsOf(text: string): Import[] {
  const code = text.replace(COMMENT, "$1");
  const eager = [...code.matchAll(STATIC)].map(([, type, path = ""]) => ({ path, lazy: type !== undefined }));
  const lazy = [...code.matchAll(LAZY)].map(([, module, script]) => ({
    path: module ?? script ?? "",
    lazy: true,
  }));
  return [...eager, ...lazy];
}

/** What is left of a file when comments and strings are gone. */
export function codeOf(text: string): string {
  return text.replace(COMMENT, "$1").replace(STRING, '""');
}

/** `src/lib/ip.ts` → `lib`, `src/main.ts` → `main`, anything outside of src → undefined. */
export function roomOf(path: string): string | undefined {
  const [top, second = ""] = path.split("/");
  return top === "src" ? second.replace(/\.ts$/, "") : undefined;
}

const isTest = (path: string) => path.endsWith(".test.ts");
const isGolden = (path: string) => path.endsWith(".golden.ts");
const targetOf = (file: string, path: string) =>
  path.startsWith(".") ? posix.join(posix.dirname(file), path) : path;

/** All that is wrong with a tree, one line each, the reason of the rule with it. */
export function violations(tree: Tree, rules: Rules): string[] {
  const shipped = [...tree].filter(
    ([path]) => path.startsWith("src/") && path.endsWith(".ts") && !isTest(path),
  );
  return [
    ...roomViolations(tree, rules),
    ...shipped.flatMap(([path, text]) => [
      ...importViolations(path, text, rules),
      ...kindViolations(path, text, rules),
      ...banViolations(path, text, rules),
      ...shapeViolations(path, text, rules),
    ]),
    ...[...tree].flatMap(([path, text]) => (isTest(path) ? mutedTests(path, text) : [])),
  ];
}

/** Rules and folders name each other, exactly. */
function roomViolations(tree: Tree, rules: Rules): string[] {
  const rooms = new Set([...tree.keys()].map(roomOf).filter((room) => room !== undefined));
  const known = Object.keys(rules.rooms);
  const named = [
    ...known.flatMap((room) => {
      const { may, eagerly = [] } = rules.rooms[room] ?? { may: [] };
      return [...(may === "all" ? [] : may), ...eagerly];
    }),
    ...rules.bans.flatMap((ban) => [...(ban.onlyIn ?? []), ...(ban.neverIn ?? [])]),
  ];
  return [
    ...[...rooms]
      .filter((room) => !known.includes(room))
      .map((room) => `src/${room} has no rule: every room says what it may import`),
    ...known
      .filter((room) => !rooms.has(room) && !rules.rooms[room]?.planned)
      .map((room) => `the rule for src/${room} names a room that does not exist`),
    ...known
      .filter((room) => rooms.has(room) && rules.rooms[room]?.planned)
      .map((room) => `src/${room} exists: its rule is no longer planned`),
    ...[...new Set(named)]
      .filter((room) => !known.includes(room))
      .map((room) => `a rule allows or bans "${room}", which is no room`),
    ...rules.tables.filter((path) => !tree.has(path)).map((path) => `the table ${path} does not exist`),
  ];
}

function importViolations(path: string, text: string, rules: Rules): string[] {
  const room = roomOf(path) ?? "";
  const rule = rules.rooms[room];
  if (rule === undefined) return [];
  return importsOf(text).flatMap((found) => {
    const target = targetOf(path, found.path);
    const other = roomOf(target);
    // Texts, which are built in.
    if (target === "package.json" || target.startsWith("packaging/")) return [];
    if (found.path.startsWith(".") && other === undefined)
      return [`${path} imports ${target}, which is outside of src`];
    if (other === undefined || other === room) return [];
    if (rule.may !== "all" && !rule.may.includes(other))
      return [`${path} imports ${target}, but ${room} may not import ${other}: ${rule.why}`];
    if (rule.eagerly && !found.lazy && !rule.eagerly.includes(other))
      return [
        `${path} imports ${target} eagerly; ${room} imports ${other} by \`() => import(…)\`: ${rule.why}`,
      ];
    return [];
  });
}

/** `src/links/macvlan/driver.ts` → `macvlan`; a file directly in links → "" . */
function folderInLinks(path: string): string | undefined {
  const [, room, third, ...rest] = path.split("/");
  if (room !== "links") return undefined;
  return rest.length > 0 ? third : "";
}

function kindViolations(path: string, text: string, rules: Rules): string[] {
  const from = folderInLinks(path);
  if (from === undefined) return [];
  const allowed = rules.notAKind.includes(from) ? rules.notAKind : rules.sharedByKinds;
  return importsOf(text).flatMap((found) => {
    const target = targetOf(path, found.path);
    const to = folderInLinks(target);
    if (to === undefined || to === "" || to === from || allowed.includes(to)) return [];
    return [
      `${path} imports ${target}, but ${from === "" ? "the contract of links" : from} may not import ${to}: ${rules.whyKinds}`,
    ];
  });
}

function banViolations(path: string, text: string, rules: Rules): string[] {
  const room = roomOf(path) ?? "";
  return rules.bans.flatMap((ban) => {
    const allowed = ban.onlyIn?.includes(room) ?? (ban.neverIn !== undefined && !ban.neverIn.includes(room));
    if (allowed) return [];
    const where = textsOf(text)[ban.in];
    const hit = where.map((piece) => ban.pattern.exec(piece)?.[0]).find((match) => match !== undefined);
    return hit === undefined
      ? []
      : [`${path} has ${ban.what} (${hit.trim()}), which ${room} may not have: ${ban.why}`];
  });
}

function textsOf(text: string): Readonly<Record<Ban["in"], readonly string[]>> {
  return {
    imports: importsOf(text).map((found) => found.path),
    code: [codeOf(text)],
    text: [text.replace(COMMENT, "$1")],
  };
}

function shapeViolations(path: string, text: string, rules: Rules): string[] {
  if (isGolden(path)) return [];
  const lines = text.trimEnd().split("\n").length;
  return [
    ...(lines > rules.maxLines && !rules.tables.includes(path)
      ? [`${path} has ${lines} lines, more than ${rules.maxLines}: it is asking to be two files`]
      : []),
    ...(!/^\/\*\*/m.test(text)
      ? [`${path} does not say what it is for: a /** comment */ heads the file or its main export`]
      : []),
  ];
}

function mutedTests(path: string, text: string): string[] {
  const hit =
    /\b(?:test|it|describe)\s*\.\s*(?:skip|only|todo|failing)\b(?!\w)|\b(?:xit|xtest|xdescribe)\(/.exec(
      codeOf(text),
    );
  return hit ? [`${path} has ${hit[0]}: a test runs, or says why it cannot and is counted (skipIf)`] : [];
}
