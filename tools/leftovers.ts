import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { abandonedCgroups } from "../test/ground/cgroup.ts";
import { until } from "../test/ground/until.ts";

/** What tests could leave behind on the machine, by what it is. */
export interface Surroundings {
  readonly links: readonly string[];
  readonly namedNetns: readonly string[];
  readonly mounts: readonly string[];
  readonly processes: readonly string[];
  readonly files: readonly string[];
  readonly cgroups: readonly string[];
}

/** Every process that descends from a test run carries this variable with the run's id. */
export const RUN_VARIABLE = "TEST_RUN_OF_UNDERLAY";

/** What tells the processes and files of a run from those of others on the same machine. */
export interface Run {
  readonly id: string;
  /** Temporary files of the run are made here. */
  readonly tmp: string;
}

export async function surroundings(run: Run): Promise<Surroundings> {
  const links: { ifname: string }[] = await Bun.$`ip -j link`.json();
  return {
    links: links.map((link) => link.ifname),
    namedNetns: entriesOf("/run/netns"),
    mounts: readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .map((line) => line.split(" ")[4] ?? ""),
    processes: processesOf(run.id),
    files: [
      ...["/run", "/var/lib"].flatMap((folder) =>
        entriesOf(folder)
          .filter((name) => name.startsWith("underlay"))
          .map((name) => `${folder}/${name}`),
      ),
      ...entriesOf(run.tmp).map((name) => `${run.tmp}/${name}`),
    ],
    cgroups: abandonedCgroups(),
  };
}

/** What is there now and was not there before, in words: `link ul-abc`. */
export function leftBehind(before: Surroundings, after: Surroundings): string[] {
  const more = (what: string, key: keyof Surroundings) => {
    const known = new Set(before[key]);
    return after[key].filter((each) => !known.has(each)).map((each) => `${what} ${each}`);
  };
  return [
    ...more("link", "links"),
    ...more("netns", "namedNetns"),
    ...more("mount", "mounts"),
    ...more("process", "processes"),
    ...more("file", "files"),
    ...more("cgroup", "cgroups"),
  ];
}

/**
 * What is left when the run is over, after up to 5 s: the kernel takes a moment to remove the links of a netns that
 * ended.
 */
export async function leftAtTheEnd(before: Surroundings, run: Run): Promise<string[]> {
  const left = async () => leftBehind(before, await surroundings(run));
  const clean = await until("nothing is left", async () => (await left()).length === 0, {
    withinMs: 5000,
  }).catch(() => false);
  return clean ? [] : left();
}

/** Processes of a run, each with the network namespace that it holds. */
function processesOf(runId: string): string[] {
  return entriesOf("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => describeProcess(pid, runId) ?? []);
}

/** Undefined for a process of somebody else, and for one that ended while it was looked at. */
function describeProcess(pid: string, runId: string): string | undefined {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
    if (!environment.includes(`${RUN_VARIABLE}=${runId}`)) return undefined;
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    return `${pid} in ${readlinkSync(`/proc/${pid}/ns/net`)}: ${command}`;
  } catch (error) {
    if (
      error instanceof Error &&
      "code" in error &&
      ["ENOENT", "ESRCH", "EACCES"].includes(String(error.code))
    )
      return undefined;
    throw error;
  }
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}
