import { join } from "node:path";
import { DRIVERS } from "../docker/drivers.ts";
import { dockerHandler } from "../docker/handler.ts";
import { type DriverServer, serveDriver } from "../docker/server.ts";
import type { NetworkRowView } from "../engine/engine.ts";
import { systemClock } from "../lib/clock.ts";
import { asUnderlayError } from "../lib/errors.ts";
import type { ForwardFacts } from "../lib/forward-facts.ts";
import type { Read } from "../lib/host-facts.ts";
import type { Log } from "../lib/log.ts";
import type { SwitchFacts } from "../lib/switch-facts.ts";
import { kernelFacts } from "../links/host/machine.ts";
import { moduleState } from "../links/host/modules.ts";
import { MACHINE_FILES } from "../links/host/read.ts";
import { gatewayLinksOf } from "../links/nat/forward-look.ts";
import { bridgesOf, flatBridgesOf, OVS_MODULE, switchFacts } from "../links/ovs/look.ts";
import type { Target } from "../ovsdb/target.ts";
import { type Libc, openLibc } from "../sys/libc.ts";
import { releaseCode } from "../sys/memory.ts";
import type { DaemonParts } from "../wiring.ts";
import { adminHandler } from "./admin.ts";
import { keepAnnouncing } from "./announce.ts";
import { networkRow } from "./api.ts";
import type { Config } from "./config.ts";
import { wireFrom } from "./drop.ts";
import { holdRunDir, holdStateDir } from "./holds.ts";
import { hostWatch } from "./host.ts";
import { keepLooking } from "./look.ts";
import { serviceManager } from "./manager.ts";
import { type Rest, restAfter } from "./rest.ts";

export interface DaemonProcess {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  readonly log: Log;
  /** Resolves with the name of the signal that asks to end. */
  readonly stopAsked: Promise<string>;
}

/** Serves until it is asked to stop. Throws when it cannot start; nothing is left bound then. */
export async function runDaemon(
  config: Config,
  { env, version, log, stopAsked }: DaemonProcess,
): Promise<void> {
  process.umask(0o077);
  const { values } = config;
  await using cleanup = new AsyncDisposableStack();
  for (const warning of config.warnings) log("warn", warning);

  const libc = openLibc();
  // Before anything is read: what is known afterwards stays true.
  cleanup.adopt(holdRunDir(libc, values.run_dir), (lock) => lock.release());
  cleanup.adopt(holdStateDir(libc, values.state_dir), (lock) => lock.release());
  const parts = await wireFrom(values, libc, env, log);
  cleanup.defer(() => parts.close());
  const { engine } = parts;

  await engine.reconcile({ dryRun: false });
  await engine.refresh();
  const host = hostWatch({
    files: MACHINE_FILES,
    pid: process.pid,
    dockerSocket: values.docker_socket,
    kinds: parts.kinds,
    networks: () => engine.networks.list().length,
    ovs: () => switchOf(parts, values.ovsdb, engine.networks.rows()),
    forward: () => forwardOf(parts, engine.networks.rows()),
    log,
  });
  const rest = restAfter(() => {
    parts.collect();
    releaseOwnCode(libc, log);
  });
  cleanup.defer(() => rest.end());
  cleanup.defer(keepAnnouncing(parts, log));
  cleanup.defer(keepLooking({ ...parts, host, rest }, values.reconcile_interval, log));

  const manager = serviceManager(libc, env, log);
  const admin = adminHandler(engine, {
    version,
    pid: process.pid,
    startedAt: new Date().toISOString(),
    stateDir: values.state_dir,
    dockerSocket: values.docker_socket,
    drivers: DRIVERS.map(({ name }) => name),
    host: host.findings,
    bridge: parts.bridge,
    tunnels: parts.tunnels,
  });
  const sockets: readonly Socket[] = [
    { path: join(values.run_dir, "underlay.sock"), handler: admin },
    ...DRIVERS.map(({ name, kind, isAlias }) => ({
      path: join(values.plugin_dir, `${name}.sock`),
      handler: dockerHandler({ engine, kind, log, clock: systemClock }),
      ...(isAlias && { isAlias }),
    })),
  ];
  for (const socket of sockets) {
    const server = await serve({ ...socket, handler: stirring(rest, socket.handler) }, log);
    cleanup.defer(() => server?.stop());
  }
  cleanup.defer(manager.ready());
  log("info", "ready", {
    version,
    networks: engine.networks.list().length,
    endpoints: engine.endpoints.list().length,
  });

  const broken = parts.broken.then((error) => Promise.reject(error));
  const signal = await Promise.race([stopAsked, broken]);
  log("info", "stopping", { signal });
  manager.stopping();
}

/** A host on whose switch no network is, is not asked about it. */
async function switchOf(
  { tunnelPortHolder: holder }: Pick<DaemonParts, "tunnelPortHolder">,
  target: Target,
  rows: readonly NetworkRowView[],
): Promise<SwitchFacts | undefined> {
  const bridges = bridgesOf(rows);
  if (bridges.length === 0) return undefined;
  const release = kernelFacts(MACHINE_FILES).release;
  const flatBridges = flatBridgesOf(rows.map(networkRow));
  const module = moduleState(MACHINE_FILES, release, OVS_MODULE);
  return switchFacts({ target, bridges, flatBridges, module, holder });
}

/** Where this host is no gateway, its firewall is not asked. */
async function forwardOf(
  { forward }: Pick<DaemonParts, "forward">,
  rows: readonly NetworkRowView[],
): Promise<Read<ForwardFacts> | undefined> {
  const links = gatewayLinksOf(rows.map(networkRow));
  if (links.length === 0) return undefined;
  try {
    return { known: await forward(links) };
  } catch (thrown) {
    return { unread: asUnderlayError(thrown).message };
  }
}

interface Socket {
  readonly path: string;
  readonly handler: Handler;
  readonly isAlias?: true;
}

/** Whoever has a name that is his may keep it: his networks are no concern of ours. */
async function serve(socket: Socket, log: Log): Promise<DriverServer | undefined> {
  try {
    return await serveDriver(socket);
  } catch (thrown) {
    const error = asUnderlayError(thrown);
    if (!socket.isAlias || error.code !== "conflict") throw error;
    log("warn", "a driver is another's here, and ours has only its own name", { error: error.message });
    return undefined;
  }
}

type Handler = (request: Request) => Promise<Response>;

function stirring(rest: Rest, handler: Handler): Handler {
  return (request) => {
    rest.stir();
    return handler(request);
  };
}

/** Memory that is not given back is no reason to stop serving. */
function releaseOwnCode(libc: Libc, log: Log): void {
  try {
    releaseCode(libc);
  } catch (thrown) {
    log("debug", "code that nobody runs stays mapped", { error: asUnderlayError(thrown).message });
  }
}
