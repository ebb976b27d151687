import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { leftBehind, RUN_VARIABLE, surroundings } from "./leftovers.ts";

test("a file and a process of the run are found, and nothing when they are gone", async () => {
  const runId = `leftovers-${process.pid}`;
  const before = await surroundings(runId);
  const folder = mkdtempSync(join(tmpdir(), "underlay-left-"));
  const child = Bun.spawn(["sleep", "100"], { env: { ...process.env, [RUN_VARIABLE]: runId } });
  try {
    const left = leftBehind(before, await surroundings(runId));
    expect(left).toContain(`file ${folder}`);
    expect(left.find((each) => each.startsWith(`process ${child.pid} in net:`))).toEndWith(": sleep 100");
  } finally {
    child.kill("SIGKILL");
    await child.exited;
    rmSync(folder, { recursive: true });
  }
  const after = leftBehind(before, await surroundings(runId));
  expect(after.filter((each) => each.includes(folder) || each.startsWith("process"))).toEqual([]);
});
