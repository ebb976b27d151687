import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { soleMigrator } from "./daemon.ts";

test("one moves networks at a time", () => {
  const runDir = mkdtempSync(join(tmpdir(), "underlay-sole-"));
  {
    using _first = soleMigrator(runDir);
    expect(() => soleMigrator(runDir)).toThrow("another `underlay migrate` is at work");
  }
  soleMigrator(runDir)[Symbol.dispose]();
  rmSync(runDir, { recursive: true });
});
