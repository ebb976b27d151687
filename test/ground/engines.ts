import { resolve } from "node:path";
import { must, run } from "./run.ts";

/** The two ages of Docker that the tests run against: the oldest and the newest that Debian ships. */
export const AGES = ["oldest", "newest"] as const;
export type Age = (typeof AGES)[number];

export interface DockerEngine {
  readonly age: Age;
  /** Folder that becomes the read-only root of a private host; `/` when the machine's own dockerd is of this age. */
  readonly root: string;
  /** Search path inside that root. */
  readonly path: string;
  /** `20.10.24+dfsg1` */
  readonly version: string;
}

const DEBIAN_PATH = "/usr/sbin:/usr/bin:/sbin:/bin";
const SUITES: Record<Age, string> = { oldest: "bookworm", newest: "sid" };
const IS_OF_AGE: Record<Age, (major: number) => boolean> = {
  oldest: (major) => major === 20,
  newest: (major) => major >= 28,
};

/**
 * Finds the dockerd of an age: the machine's own when it is of that age, otherwise the one in a private Debian root
 * folder, which is made when it is missing (about 25 s and 450 MB). The machine's own Docker is never started, changed or added to.
 */
export async function findEngine(age: Age): Promise<DockerEngine> {
  const own = await ownDockerd();
  if (own !== undefined && IS_OF_AGE[age](Number.parseInt(own.version, 10)))
    return { age, root: "/", path: `${own.folder}:${DEBIAN_PATH}`, version: own.version };

  const root = await must([resolve(import.meta.dir, "../../tools/engine-root.sh"), SUITES[age]], {
    timeoutMs: 600_000,
  });
  const version = await must(["chroot", root, "dockerd", "--version"], { env: { PATH: DEBIAN_PATH } });
  return { age, root, path: DEBIAN_PATH, version: versionIn(version) };
}

async function ownDockerd(): Promise<{ folder: string; version: string } | undefined> {
  const program = Bun.which("dockerd");
  if (program === null) return undefined;
  const output = await run([program, "--version"]);
  return { folder: resolve(program, ".."), version: versionIn(output.stdout) };
}

/** `Docker version 20.10.24+dfsg1, build 5d6db84` */
function versionIn(line: string): string {
  return /version ([^,\s]+)/.exec(line)?.[1] ?? "unknown";
}
