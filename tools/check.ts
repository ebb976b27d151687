import { STATIC_JOBS, testFiles, testJobs } from "./groups.ts";
import { describeVerdict, runJobs, total } from "./jobs.ts";

// `make check`: types, lint, architecture and unit tests. Needs no root and no other program.
const jobs = [...STATIC_JOBS, ...testJobs(testFiles(), ["unit"])];
const verdicts = await runJobs(jobs, {}, (verdict) => process.stdout.write(describeVerdict(verdict)));
const { passed, failed, skipped } = total(verdicts);
process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`);
process.exit(failed > 0 ? 1 : 0);
