import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { leftAtTheEnd, leftBehind, RUN_VARIABLE, surroundings } from "./leftovers.ts";

test("what is left is named, and what others make meanwhile is not taken for it", async () => {
  const run = { id: `others-${process.pid}`, tmp: mkdtempSync(join(tmpdir(), "ul-")) };
  const before = await surroundings(run);
  const strange = mkdtempSync(join(tmpdir(), "strange-"));
  try {
    expect(await leftAtTheEnd(before, run)).not.toContain(`file ${strange}`);
    writeFileSync(join(run.tmp, "left"), "");
    expect(await leftAtTheEnd(before, run)).toContain(`file ${run.tmp}/left`);
  } finally {
    rmSync(strange, { recursive: true });
    rmSync(run.tmp, { recursive: true });
  }
}, 15_000);

test("a file and a process of the run are found, and nothing when they are gone", async () => {
  const run = { id: `leftovers-${process.pid}`, tmp: mkdtempSync(join(tmpdir(), "ul-")) };
  const before = await surroundings(run);
  const file = join(run.tmp, "left");
  writeFileSync(file, "");
  const child = Bun.spawn(["sleep", "100"], { env: { ...process.env, [RUN_VARIABLE]: run.id } });
  try {
    const left = leftBehind(before, await surroundings(run));
    expect(left).toContain(`file ${file}`);
    expect(left.find((each) => each.startsWith(`process ${child.pid} in net:`))).toEndWith(": sleep 100");
  } finally {
    child.kill("SIGKILL");
    await child.exited;
    rmSync(run.tmp, { recursive: true });
  }
  const after = leftBehind(before, await surroundings(run));
  expect(after.filter((each) => each.includes(file) || each.startsWith("process"))).toEqual([]);
});
