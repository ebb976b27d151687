import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createEngine, type WatchfulEngine } from "./engine/create.ts";
import { asUnderlayError, type UnderlayError } from "./lib/errors.ts";
import type { ForwardFacts } from "./lib/forward-facts.ts";
import type { KindFacts } from "./lib/host-facts.ts";
import { OUR_LINK_NAME_BYTES } from "./lib/ifname.ts";
import type { Log } from "./lib/log.ts";
import type { PortHolder } from "./lib/switch-facts.ts";
import { announceOn } from "./links/announce.ts";
import { kindFacts } from "./links/host/kinds.ts";
import { modulesNow } from "./links/host/modules.ts";
import { MACHINE_FILES } from "./links/host/read.ts";
import { hostLinks, type WriteSysctl } from "./links/host-link.ts";
import { linksInside } from "./links/inside.ts";
import { ipvlanDriver } from "./links/ipvlan/driver.ts";
import { macvlanDriver } from "./links/macvlan/driver.ts";
import type { GatewayLink } from "./links/nat/forward-look.ts";
import { gatewayAddresses } from "./links/nat/gateway-addresses.ts";
import type { KindDefaults } from "./links/on-parent.ts";
import type { BridgeView, TunnelState } from "./links/ovs/view.ts";
import { type KernelAccess, kernelParents } from "./links/parent/kernel.ts";
import { knownParents } from "./links/parent/known.ts";
import { parentLinks } from "./links/parent/make.ts";
import { kernelSurvey } from "./links/parent/survey.ts";
import { linkReaper } from "./links/reaper.ts";
import { type LinkWatch, linkWatch } from "./links/watch.ts";
import { Conversation, type FrameTrace } from "./netlink/conversation.ts";
import { frameTrace } from "./netlink/debug.ts";
import { NETLINK_GENERIC, NETLINK_ROUTE, openLinkEventSocket, openRequestSocket } from "./netlink/open.ts";
import { listenInThread, type NetlinkThread, startNetlinkThread } from "./netlink/thread.ts";
import { threadPool } from "./netlink/thread-pool.ts";
import { openStore } from "./store/sqlite.ts";
import type { Store } from "./store/store.ts";
import type { Libc } from "./sys/libc.ts";
import { makeScratchNetns, type Netns, withNetns } from "./sys/netns.ts";
import { faultPoints } from "./wiring/faults.ts";
import { MACHINE_SYSCTLS, natHost } from "./wiring/nat.ts";
import { awaitLock } from "./wiring/parent-lock.ts";
import { type SwitchSettings, wireSwitch } from "./wiring/switch.ts";

/** Puts the rooms together into the engine that a program runs on. No decision about networks is made here. */

type Env = Readonly<Record<string, string | undefined>>;

export interface DaemonParts {
  readonly engine: WatchfulEngine;
  readonly watch: LinkWatch;
  /** A bridge of Open vSwitch, as a person wants to see it. */
  bridge(name: string): Promise<BridgeView | undefined>;
  /** Who has the UDP port of tunnels; undefined when nobody has, or Open vSwitch. */
  tunnelPortHolder(): Promise<PortHolder | undefined>;
  /** Whether others' rules let out and in what is behind these links. Throws `kernel`. */
  forward(links: readonly GatewayLink[]): Promise<ForwardFacts>;
  /** Tunnels of networks, as the switch has them. */
  tunnels(): Promise<readonly TunnelState[]>;
  /** Which link kinds the kernel has. */
  kinds(): Promise<readonly KindFacts[]>;
  /** Resolves when a thread ended by itself. Only a new process can do without it. */
  readonly broken: Promise<UnderlayError>;
  /** Gives back memory that nothing needs any more; takes some 10 ms. */
  collect(): void;
  /** Finishes what the kernel still does for us and closes everything. */
  close(): Promise<void>;
}

export interface DaemonSettings {
  readonly stateDir: string;
  readonly runDir: string;
  /** Milliseconds. */
  readonly staleAfter: number;
  readonly macvlan: KindDefaults;
  readonly ipvlan: KindDefaults;
  readonly ovs: SwitchSettings;
}

/** Containers that end together wait for the kernel together; a stack of them has rarely more than so many. */
const INSIDE_THREADS = 8;

