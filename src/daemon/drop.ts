import type { Log } from "../lib/log.ts";
import { openLibc } from "../sys/libc.ts";
import { type DaemonParts, wireDaemon } from "../wiring.ts";
import type { Config } from "./config.ts";
import { holdRunDir, holdStateDir } from "./holds.ts";
import type { Values } from "./settings.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** The engine as the settings want it. */
export function wireFrom(
  values: Values,
  libc: ReturnType<typeof openLibc>,
  env: Env,
  log: Log,
): Promise<DaemonParts> {
  const settings = {
    stateDir: values.state_dir,
    runDir: values.run_dir,
    staleAfter: values.stale_after,
    macvlan: { parent: values["macvlan.parent"], mode: values["macvlan.mode"] },
    ipvlan: { parent: values["ipvlan.parent"], mode: values["ipvlan.mode"] },
    ovs: {
      target: values.ovsdb,
      defaults: {
        bridge: values["ovs.bridge"],
        mode: values["ovs.mode"],
        mtu: values["ovs.mtu"],
        datapath: values["ovs.datapath"],
      },
      subnet: values["ovs.subnet"],
      gateway: values["ovs.gateway"],
    },
  };
  return wireDaemon(libc, settings, env, log);
}

/**
 * Forgets all networks of the records, with links of theirs that no container fetched; no daemon may run. Links that
 * are in containers stay until these end. Throws `conflict` while a daemon runs.
 */
export async function dropNetworks({ values }: Config, env: Env, log: Log): Promise<void> {
  await using cleanup = new AsyncDisposableStack();
  const libc = openLibc();
  cleanup.adopt(holdRunDir(libc, values.run_dir), (lock) => lock.release());
  cleanup.adopt(holdStateDir(libc, values.state_dir), (lock) => lock.release());
  const parts = await wireFrom(values, libc, env, log);
  cleanup.defer(() => parts.close());
  for (const { owner } of parts.engine.networks.list()) await parts.engine.networks.remove(owner);
}
