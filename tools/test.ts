import { randomUUID } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeAbandonedCgroups } from "../test/ground/cgroup.ts";
import { AGES, findEngine } from "../test/ground/engines.ts";
import { findSwitch } from "../test/ground/ovs.ts";
import { STATIC_JOBS, testFiles, testJobs } from "./groups.ts";
import { describeVerdict, retell, runJobs, total, type Verdict } from "./jobs.ts";
import { leftAtTheEnd, RUN_VARIABLE, surroundings } from "./leftovers.ts";

// `make test`: everything, and then a look round whether the tests left something on the machine.
// Arguments name the groups to run; without any it is all of them, types and lint included.
const only = process.argv.length > 2 ? process.argv.slice(2) : undefined;
const say = (text: string) => process.stdout.write(text);
const run = { id: randomUUID(), tmp: mkdtempSync(join(tmpdir(), "ul-")) };
// Some tests become another user, who has to get through.
chmodSync(run.tmp, 0o711);
if (process.getuid?.() === 0) removeAbandonedCgroups();
const before = await surroundings(run);

if (process.getuid?.() === 0) {
  // Made here, before tests that run side by side all ask for them.
  for (const { age, version, root } of await Promise.all(AGES.map(findEngine)))
    say(`dockerd, ${age}: ${version} in ${root}\n`);
  for (const { age, version, root } of await Promise.all(AGES.map(findSwitch)))
    say(`Open vSwitch, ${age}: ${version} in ${root}\n`);
}
const jobs = [...testJobs(testFiles(), only), ...(only === undefined ? STATIC_JOBS : [])];
const verdicts = await runJobs(
  jobs,
  { [RUN_VARIABLE]: run.id, TMPDIR: run.tmp },
  (verdict) => say(describeVerdict(verdict)),
  givenUp(),
);
const tidy = await tidiness();
say(describeVerdict(tidy));
rmSync(run.tmp, { recursive: true });

say(retell([...verdicts, tidy]));
const { passed, failed, skipped } = total([...verdicts, tidy]);
const good =
  failed === 0 && verdicts.some((verdict) => verdict.passed > 0) && !(skipped > 0 && process.env["CI"]);
say(`${passed} passed, ${failed} failed, ${skipped} skipped\n`);
process.exit(good ? 0 : 1);

/** A test that is killed takes its hosts and guests with it; left alone it would go on without anybody to hear of it. */
function givenUp(): AbortSignal {
  const giving = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => giving.abort());
  return giving.signal;
}

/** One more test: nothing of ours is left. */
async function tidiness(): Promise<Verdict> {
  const started = performance.now();
  const left = await leftAtTheEnd(before, run);
  const clean = left.length === 0;
  return {
    name: "nothing left behind",
    passed: clean ? 1 : 0,
    failed: clean ? 0 : 1,
    skipped: 0,
    seconds: (performance.now() - started) / 1000,
    output: clean ? "" : `left behind:\n  ${left.join("\n  ")}\n`,
  };
}
