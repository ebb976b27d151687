import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { systemClock } from "../lib/clock.ts";
import { problemsError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { PortHolder } from "../lib/switch-facts.ts";
import type { LinkDriver, OwnSubnet } from "../links/driver.ts";
import type { MoveStep } from "../links/move-steps.ts";
import { switchBridges } from "../links/ovs/bridges.ts";
import { ovsDriver } from "../links/ovs/driver.ts";
import { withSwitch } from "../links/ovs/layers.ts";
import { type OvsLinkSpec, ovsLinks } from "../links/ovs/link-driver.ts";
import { hostMover } from "../links/ovs/move/mover.ts";
import { OWN_SUBNET, ownSubnet } from "../links/ovs/own-subnet.ts";
import { switchPairs } from "../links/ovs/pair.ts";
import { type SwitchDatabase, switchPorts } from "../links/ovs/ports.ts";
import { portSecurity } from "../links/ovs/security/port-security.ts";
import type { OvsDefaults } from "../links/ovs/spec.ts";
import { tunnelPortHolder } from "../links/ovs/tunnel-port.ts";
import { switchTunnels } from "../links/ovs/tunnels.ts";
import { switchUplinks } from "../links/ovs/uplink.ts";
import { type BridgeView, type TunnelState, viewBridge, viewTunnels } from "../links/ovs/view.ts";
import type { ParentLinks } from "../links/parent/make.ts";
import type { KernelLayer } from "../links/parent/plan.ts";
import type { Reaper } from "../links/reaper.ts";
import type { Conversation } from "../netlink/conversation.ts";
import { ethtool } from "../netlink/ethtool.ts";
import { keepOvsdb, type Ovsdb } from "../ovsdb/client.ts";
import type { Target } from "../ovsdb/target.ts";
import type { Store } from "../store/store.ts";
import type { Libc } from "../sys/libc.ts";
import { awaitingGuards, moveRecords, postingGuards } from "./guards.ts";

/** The rooms of Open vSwitch put together. Nothing is connected to before somebody asks for a network on a switch. */

export interface SwitchSettings {
  readonly defaults: OvsDefaults;
  readonly target: Target;
  readonly subnet: string;
  readonly gateway: string | undefined;
}

export interface SwitchParts {
  /** Conversations in the netns that the bridges are in. */
  readonly home: Conversation;
  readonly generic: Conversation;
  readonly libc: Libc;
  readonly runDir: string;
  readonly store: Store;
  readonly bootId: string;
  readonly step: (step: MoveStep) => void;
  readonly reaper: Reaper;
  readonly log: Log;
}

export interface SwitchWiring extends Disposable {
  readonly driver: LinkDriver<OvsLinkSpec>;
  parents(kernel: ParentLinks<KernelLayer>): ParentLinks;
  bridge(name: string): Promise<BridgeView | undefined>;
  tunnels(): Promise<readonly TunnelState[]>;
  /** Who has the UDP port of tunnels; undefined when nobody has, or Open vSwitch. */
  tunnelPortHolder(): Promise<PortHolder | undefined>;
}

/** Throws `invalid_option` when subnet and gateway do not go together. */
export function wireSwitch(
  settings: SwitchSettings,
  { home, generic, libc, runDir, store, bootId, step, reaper, log }: SwitchParts,
): SwitchWiring {
  const own = readOwn(settings);
  const { target } = settings;
  const database = lazily(target, log);
  const ports = switchPorts(database);
  const bridges = switchBridges(database, home);
  const guards = { libc, lockDir: join(runDir, "lock"), target };
  const mover = hostMover({
    ...{ home, database, ports, bridges, bootId, step, log },
    records: moveRecords(store.table("moves")),
    postGuard: postingGuards(guards, runDir),
    awaitGuards: awaitingGuards(guards),
    pause: (milliseconds) => Bun.sleep(milliseconds),
  });
  const uplinks = switchUplinks(home, ports, mover);
  const rundir = target.kind === "unix" ? dirname(target.path) : RUN_DIR;
  const security = portSecurity({ rundir, clock: systemClock, log });
  const driver = ovsDriver({
    ...{ home, database, ports, bridges, uplinks, security, log },
    pairs: switchPairs(home, ethtool(generic)),
    tunnels: switchTunnels(database, ports, () => tunnelPortHolder(home)),
    defaults: settings.defaults,
    deleteLink: reaper.delete,
  });
  const whenApplied = async () => {
    await database.applied([], []);
  };
  const isThere = () => target.kind !== "unix" || existsSync(target.path);
  return {
    driver: ovsLinks(
      { driver, ports, uplinks, finish: mover.finish, security, whenApplied, home, isThere },
      own,
    ),
    bridge: (name) => viewBridge(database, name),
    tunnels: () => viewTunnels(database),
    tunnelPortHolder: () => tunnelPortHolder(home),
    parents: (kernel) => withSwitch(kernel, { bridges, home, seed: store.seed }),
    [Symbol.dispose]() {
      security[Symbol.dispose]();
      database[Symbol.dispose]();
    },
  };
}

/** Where ovs-vswitchd has its sockets, unless the database says otherwise. */
const RUN_DIR = "/run/openvswitch";

function readOwn({ subnet, gateway }: SwitchSettings): OwnSubnet {
  const reading = ownSubnet(subnet, gateway);
  const isChosen = subnet !== OWN_SUBNET || gateway !== undefined;
  if ("value" in reading) return { ...reading.value, ...(isChosen && { isChosen: true as const }) };
  throw problemsError("invalid_option", [
    { subject: "ovs.gateway", message: `${reading.problem} (configuration, [ovs])` },
  ]);
}

/** A host without Open vSwitch is not asked for it again and again. */
export function lazily(target: Target, log: Log): SwitchDatabase & Disposable {
  const kept: { ovsdb?: Ovsdb } = {};
  const open = (): Ovsdb => {
    kept.ovsdb ??= keep(target, log);
    return kept.ovsdb;
  };
  return {
    transact: (operations, options) => open().transact(operations, options),
    applied: (operations, after, options) => open().applied(operations, after, options),
    [Symbol.dispose]: () => kept.ovsdb?.[Symbol.dispose](),
  };
}

/** Every try that fails is a change of its state; the same again is no news. */
function keep(target: Target, log: Log): Ovsdb {
  const ovsdb = keepOvsdb({ target });
  const where = target.kind === "unix" ? `unix:${target.path}` : `tcp:${target.host}:${target.port}`;
  let told = "";
  ovsdb.onState((state) => {
    const news = state.isUp ? "connected" : state.error.message;
    if (news !== told) {
      if (state.isUp) log("info", "Open vSwitch: connected to its database", { ovsdb: where });
      else log("warn", "Open vSwitch: no connection to its database", { ovsdb: where, error: news });
    }
    told = news;
  });
  return ovsdb;
}
