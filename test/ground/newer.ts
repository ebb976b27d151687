import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { must } from "./run.ts";

const REPOSITORY = resolve(import.meta.dir, "../..");

/** A release of tomorrow, built from today's source: another version, and one more step of the database's schema. */
export async function buildNewer(version: string): Promise<{ readonly program: string } & Disposable> {
  using undo = new DisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "underlay-newer-"));
  undo.defer(() => rmSync(folder, { recursive: true }));
  for (const part of ["src", "packaging", "tools", "package.json", "tsconfig.json"])
    cpSync(join(REPOSITORY, part), join(folder, part), { recursive: true });
  symlinkSync(join(REPOSITORY, "node_modules"), join(folder, "node_modules"));
  replaceIn(join(folder, "package.json"), /"version": "[^"]+"/, `"version": "${version}"`);
  replaceIn(
    join(folder, "src/store/schema.ts"),
    /\n\];\n\nexport const SCHEMA_VERSION/,
    '\n  ["CREATE TABLE tomorrow (id TEXT) STRICT"],\n];\n\nexport const SCHEMA_VERSION',
  );
  const program = join(folder, "underlay");
  await must([join(folder, "tools/build.sh"), program], { timeoutMs: 60_000 });
  const owned = undo.move();
  return { program, [Symbol.dispose]: () => owned.dispose() };
}

function replaceIn(path: string, pattern: RegExp, text: string): void {
  const before = readFileSync(path, "utf8");
  if (!pattern.test(before)) throw new Error(`${path} does not look as it did: ${pattern}`);
  writeFileSync(path, before.replace(pattern, text));
}
