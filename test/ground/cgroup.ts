import { readdirSync, rmdirSync } from "node:fs";
import { until } from "./until.ts";

/**
 * Removes a cgroup and all below it from every hierarchy. The kernel keeps a cgroup busy for a moment after its last process died, so it is
 * asked again for up to 5 s.
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

/** Folders of cgroups whose name starts so, in cgroup v2's one hierarchy and in each of v1's. */
export function cgroupFolders(prefix: string): string[] {
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
