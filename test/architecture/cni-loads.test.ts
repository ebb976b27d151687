import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { PLUGIN_NAMES } from "../../src/cni/plugins.ts";
import { importsOf, roomOf } from "./check.ts";

/**
 * What a CNI process loads is most of its time (DESIGN 3): `node:fs` alone is 1.6 ms of it, SQLite 2. Read from the
 * imports, not from a run: a module that is loaded by one plugin in one case counts as well.
 */

const root = join(import.meta.dir, "../..");

interface Loaded {
  readonly files: ReadonlySet<string>;
  /** Modules of others, each with the file that imports it. */
  readonly foreign: ReadonlyMap<string, string>;
}

/** All that is there once these files have been imported. */
function loadedBy(...entries: readonly string[]): Loaded {
  const files = new Set<string>();
  const foreign = new Map<string, string>();
  const visit = (file: string): void => {
    if (files.has(file)) return;
    files.add(file);
    for (const { path, lazy } of file.endsWith(".ts")
      ? importsOf(readFileSync(join(root, file), "utf8"))
      : []) {
      if (lazy) continue;
      if (path.startsWith(".")) visit(posix.join(posix.dirname(file), path));
      else foreign.set(path, file);
    }
  };
  entries.forEach(visit);
  return { files, foreign };
}

const WIRING = "src/wiring/cni.ts";

/** Loaded by a GC, which walks all namespaces and is in no hurry. */
const OF_GC = "src/wiring/strays.ts";

/** What a file imports when it is asked for it. */
function lazyImports(file: string): string[] {
  return importsOf(readFileSync(join(root, file), "utf8"))
    .filter(({ path, lazy }) => lazy && path.startsWith("."))
    .map(({ path }) => posix.join(posix.dirname(file), path));
}

/** The modules that the wiring imports for one plugin or another; of some it makes the parts in a file of their own. */
function pluginModules(): string[] {
  const direct = lazyImports(WIRING);
  const parts = direct.filter((path) => path.includes("/wiring/") && path !== OF_GC);
  const rooms = /\/(cni\/plugins|cni\/ipam|engine|store)\//;
  return [...parts, ...[...direct, ...parts.flatMap(lazyImports)].filter((path) => rooms.test(path))];
}

test("a plugin loads no module of others but FFI", () => {
  const { foreign } = loadedBy("src/main.ts", WIRING, ...pluginModules());
  expect([...foreign.keys()]).toEqual(["bun:ffi"]);
});

test("a plugin loads no daemon, no command line, no Docker, no judgement of hosts", () => {
  const { files } = loadedBy("src/main.ts", WIRING, ...pluginModules());
  const rooms = new Set([...files].map((file) => roomOf(file)));
  for (const room of ["daemon", "docker", "conditions", "install", "wiring.ts"])
    expect(rooms).not.toContain(room);
  expect([...files].filter((file) => roomOf(file) === "cli")).toEqual(["src/cli/version.ts"]);
  expect([...files].filter((file) => file.includes("sqlite"))).toEqual([]);
});

test("the state database is loaded for parents that we made or must make, and for nothing else", () => {
  const opening = "src/wiring/parent-users.ts";
  expect([...loadedBy(opening).files]).toContain("src/store/sqlite.ts");
  expect(lazyImports("src/wiring/attachments.ts")).toContain(opening);
  expect([...loadedBy("src/wiring/attachments.ts", "src/engine/attach.ts").files]).not.toContain(opening);
});

test("OVSDB is loaded by the plugin for Open vSwitch, and by nobody else", () => {
  const own = "src/wiring/ovs.ts";
  const roomsOf = (...entries: readonly string[]) =>
    new Set([...loadedBy(...entries).files].map((file) => roomOf(file)));
  expect(roomsOf(own)).toContain("ovsdb");
  expect(roomsOf(WIRING, ...pluginModules().filter((path) => path !== own))).not.toContain("ovsdb");
  // Nor what a bridge of Open vSwitch does not need: rules of nftables.
  expect([...loadedBy(own).files].filter((file) => file.includes("nft"))).toEqual([]);
});

test("no plugin loads another's module", () => {
  const modules = pluginModules();
  const named = PLUGIN_NAMES.flatMap((name) => [`src/cni/plugins/${name}.ts`, `src/cni/ipam/${name}.ts`]);
  const own = named.filter((file) => existsSync(join(root, file)));
  expect(own.length).toBeGreaterThan(4);
  for (const module of own) {
    const others = own.filter((other) => other !== module);
    expect([...loadedBy(module).files].filter((file) => others.includes(file))).toEqual([]);
  }
  const eager = loadedBy(WIRING).files;
  expect(modules.filter((module) => eager.has(module))).toEqual([]);
});

test("a netavark plugin loads as little, and nothing of CNI's", () => {
  const { files, foreign } = loadedBy("src/main.ts", "src/wiring/netavark.ts");
  expect([...foreign.keys()]).toEqual(["bun:ffi"]);
  const rooms = new Set([...files].map((file) => roomOf(file)));
  for (const room of ["cni", "daemon", "docker", "conditions", "install"]) expect(rooms).not.toContain(room);
  expect([...files].filter((file) => file.includes("sqlite"))).toEqual([]);
});

test("main itself loads next to nothing, so that VERSION opens nothing", () => {
  const { files, foreign } = loadedBy("src/main.ts");
  expect([...foreign.keys()]).toEqual([]);
  expect([...files]).toEqual(["src/main.ts"]);
});
