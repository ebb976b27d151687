import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../test/ground/until.ts";
import { type Job, retell, runJobs, type Verdict } from "./jobs.ts";

const job = (name: string, ...argv: string[]): Job => ({ name, run: { argv }, needsRoot: false });

test("jobs are told as they end, and judged by their exit code", async () => {
  const told: string[] = [];
  const verdicts = await runJobs(
    [job("good", "true"), job("bad", "false")],
    {},
    ({ name }) => void told.push(name),
  );
  const of = (name: string) => verdicts.find((verdict) => verdict.name === name);
  expect([of("good")?.passed, of("bad")?.failed]).toEqual([1, 1]);
  expect(told.sort()).toEqual(["bad", "good"]);
});

test("given up, what runs is killed and nothing else is begun", async () => {
  const folder = mkdtempSync(join(tmpdir(), "ul-jobs-"));
  const many = Math.max(2, availableParallelism());
  const long = Array.from({ length: many }, (_, i) =>
    job(
      `long ${i}`,
      "sh",
      "-c",
      `echo $$ >${folder}/new-${i}; mv ${folder}/new-${i} ${folder}/${i}; exec sleep 600`,
    ),
  );
  const giving = new AbortController();
  const told: Verdict[] = [];
  const tell = (verdict: Verdict) => void told.push(verdict);
  const running = runJobs([...long, job("never", "true")], {}, tell, giving.signal);
  const pids = () => long.map((_, i) => join(folder, `${i}`));
  await until("all have begun", async () => pids().every((path) => existsSync(path)));
  giving.abort();
  await running;
  expect(told.map(({ name, failed }) => [name, failed]).sort()).toEqual(long.map(({ name }) => [name, 1]));
  for (const path of pids()) {
    const pid = Number(readFileSync(path, "utf8"));
    expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  }
  rmSync(folder, { recursive: true });
});

test("at the end only what was bad is told again, in short", () => {
  const good: Verdict = {
    name: "good",
    passed: 1,
    failed: 0,
    skipped: 0,
    seconds: 1,
    output: "(pass) all\n",
  };
  const noise = Array.from({ length: 50 }, (_, i) => `line ${i}`);
  const output = [...noise, "error: it broke", "      at somewhere", "(fail) what it says [2.00ms]"].join(
    "\n",
  );
  const bad: Verdict = { ...good, name: "bad", failed: 1, output };
  const dumb: Verdict = { ...good, name: "dumb", failed: 1, output: noise.join("\n") };
  expect(retell([good, bad, dumb]).split("\n")).toEqual([
    "bad, 1 failed, 0 skipped:",
    "  error: it broke",
    "  (fail) what it says [2.00ms]",
    "dumb, 1 failed, 0 skipped:",
    ...noise.slice(-12).map((line) => `  ${line}`),
    "",
  ]);
});
