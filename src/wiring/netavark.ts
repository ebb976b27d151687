import { VERSION } from "../cli/version.ts";
import type { KindName } from "../netavark/kinds.ts";
import { type Host, runNetavark } from "../netavark/program.ts";
import { openLibc } from "../sys/libc.ts";
import { attachmentsOf } from "./attachments.ts";
import { callIo } from "./call-io.ts";

/** The netavark plugin: like a CNI process it lives some milliseconds. Answers the exit status. */
export async function runDriver(
  kind: KindName,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  const libc = openLibc();
  const host: Host = {
    ...callIo(libc),
    attachments: () => attachmentsOf(libc, env),
    pairs: async (wish) => (await import("./netavark-bridge.ts")).bridgePairsOf(libc, env, wish),
  };
  const status = await runNetavark({ kind, version: VERSION }, args, host);
  // What a process otherwise does at its end takes longer than some calls.
  libc.call._exit(status);
  return status;
}
