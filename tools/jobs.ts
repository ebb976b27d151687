import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";

/** Programs that judge the tree, run side by side, and what they found. */

export interface Job {
  readonly name: string;
  /** Test files for `bun test`; or a program that says yes or no by its exit code. */
  readonly run:
    | { readonly files: readonly string[]; readonly timeoutMs: number }
    | { readonly argv: readonly string[] };
  readonly needsRoot: boolean;
}

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export interface Verdict extends Counts {
  readonly name: string;
  readonly seconds: number;
  readonly output: string;
}

/** A job that takes longer hangs. */
const MOST_MS = 20 * 60_000;

const NOT_RUN = { passed: 0, failed: 0, skipped: 1, seconds: 0 } as const;

const BUN = "node_modules/.bin/bun";

/**
 * Runs all jobs, as many at a time as there are cores, in the order given; tells each verdict as it comes. When it is
 * given up, what runs is killed, and no other is begun.
 */
export async function runJobs(
  jobs: readonly Job[],
  env: Readonly<Record<string, string>>,
  tell: (verdict: Verdict) => void,
  givenUp: AbortSignal = new AbortController().signal,
): Promise<Verdict[]> {
  const waiting = [...jobs];
  const verdicts: Verdict[] = [];
  const worker = async () => {
    for (let job = waiting.shift(); job !== undefined && !givenUp.aborted; job = waiting.shift()) {
      const verdict = await runJob(job, env, givenUp);
      verdicts.push(verdict);
      tell(verdict);
    }
  };
  await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, worker));
  return verdicts;
}

async function runJob(
  job: Job,
  env: Readonly<Record<string, string>>,
  givenUp: AbortSignal,
): Promise<Verdict> {
  if (job.needsRoot && process.getuid?.() !== 0)
    return { name: job.name, ...NOT_RUN, output: `${job.name}: not run, because it needs root` };
  const folder = mkdtempSync(join(tmpdir(), "underlay-junit-"));
  const report = join(folder, "report.xml");
  try {
    const started = performance.now();
    const child = Bun.spawn(argvOf(job, report), {
      env: { ...process.env, ...env },
      stdin: "ignore",
      timeout: MOST_MS,
      killSignal: "SIGKILL",
      signal: givenUp,
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, err, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    const seconds = (performance.now() - started) / 1000;
    return { name: job.name, seconds, output: out + err, ...countsOf(job, report, code) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function argvOf(job: Job, report: string): string[] {
  if ("argv" in job.run) return [...job.run.argv];
  const { files, timeoutMs } = job.run;
  const reporter = ["--reporter=junit", `--reporter-outfile=${report}`];
  return [BUN, "test", ...reporter, `--timeout=${timeoutMs}`, ...files.map((file) => `./${file}`)];
}

/** A run that fails without a failed test (a crash, an error between tests, an early exit, no test at all) counts as one failure. */
function countsOf(job: Job, report: string, code: number): Counts {
  if ("argv" in job.run) return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
  const { tests, failures, skipped } = totalsIn(report);
  const failed = (code !== 0 || tests === 0) && failures === 0 ? 1 : failures;
  return { passed: tests - failures - skipped, failed, skipped };
}

function totalsIn(report: string): { tests: number; failures: number; skipped: number } {
  let head = "";
  try {
    head = /<testsuites [^>]*>/.exec(readFileSync(report, "utf8"))?.[0] ?? "";
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
  const number = (name: string) => Number(new RegExp(` ${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  return { tests: number("tests"), failures: number("failures"), skipped: number("skipped") };
}

/** Adds up. */
export function total(verdicts: readonly Counts[]): Counts {
  const sum = (pick: (counts: Counts) => number) => verdicts.reduce((all, one) => all + pick(one), 0);
  return {
    passed: sum((one) => one.passed),
    failed: sum((one) => one.failed),
    skipped: sum((one) => one.skipped),
  };
}

/** Tells a verdict in one line, and everything that was printed when it is bad. */
export function describeVerdict(verdict: Verdict): string {
  const { name, passed, failed, skipped, seconds } = verdict;
  const line = `${name}: ${passed} passed, ${failed} failed, ${skipped} skipped (${seconds.toFixed(1)} s)\n`;
  return failed > 0 || skipped > 0 ? `${verdict.output}\n${line}` : line;
}

/** What `bun test` prints of a test that failed, and of an error anywhere. */
const TELLING = /^(\(fail\)|error:|\s*Received:|\s*Expected:)/;
const MOST_LINES = 12;

/** What was bad, once more and in short: where only the end of the output is kept, it is all there is to go by. */
export function retell(verdicts: readonly Verdict[]): string {
  return verdicts
    .filter(({ failed, skipped }) => failed > 0 || skipped > 0)
    .map(({ name, failed, skipped, output }) => {
      const lines = output.split("\n").filter((line) => line.trim() !== "");
      const telling = lines.filter((line) => TELLING.test(line));
      const kept = (telling.length > 0 ? telling : lines).slice(-MOST_LINES);
      return [`${name}, ${failed} failed, ${skipped} skipped:`, ...kept.map((line) => `  ${line}`), ""].join(
        "\n",
      );
    })
    .join("");
}
