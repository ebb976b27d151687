import type { Job } from "./jobs.ts";

/** Which test file belongs to which job. Everything that ends in `.test.ts` belongs to one. */

interface Group {
  readonly name: string;
  readonly belongs: RegExp;
  /** One job for all files, or one for each: files with dockerds of their own gain from running side by side. */
  readonly jobs: "one" | "each";
  /** Of one test, unless it says otherwise itself. */
  readonly timeoutMs: number;
  readonly needsRoot: boolean;
}

/** Longest first, so that the last to finish is a short one. The first that matches counts. */
const GROUPS: readonly Group[] = [
  { name: "lab", belongs: /^test\/lab\//, jobs: "each", timeoutMs: 120_000, needsRoot: true },
  { name: "clients", belongs: /^test\/clients\//, jobs: "each", timeoutMs: 120_000, needsRoot: true },
  {
    name: "switch",
    belongs: /^test\/live\/(?:cni-ovs|gateway-|nat-|openflow|ovs)/,
    jobs: "one",
    timeoutMs: 60_000,
    needsRoot: true,
  },
  { name: "live", belongs: /^test\/live\//, jobs: "one", timeoutMs: 60_000, needsRoot: true },
  { name: "packages", belongs: /^test\/packages\//, jobs: "each", timeoutMs: 120_000, needsRoot: true },
  {
    name: "unit",
    belongs: /^(src|tools)\/|^test\/architecture/,
    jobs: "one",
    timeoutMs: 10_000,
    needsRoot: false,
  },
  { name: "abi", belongs: /^test\/abi\//, jobs: "one", timeoutMs: 60_000, needsRoot: false },
  { name: "other", belongs: /./, jobs: "each", timeoutMs: 60_000, needsRoot: false },
];

/** Types and lint: what can be judged without running anything of ours. */
export const STATIC_JOBS: readonly Job[] = [
  { name: "types", run: { argv: ["node_modules/.bin/tsc", "-p", "."] }, needsRoot: false },
  {
    name: "lint",
    run: { argv: ["node_modules/.bin/biome", "ci", "--diagnostic-level=warn", "."] },
    needsRoot: false,
  },
];

/** The test jobs over the files given, of all groups or only of those named. */
export function testJobs(files: readonly string[], only?: readonly string[]): Job[] {
  const groupOf = (file: string) => GROUPS.find((group) => group.belongs.test(file));
  return GROUPS.filter((group) => only === undefined || only.includes(group.name)).flatMap((group) => {
    const mine = files.filter((file) => groupOf(file) === group).sort();
    if (mine.length === 0) return [];
    const job = (name: string, some: readonly string[]): Job => ({
      name,
      run: { files: some, timeoutMs: group.timeoutMs },
      needsRoot: group.needsRoot,
    });
    return group.jobs === "one" ? [job(group.name, mine)] : mine.map((file) => job(file, [file]));
  });
}

/** All test files of the repository. */
export function testFiles(): string[] {
  return ["src", "test", "tools", "bench"].flatMap((room) => [...filesBelow(room)]);
}

function filesBelow(room: string): Iterable<string> {
  return new Bun.Glob(`${room}/**/*.test.ts`).scanSync(".");
}
