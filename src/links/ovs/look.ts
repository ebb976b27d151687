import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { systemClock } from "../../lib/clock.ts";
import { asUnderlayError } from "../../lib/errors.ts";
import type {
  BrokenPort,
  PortHolder,
  SwitchBridge,
  SwitchFacts,
  SwitchListener,
  SwitchState,
} from "../../lib/switch-facts.ts";
import { openSwitch } from "../../openflow/switch.ts";
import { type Ovsdb, openOvsdb } from "../../ovsdb/client.ts";
import type { Uuid } from "../../ovsdb/datum.ts";
import { select } from "../../ovsdb/operation.ts";
import type { RowOf } from "../../ovsdb/tables.ts";
import { formatTarget, type Target } from "../../ovsdb/target.ts";
import { idsOf } from "./rows.ts";
import { lacksUdpPort } from "./tunnel-port.ts";
import { vswitchdFacts } from "./vswitchd.ts";

/** The kernel's datapath. */
export const OVS_MODULE = "openvswitch";

export interface SwitchQuestion {
  readonly target: Target;
  /** Bridges that networks of ours are on, by record. */
  readonly bridges: readonly string[];
  /** Those of them on which there is a network that this host is not the gateway of, and that is to reach others. */
  readonly flatBridges: readonly string[];
  /** A bridge that somebody asks about, or a port of one: told of, too, whoever uses it. */
  readonly asked?: string | undefined;
  readonly module: SwitchFacts["module"];
  /** Who has the UDP port of tunnels. Asked when one lacks it. */
  readonly holder: () => Promise<PortHolder | undefined>;
}

/** Bridges that networks are on. `parent`: of an ovs network that is its bridge. */
export function bridgesOf(networks: readonly { readonly kind: string; readonly parent: string }[]): string[] {
  return [...new Set(networks.filter(({ kind }) => kind === "ovs").map(({ parent }) => parent))];
}

interface Flat {
  readonly kind: string;
  readonly parent: string;
  readonly internal: boolean;
  readonly gateway_link?: string | undefined;
}

/** Bridges that have to have a port which leads elsewhere, for a network on them to reach anybody. */
export function flatBridgesOf(networks: readonly Flat[]): string[] {
  return bridgesOf(networks.filter(({ internal, gateway_link: own }) => !internal && own === undefined));
}

/** Milliseconds. Both programs are on this host, and a person waits. */
const PATIENCE = 1_000;

/**
 * What a person would want to know of Open vSwitch; changes nothing. Undefined when it is not here and no network is on
 * it: then nobody was asked.
 */
export async function switchFacts(question: SwitchQuestion): Promise<SwitchFacts | undefined> {
  const { target, bridges, module } = question;
  const isThere = target.kind !== "unix" || existsSync(target.path);
  if (!isThere && bridges.length === 0) return undefined;
  const facts = { target: formatTarget(target), bridges, module };
  if (!isThere) return { ...facts, database: { dead: "there is no such socket" } };
  return { ...facts, database: await read(question) };
}

async function read(question: SwitchQuestion): Promise<SwitchFacts["database"]> {
  const { target, holder } = question;
  try {
    using ovsdb = await openOvsdb({ target, patience: PATIENCE });
    const state = await stateOf(ovsdb, question);
    const isLacking = state.bridges.some(({ broken }) => broken.some(({ lacksUdpPort: lacks }) => lacks));
    const udpPort = isLacking ? await holder() : undefined;
    return { known: { ...state, ...(udpPort && { udpPort }) } };
  } catch (thrown) {
    const { code, message } = asUnderlayError(thrown);
    if (code === "permission") return { unread: `${message}: run as root` };
    if (code === "unsupported") return { unread: message };
    if (code !== "unreachable" && code !== "timeout") throw thrown;
    return { dead: message };
  }
}