/** The engine of the daemon: requests, deletes and events each block in a thread of their own. */
export async function wireDaemon(
  libc: Libc,
  settings: DaemonSettings,
  env: Env,
  log: Log,
): Promise<DaemonParts> {
  const step = faultPoints(env);
  const trace = tracing(env);
  await using undo = new AsyncDisposableStack();

  const store = openStore(settings.stateDir, { create: true });
  undo.defer(() => store.close());
  const broken = Promise.withResolvers<UnderlayError>();
  const requestThread = startNetlinkThread(startWorker, broken.resolve);
  undo.defer(() => requestThread.close());
  const deleteThread = startNetlinkThread(startWorker, broken.resolve);
  undo.defer(() => deleteThread.close());
  const insideThreads = threadPool(() => startNetlinkThread(startWorker, broken.resolve), INSIDE_THREADS);
  undo.defer(() => insideThreads.close());
  const converse = (thread: NetlinkThread, netns?: Netns) =>
    new Conversation(thread.transport(openRequestSocket(libc, NETLINK_ROUTE, netns)), trace);

  const watch = linkWatch(log);
  const listener = { ...watch, onError: broken.resolve };
  const events = openLinkEventSocket(libc, { onlyEndsOf: OUR_LINK_NAME_BYTES });
  const listening = await listenInThread(libc, startWorker, events, listener);
  undo.defer(() => listening.close());

  const requests = converse(requestThread);
  undo.defer(() => requests.close());
  const deletes = converse(deleteThread);
  undo.defer(() => deletes.close());
  const reaper = linkReaper(deletes, watch, log);
  undo.defer(() => reaper.idle());

  const netns = makeScratchNetns(libc);
  undo.defer(() => netns.close());
  silenceIpv6(libc, netns);
  const inside = converse(deleteThread, netns);
  undo.defer(() => inside.close());
  const scratch = { netns, home: requests, inside };

  const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  const genericSocket = openRequestSocket(libc, NETLINK_GENERIC);
  const generic = new Conversation(requestThread.transport(genericSocket), trace);
  undo.defer(() => generic.close());
  const release = MACHINE_FILES.text("/proc/sys/kernel/osrelease") ?? "";
  const kernel: KernelAccess = {
    requests,
    generic,
    converseIn: (other) => converse(requestThread, other),
    kindsNow: (kinds) => modulesNow(MACHINE_FILES, release, kinds),
    log,
  };
  const onError = broken.resolve;
  const thread = requestThread;
  const nat = natHost({ libc, log, thread, startWorker, onError, sysctls: MACHINE_SYSCTLS, trace });
  undo.defer(() => nat.close());
  const ovs = undo.use(
    wireSwitch(settings.ovs, {
      ...{ home: requests, generic, libc, store, bootId, step, reaper, log },
      runDir: settings.runDir,
    }),
  );
  const engine = createEngine({
    store,
    log,
    clock: Date.now,
    steady: () => performance.now(),
    pause: (milliseconds) => Bun.sleep(milliseconds),
    bootId,
    staleAfter: settings.staleAfter,
    step,
    drivers: {
      macvlan: macvlanDriver(requests, scratch, settings.macvlan),
      ipvlan: ipvlanDriver(requests, scratch, settings.ipvlan),
      ovs: ovs.driver,
    },
    parents: knownParents(kernelParents(kernel, bootId), watch),
    parentLinks: ovs.parents(parentLinks(requests, deletes)),
    hostLinks: hostLinks(requests, deletes, writeSysctl),
    lockParent: (name) => awaitLock(libc, join(settings.runDir, "lock", `parent-${name}`), PATIENCE_MS),
    gatewayAddresses: gatewayAddresses(requests),
    nat: nat.gateway,
    hostPorts: nat.ports,
    announce: announceOn(libc, requests),
    reaper,
    inside: linksInside((other, work) =>
      insideThreads.run(async (thread) => {
        const conversation = converse(thread, other);
        try {
          return await work(conversation);
        } finally {
          conversation.close();
        }
      }),
    ),
    survey: kernelSurvey(kernel),
  });

  const collect = () => {
    Bun.gc(true);
    insideThreads.shrink();
    checkpoint(store, log);
    for (const thread of [requestThread, deleteThread]) thread.collect();
  };
  const kept = undo.move();
  const kinds = () => kindFacts(MACHINE_FILES, release, { known: inside });
  return {
    engine,
    watch,
    bridge: ovs.bridge,
    tunnelPortHolder: ovs.tunnelPortHolder,
    forward: nat.look,
    tunnels: ovs.tunnels,
    kinds,
    collect,
    broken: broken.promise,
    close: () => kept.disposeAsync(),
  };
}

/** Milliseconds; a process that is stopped never gives a lock back. */
const PATIENCE_MS = 5000;

/** A disk that is full is told by the next write that matters. */
function checkpoint(store: Store, log: Log): void {
  try {
    store.checkpoint();
  } catch (thrown) {
    log("warn", "the state database cannot be tidied now", { error: asUnderlayError(thrown).message });
  }
}

function startWorker(): Worker {
  return new Worker(new URL("./netlink/worker.ts", import.meta.url).href);
}

/** Links that are tried there must not speak to the LAN: an interface with IPv6 announces itself. */
function silenceIpv6(libc: Libc, netns: Netns): void {
  const path = "/proc/sys/net/ipv6/conf/default/disable_ipv6";
  withNetns(libc, netns, () => {
    if (existsSync(path)) writeFileSync(path, "1");
  });
}

/** Of the netns that this process is in. A kernel without IPv6 has none of its files, and all of IPv4's. */
const writeSysctl: WriteSysctl = (path, value) => {
  const file = join("/proc/sys/net", path);
  if (path.startsWith("ipv4/") || existsSync(file)) writeFileSync(file, value);
};

/** `UNDERLAY_DEBUG=netlink` prints every frame to stderr. */
function tracing(env: Env): FrameTrace | undefined {
  const wanted = env["UNDERLAY_DEBUG"]?.split(",") ?? [];
  return wanted.includes("netlink") ? frameTrace((text) => process.stderr.write(text)) : undefined;
}
