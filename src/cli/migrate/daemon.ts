import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { NetworkBody } from "../../daemon/api.ts";
import { asUnderlayError, UnderlayError } from "../../lib/errors.ts";
import { openLibc } from "../../sys/libc.ts";
import { tryLock } from "../../sys/lock.ts";
import { daemonClient } from "../client.ts";

/** The daemon that would serve the networks, and its own ones; or why nobody can tell. */
export type OurDaemon =
  | { readonly networks: readonly NetworkBody[]; readonly drivers: readonly string[] }
  | { readonly networks: readonly []; readonly missing: UnderlayError };

export async function ourDaemon(runDir: string): Promise<OurDaemon> {
  const client = daemonClient(runDir);
  try {
    const { daemon } = await client.status();
    const { networks } = await client.networks();
    return { networks, drivers: daemon?.drivers ?? [] };
  } catch (thrown) {
    return { networks: [], missing: asUnderlayError(thrown) };
  }
}

/** Two that move networks would find each other's halves. Throws `conflict`, `permission`. */
export function soleMigrator(runDir: string): Disposable {
  const folder = join(runDir, "lock");
  const lock = attempt(folder, () => {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return tryLock(openLibc(), join(folder, "migrate"));
  });
  if (lock === undefined)
    throw new UnderlayError("conflict", "another `underlay migrate` is at work: wait for its end");
  return { [Symbol.dispose]: () => lock.release() };
}

function attempt<T>(folder: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof UnderlayError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UnderlayError("permission", `cannot lock ${folder}: ${why}; run as root`, { cause });
  }
}
