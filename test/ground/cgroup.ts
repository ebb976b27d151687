import { existsSync, readdirSync, rmdirSync } from "node:fs";
import { basename } from "node:path";
import { until } from "./until.ts";

const PREFIX = "underlay-test-";

/** A name for the cgroup of one private host, which tells the process that has to remove it: `/underlay-test-…`. */
export function newCgroupName(): string {
  return `/${PREFIX}${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
}

/**
 * Removes a cgroup and all below it from every hierarchy. The kernel keeps a cgroup busy for a moment after its last
 * process died, so it is asked again for up to 5 s.
 */
export async function removeCgroup(cgroup: string): Promise<void> {
  const name = cgroup.slice(1);
  await until(
    `cgroup ${cgroup} is gone`,
    () => {
      for (const folder of cgroupFolders(name)) removeTree(folder);
      return true;
    },
    { withinMs: 5000 },
  );
}

/**
 * Cgroups of private hosts that are over: their maker is gone, or is the caller, who has to have ended its hosts.
 * Those of others that live are in use.
 */
export function abandonedCgroups(): string[] {
  return cgroupFolders(PREFIX).filter((folder) => {
    const maker = Number.parseInt(basename(folder).slice(PREFIX.length), 10);
    return maker === process.pid || !existsSync(`/proc/${maker}`);
  });
}

/** Removes what an earlier run that was killed could not. */
export function removeAbandonedCgroups(): void {
  for (const folder of abandonedCgroups()) removeTree(folder);
}

/** Folders of cgroups whose name starts so, in cgroup v2's one hierarchy and in each of v1's. */
function cgroupFolders(prefix: string): string[] {
  const top = "/sys/fs/cgroup";
  const hierarchies = [top, ...foldersIn(top)];
  return hierarchies.flatMap((hierarchy) =>
    foldersIn(hierarchy).filter((folder) => folder.slice(hierarchy.length + 1).startsWith(prefix)),
  );
}

function removeTree(folder: string): void {
  for (const child of foldersIn(folder)) removeTree(child);
  rmdirSync(folder);
}

function foldersIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => `${folder}/${entry.name}`);
}
