import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { importsOf } from "./check.ts";

/**
 * Which modules a CNI process loads: every one of them is read and evaluated before the first line of work, in a process
 * that lives some milliseconds. Measured on the way here, CPU time of a compiled program: node:fs 1.6 ms, node:path 0.4,
 * process.stdout 7, all of the CLI 9.
 */

const src = join(import.meta.dir, "../../src");

/** What the file loads when it is loaded itself: not types, and not `import()`. */
function eager(path: string): { readonly own: string[]; readonly outside: string[] } {
  const found = importsOf(readFileSync(join(src, path), "utf8")).filter(({ lazy }) => !lazy);
  const own = found.filter((each) => each.path.startsWith("."));
  return {
    own: own.map((each) => normalize(join(dirname(path), each.path))),
    outside: found.filter((each) => !each.path.startsWith(".")).map((each) => each.path),
  };
}

function closure(...roots: readonly string[]): { readonly own: Set<string>; readonly outside: Set<string> } {
  const own = new Set<string>();
  const outside = new Set<string>();
  const todo = [...roots];
  for (let path = todo.pop(); path !== undefined; path = todo.pop()) {
    if (own.has(path) || !path.endsWith(".ts")) continue;
    own.add(path);
    const loads = eager(path);
    todo.push(...loads.own);
    for (const name of loads.outside) outside.add(name);
  }
  return { own, outside };
}

const PLUGINS = ["macvlan", "ipvlan", "vlan", "dummy", "loopback", "host-local", "static"]
  .flatMap((name) => [`cni/plugins/${name}.ts`, `cni/ipam/${name}.ts`])
  .filter((path) => existsSync(join(src, path)));

test("main itself loads nothing", () => {
  expect([...closure("main.ts").own]).toEqual(["main.ts"]);
  expect([...closure("main.ts").outside]).toEqual([]);
});

test("VERSION loads one module", () => {
  expect([...closure("cni/versions.ts").own]).toEqual(["cni/versions.ts"]);
});

test("a CNI process has nothing of node, no database and no program but its own", () => {
  expect(PLUGINS.length).toBeGreaterThan(3);
  const { own, outside } = closure("wiring/cni.ts", "cni/plugins/on-parent.ts", ...PLUGINS);
  expect([...outside]).toEqual(["bun:ffi"]);
  const rooms = new Set([...own].map((path) => path.split("/")[0]?.replace(/\.ts$/, "")));
  for (const room of ["daemon", "docker", "conditions", "install"]) expect(rooms).not.toContain(room);
  expect([...own].filter((path) => path.startsWith("cli/"))).toEqual(["cli/version.ts"]);
  expect([...own].filter((path) => path.startsWith("engine/")).length).toBeLessThan(10);
});
