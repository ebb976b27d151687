import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { importsOf, type Rules, roomOf, type Tree, violations } from "./architecture/check.ts";
import {
  BANS,
  MAX_LINES,
  NOT_A_KIND,
  ROOMS,
  SHARED_BY_KINDS,
  TABLES,
  WHY_KINDS,
} from "./architecture/rules.ts";

const root = join(import.meta.dir, "..");

const rules: Rules = {
  rooms: ROOMS,
  sharedByKinds: SHARED_BY_KINDS,
  notAKind: NOT_A_KIND,
  whyKinds: WHY_KINDS,
  bans: BANS,
  maxLines: MAX_LINES,
  tables: TABLES,
};

async function realTree(): Promise<Tree> {
  const paths = [...new Bun.Glob("{src,test,bench,tools}/**/*.ts").scanSync(root)].sort();
  return new Map(
    await Promise.all(paths.map(async (path) => [path, await Bun.file(join(root, path)).text()] as const)),
  );
}

describe("the tree", () => {
  test("keeps the rules of DESIGN section 2", async () => {
    expect(violations(await realTree(), rules)).toEqual([]);
  });

  test("is read whole: what Bun's own scanner finds, the checker finds too", async () => {
    const transpiler = new Bun.Transpiler({ loader: "ts" });
    const tree = await realTree();
    const missed = [...tree].flatMap(([path, text]) => {
      const ours = importsOf(text).map((found) => found.path);
      return transpiler
        .scanImports(text)
        .filter((found) => !ours.includes(found.path))
        .map((found) => `${path}: ${found.path}`);
    });
    expect(missed).toEqual([]);
    expect([...tree.keys()].filter((path) => roomOf(path) === "lib").length).toBeGreaterThan(5);
  });
});

/** A small tree that keeps all rules; each case below breaks one. */
const GOOD: Readonly<Record<string, string>> = {
  "src/lib/ip.ts": "/** Addresses. */\nexport const ip = 1;\n",
  "src/sys/socket.ts": '/** Sockets. */\nimport { dlopen } from "bun:ffi";\nexport const setns = dlopen;\n',
  "src/store/sqlite.ts": '/** Rows. */\nimport "bun:sqlite";\nexport const x = 1;\n',
  "src/links/driver.ts": '/** The contract. */\nexport type { ip } from "../lib/ip.ts";\n',
  "src/links/parent/find.ts": "/** Finds. */\nexport const find = 1;\n",
  "src/links/macvlan/driver.ts":
    '/** macvlan. */\nimport { find } from "../parent/find.ts";\nexport const up = find;\n',
  "src/links/ipvlan/driver.ts": "/** ipvlan. */\nexport const up = 1;\n",
  "src/engine/engine.ts":
    '/** Orders. */\nimport type { up } from "../links/macvlan/driver.ts";\nexport type Up = typeof up;\n',
  "src/main.ts":
    '/** Which program? */\nimport { ip } from "./lib/ip.ts";\nawait import("./engine/engine.ts");\n',
  "src/engine/engine.test.ts": 'import "../store/sqlite.ts";\ntest.skipIf(no)("x", () => {});\n',
};

const smallRules: Rules = {
  rooms: {
    lib: { may: [], why: "lib is pure" },
    sys: { may: ["lib"], why: "sys is libc" },
    store: { may: ["lib"], why: "rows only" },
    links: { may: ["lib", "sys"], why: "drivers" },
    engine: { may: ["lib", "links"], why: "no kernel" },
    main: { may: "all", eagerly: ["lib"], why: "one program" },
    cni: { may: ["lib"], why: "later", planned: true },
  },
  sharedByKinds: ["parent"],
  notAKind: ["parent", "watch"],
  whyKinds: "kinds change alone",
  bans: BANS.map((ban) => {
    const here = (rooms: readonly string[]) =>
      rooms.filter((room) => ["lib", "sys", "store", "links", "engine", "main"].includes(room));
    return {
      ...ban,
      ...(ban.onlyIn && { onlyIn: here(ban.onlyIn) }),
      ...(ban.neverIn && { neverIn: here(ban.neverIn) }),
    };
  }),
  maxLines: 20,
  tables: [],
};

function broken(
  changes: Readonly<Record<string, string | undefined>>,
  changed: Partial<Rules> = {},
): string[] {
  const files = Object.entries({ ...GOOD, ...changes }).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  return violations(new Map(files), { ...smallRules, ...changed });
}