async function stateOf(
  ovsdb: Ovsdb,
  { target, bridges: wanted, flatBridges, asked }: SwitchQuestion,
): Promise<SwitchState> {
  const rundir = target.kind === "unix" ? dirname(target.path) : undefined;
  const vswitchd = await vswitchdFacts(ovsdb, rundir);
  const [bridges, ports, faces, controllers, managers] = await ovsdb.transact([
    select("Bridge", [], ["name", "datapath_type", "datapath_id", "fail_mode", "ports", "controller"]),
    select("Port", [], ["name", "interfaces", "external_ids"]),
    select("Interface", [], ["ofport", "error"]),
    select("Controller", [], ["target", "is_connected"]),
    select("Manager", [], ["target"]),
  ]);
  const own = ports.filter(({ external_ids }) => idsOf(external_ids) !== undefined);
  const broken = byUuid(own.flatMap((port) => brokenOf(port, byUuid(faces))));
  const controllerOf = byUuid(controllers);

  const known: SwitchBridge[] = [];
  for (const bridge of bridges) {
    const { name, datapath_type: type, datapath_id: id, fail_mode: mode } = bridge;
    const its = own.filter(({ _uuid }) => bridge.ports.includes(_uuid));
    const all = ports.filter(({ _uuid }) => bridge.ports.includes(_uuid));
    const isAsked = all.some((port) => port.name === asked);
    if (!wanted.includes(name) && its.length === 0 && !isAsked) continue;
    const guides = bridge.controller.flatMap((uuid) => controllerOf.get(uuid) ?? []);
    const isSecure = mode === "secure";
    const isControlled = guides.some(({ is_connected }) => is_connected);
    const flows = isSecure && !isControlled && rundir !== undefined ? await flowsOf(rundir, name) : undefined;
    known.push({
      name,
      datapath: type === "netdev" ? "netdev" : "system",
      works: id !== undefined,
      isSecure,
      controllers: guides.map(({ target }) => target),
      isControlled,
      ...(flows !== undefined && { flows }),
      broken: its.flatMap(({ _uuid }) => broken.get(_uuid) ?? []),
      isFlat: flatBridges.includes(name),
      ways: all.filter((port) => port.name !== name && leadsElsewhere(port)).map((port) => port.name),
    });
  }
  const listeners = [
    ...listenersAmong(managers.map(({ target }) => target)),
    ...bridges.flatMap(({ name, controller }) =>
      listenersAmong(
        controller.flatMap((uuid) => controllerOf.get(uuid)?.target ?? []),
        name,
      ),
    ),
  ];
  return { vswitchd, listeners, bridges: known };
}

/** Whatever somebody else has put there may. */
function leadsElsewhere({ external_ids: external }: { readonly external_ids: ReadonlyMap<string, string> }) {
  const ids = idsOf(external);
  return ids === undefined || ids.peer !== undefined || ids.role === "uplink" || ids.role === "overlay";
}

function byUuid<R extends { readonly _uuid: Uuid }>(rows: readonly R[]): ReadonlyMap<Uuid, R> {
  return new Map(rows.map((row) => [row._uuid, row]));
}

/** ovs-vswitchd sets `ofport` to -1 and mostly says why; a port that it has not looked at yet has neither. */
function brokenOf(
  { _uuid, name, interfaces, external_ids: external }: RowOf<"Port", "name" | "interfaces" | "external_ids">,
  faces: ReadonlyMap<Uuid, RowOf<"Interface", "ofport" | "error">>,
): (BrokenPort & { readonly _uuid: Uuid })[] {
  return interfaces.flatMap((uuid) => {
    const face = faces.get(uuid);
    if (face === undefined || (face.error === undefined && face.ofport !== -1)) return [];
    const { error = "ofport -1" } = face;
    const lacks = idsOf(external)?.peer !== undefined && lacksUdpPort(error);
    return [{ _uuid, name, error, ...(lacks && { lacksUdpPort: true as const }) }];
  });
}

function listenersAmong(all: readonly string[], bridge?: string): SwitchListener[] {
  return all
    .filter((target) => /^ptcp:/.test(target))
    .map((target) => ({ target, all, ...(bridge !== undefined && { bridge }) }));
}

/** Undefined when nobody tells: ovs-vswitchd does not run, or its folder is another one. */
async function flowsOf(rundir: string, bridge: string): Promise<number | undefined> {
  try {
    using open = await openSwitch(join(rundir, `${bridge}.mgmt`), { bridge, clock: systemClock });
    return (await open.flows(0n, 0n)).length;
  } catch (thrown) {
    const { code } = asUnderlayError(thrown);
    if (code !== "internal") return undefined;
    throw thrown;
  }
}
