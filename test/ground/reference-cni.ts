import { join, resolve } from "node:path";
import { must } from "./run.ts";

/**
 * The folder of the reference plugins of the newest Debian, in a private root that is made when it is missing. They run
 * on this machine as they are; nothing is installed on it.
 */
export async function referencePlugins(): Promise<string> {
  const tool = resolve(import.meta.dir, "../../tools/debian-root.sh");
  const root = await must([tool, "cni-sid", "sid", "containernetworking-plugins,nftables"], {
    timeoutMs: 600_000,
  });
  return join(root, "usr/lib/cni");
}