describe("the checker", () => {
  test("has nothing to say about a good tree", () => {
    expect(broken({})).toEqual([]);
  });

  const doc = "/** X. */\n";
  const long = `${doc}${"// line\n".repeat(25)}export const x = 1;\n`;
  const cases: readonly [what: string, path: string, text: string, says: string][] = [
    [
      "an import that the table forbids",
      "src/lib/x.ts",
      `${doc}import "../sys/socket.ts";`,
      "lib may not import sys: lib is pure",
    ],
    [
      "a forbidden import of a type",
      "src/lib/x.ts",
      `${doc}import type { a } from "../sys/socket.ts";`,
      "lib is pure",
    ],
    [
      "an import of one type among values",
      "src/lib/x.ts",
      `${doc}import {\n  type a,\n} from "../sys/socket.ts";`,
      "lib is pure",
    ],
    ["a forbidden re-export", "src/lib/x.ts", `${doc}export * from "../sys/socket.ts";`, "lib is pure"],
    [
      "a forbidden lazy import",
      "src/lib/x.ts",
      `${doc}export const f = () => import("../sys/socket.ts");`,
      "lib is pure",
    ],
    [
      "a worker script in another room",
      "src/lib/x.ts",
      `${doc}new Worker(new URL("../sys/socket.ts", import.meta.url));`,
      "lib is pure",
    ],
    ["an import out of src", "src/lib/x.ts", `${doc}import "../../help.ts";`, "outside of src"],
    ["main loading a program eagerly", "src/main.ts", `${doc}import "./engine/engine.ts";`, "one program"],
    [
      "a kind that imports another",
      "src/links/macvlan/x.ts",
      `${doc}import "../ipvlan/driver.ts";`,
      "macvlan may not import ipvlan: kinds change alone",
    ],
    [
      "the contract importing a kind",
      "src/links/x.ts",
      `${doc}import "./macvlan/driver.ts";`,
      "may not import macvlan",
    ],
    [
      "parent importing a kind",
      "src/links/parent/x.ts",
      `${doc}import "../macvlan/driver.ts";`,
      "parent may not import macvlan",
    ],
    ["FFI outside of sys", "src/links/x.ts", `${doc}import "bun:ffi";`, "has bun:ffi"],
    ["SQLite outside of store", "src/engine/x.ts", `${doc}import "bun:sqlite";`, "has bun:sqlite"],
    ["setns outside of sys", "src/engine/x.ts", `${doc}libc.setns(3, 0);`, "has setns or unshare (setns)"],
    [
      "the environment in a room that is handed its settings",
      "src/links/x.ts",
      `${doc}export const x = process.env["A"];`,
      "has process.env",
    ],
    [
      "a protocol's verb in the engine",
      "src/engine/x.ts",
      `${doc}export function JoinRequest() {}`,
      "(JoinRequest)",
    ],
    ["a protocol's verb in capitals", "src/engine/x.ts", `${doc}export const verb = { ADD: 1 };`, "(ADD)"],
    ["I/O in a pure room", "src/lib/x.ts", `${doc}import { readFileSync } from "node:fs";`, "has I/O"],
    [
      "link state from sysfs",
      "src/links/x.ts",
      `${doc}export const path = "/sys/class/net/eth0/mtu";`,
      "has link state from sysfs",
    ],
    ["a started process", "src/links/x.ts", `${doc}Bun.spawnSync(["ip"]);`, "has a started process"],
    ["a child process", "src/links/x.ts", `${doc}import "node:child_process";`, "has another program"],
    [
      "an import of golden bytes",
      "src/links/x.ts",
      `${doc}import "./link.golden.ts";`,
      "has a test or a tool",
    ],
    ["mutable state of a module", "src/lib/x.ts", `${doc}let count = 0;`, "has module-level mutable state"],
    [
      "a file without a purpose",
      "src/lib/x.ts",
      "export const x = 1;\n  /** Of a member. */\n",
      "does not say what it is for",
    ],
    ["a file that is too long", "src/lib/x.ts", long, "more than 20"],
    ["a room without a rule", "src/misc/x.ts", doc, "src/misc has no rule"],
    ["a planned room that came", "src/cni/x.ts", doc, "no longer planned"],
    ["a skipped test", "src/lib/x.test.ts", 'test.skip("later", () => {});', "has test.skip"],
    [
      "a lonely test outside of src",
      "test/x.test.ts",
      'describe.only("mine", () => {});',
      "has describe.only",
    ],
  ];
  for (const [what, path, text, says] of cases) {
    test(`sees ${what}`, () => {
      const found = broken({ [path]: text });
      expect(found).toHaveLength(1);
      expect(found[0]).toStartWith(path.startsWith("src/misc") || path.startsWith("src/cni") ? "src/" : path);
      expect(found[0]).toContain(says);
    });
  }

  test("sees a rule for a room that is gone", () => {
    expect(broken({ "src/sys/socket.ts": undefined })).toEqual([
      "the rule for src/sys names a room that does not exist",
    ]);
  });

  test("sees a rule that names no room, and a table that is no file", () => {
    const rooms = { ...smallRules.rooms, lib: { may: ["nowhere"], why: "" } };
    expect(broken({}, { rooms })).toEqual(['a rule allows or bans "nowhere", which is no room']);
    expect(broken({}, { tables: ["src/lib/gone.ts"] })).toEqual(["the table src/lib/gone.ts does not exist"]);
    expect(broken({ "src/lib/x.ts": long }, { tables: ["src/lib/x.ts"] })).toEqual([]);
  });

  test("does not take comments and strings for code", () => {
    const text = `${doc}// import "../sys/socket.ts"; setns\nexport const s = "process.env setns"; /* unshare */\nexport const t = \`setns\`;\n`;
    expect(broken({ "src/lib/x.ts": text })).toEqual([]);
  });
});
