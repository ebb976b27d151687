import type { Dockerd } from "./dockerd.ts";
import type { Age } from "./engines.ts";

/** Removes all containers, then all networks; throws when dockerd keeps one. */
export async function clear(dockerd: Dockerd, age: Age): Promise<void> {
  try {
    await removeAll(dockerd);
  } catch (refusal) {
    if (age !== "oldest" || !String(refusal).includes("has active endpoints")) throw refusal;
    await countAnew(dockerd, refusal);
    await removeAll(dockerd);
  }
}

async function removeAll({ docker }: Dockerd): Promise<void> {
  const containers = await docker("ps", "--all", "--quiet");
  if (containers !== "") await docker("rm", "-f", ...containers.split("\n"));
  // `network prune` says nothing of a network that it leaves.
  const networks = await docker("network", "ls", "--filter", "type=custom", "--format", "{{.Name}}");
  if (networks !== "") await docker("network", "rm", ...networks.split("\n"));
}

/**
 * 20.10 loses count of a network's endpoints when many come and go at once, and keeps the network for one that is no
 * more. When it starts it counts anew, and says so; when it does not, the network was kept for a reason.
 */
async function countAnew(dockerd: Dockerd, refusal: unknown): Promise<void> {
  const before = dockerd.lines().length;
  await dockerd.stop();
  await dockerd.start();
  const said = dockerd.lines().slice(before).join("\n");
  if (!/Fixing inconsistent endpoint_cnt for network \S+\. Expected=0, Actual=/.test(said)) throw refusal;
}
