import { join } from "node:path";
import type { TestNetns } from "./netns.ts";
import { referencePlugins } from "./reference-cni.ts";
import { must } from "./run.ts";

/** nft(8), of the root that the reference plugins are in: another program's word for what the kernel has. */

/** What a chain holds, as nft prints it, without handles; none when there is no such chain. */
export async function chainRules(netns: TestNetns, chain: string): Promise<readonly string[]> {
  const text = await nft(netns, "list", "ruleset");
  const [, table = "", name = ""] = /^(.*) (\S+)$/.exec(chain) ?? [];
  const inTable = new RegExp(`^table ${table} \\{\\n([\\s\\S]*?)^\\}`, "m").exec(text)?.[1] ?? "";
  const inChain = new RegExp(`^\\tchain ${name} \\{\\n([\\s\\S]*?)^\\t\\}`, "m").exec(inTable)?.[1] ?? "";
  return inChain
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("type "));
}

export async function nft(netns: TestNetns, ...args: readonly string[]): Promise<string> {
  const root = join(await referencePlugins(), "../../..");
  return must(["nsenter", `--net=${netns.path}`, "chroot", root, "/usr/sbin/nft", ...args]);
}
