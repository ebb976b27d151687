import { UnderlayError } from "../../lib/errors.ts";
import type { CallOptions, Ovsdb } from "../../ovsdb/client.ts";
import type { Uuid } from "../../ovsdb/datum.ts";
import {
  comment,
  insert,
  mutate,
  named,
  type Operation,
  remove,
  select,
  update,
} from "../../ovsdb/operation.ts";
import { ovsdbErrorOf } from "../../ovsdb/outcome.ts";
import { isOutcomeUnknown } from "../../ovsdb/session.ts";
import type { RowOf } from "../../ovsdb/tables.ts";
import { hasColumns } from "./columns.ts";
import { idsOf, isSameIds, MARKED, OWNER, type PortRows, type RowIds } from "./rows.ts";

/** What the switch's tables are written by. */
export type SwitchDatabase = Pick<Ovsdb, "transact" | "applied">;

/** Ports of the switch, each made and removed whole: its rows go in one transaction. */
export interface SwitchPorts {
  /**
   * Resolves when ovs-vswitchd has taken it; otherwise nothing of it is left. One with the same marks that is there
   * already is made as wanted. Throws `not_found` (no such bridge), `conflict` (another's port has the name), `timeout`
   * (ovs-vswitchd does nothing), `kernel` (it cannot), `unreachable`.
   */
  put(rows: PortRows): Promise<PortState>;
  /** The same for one that most likely is there already: then nothing is written. */
  keep(rows: PortRows): Promise<PortState>;
  /** Undefined when there is none of that name, whosever it is. */
  find(name: string): Promise<FoundPort | undefined>;
  /**
   * False when there is none of ours. Does not wait for ovs-vswitchd. `endpoint`: its QoS rows go too when somebody else
   * has deleted the port, which leaves them.
   */
  remove(name: string, endpoint?: string): Promise<boolean>;
  /** Every port that bears our mark, or of one network, without those of the bridges' own links. */
  list(network?: string): Promise<readonly ListedPort[]>;
  /** Endpoints that have a row of ours, each once. */
  owners(): Promise<readonly string[]>;
}

export interface PortState {
  /** Its OpenFlow number; perhaps another one after ovs-vswitchd was started again. */
  readonly ofport: number;
}

export interface ListedPort {
  readonly name: string;
  readonly ids: RowIds;
}

export interface FoundPort {
  readonly name: string;
  /** Absent: it is somebody else's. */
  readonly ids?: RowIds;
  readonly bridge?: string;
  readonly port: RowOf<"Port", (typeof PORT_COLUMNS)[number]>;
  readonly iface?: RowOf<"Interface", (typeof INTERFACE_COLUMNS)[number]>;
  readonly qos?: RowOf<"QoS", (typeof QOS_COLUMNS)[number]>;
}

const PORT_COLUMNS = ["vlan_mode", "tag", "trunks", "protected", "qos", "external_ids"] as const;
const INTERFACE_COLUMNS = [
  "type",
  "options",
  "ingress_policing_rate",
  "ingress_policing_burst",
  "mac",
  "mtu_request",
  "external_ids",
  "ofport",
  "error",
  "link_state",
  "mtu",
  "statistics",
] as const;
const QOS_COLUMNS = ["type", "other_config", "external_ids"] as const;

/** Milliseconds for taking back what failed; the caller has waited once already. */
const SHORT_PATIENCE = 2_000;

export function switchPorts(database: SwitchDatabase): SwitchPorts {
  async function apply(rows: PortRows, changes: readonly Operation<unknown>[]): Promise<PortState> {
    const { name, bridge } = rows;
    const { after } = await database.applied(
      [comment(`underlay: port ${name} of ${bridge}`), ...changes],
      [select("Interface", [["name", "==", name]], ["ofport", "error"])],
    );
    const [[iface]] = after;
    const { ofport = -1, error } = iface ?? {};
    // The first of two ends that join bridges says that the other is missing, and works once it is not.
    if (ofport > 0 && (error === undefined || rows.iface.type === "patch")) return { ofport };
    const why = error ?? (iface ? "the log of ovs-vswitchd tells why" : "somebody has removed it");
    throw new UnderlayError("kernel", `Open vSwitch cannot take ${name} as a port of ${bridge}: ${why}`, {
      inputs: { link: name, bridge },
    });
  }

  async function applyOrUndo(rows: PortRows, changes: readonly Operation<unknown>[]): Promise<PortState> {
    try {
      return await apply(rows, changes);
    } catch (thrown) {
      await using undo = new AsyncDisposableStack();
      if (isInDatabase(thrown)) undo.defer(() => takeBack(rows));
      throw thrown;
    }
  }

  /** The name is taken, or nobody knows whether by us. */
  async function putAgain(rows: PortRows, cause: unknown): Promise<PortState> {
    const found = await find(rows.name);
    if (found && !isSameIds(found.ids, rows.ids)) throw taken(found, cause);
    // A container may live on it: nothing is taken from it when ovs-vswitchd is late.
    if (found && isAsWanted(found, rows)) return apply(rows, []);
    return applyOrUndo(rows, [...(found ? removalOf(found.port) : []), ...additionOf(rows)]);
  }

  async function find(name: string, options?: CallOptions): Promise<FoundPort | undefined> {
    const [[port], [iface], bridges, marked] = await database.transact(
      [
        select("Port", [["name", "==", name]], PORT_COLUMNS),
        select("Interface", [["name", "==", name]], INTERFACE_COLUMNS),
        select("Bridge", [], ["name", "ports"]),
        select("QoS", [MARKED], QOS_COLUMNS),
      ],
      options,
    );
    if (!port) return undefined;
    const ids = idsOf(port.external_ids);
    const bridge = bridges.find(({ ports }) => ports.includes(port._uuid))?.name;
    const qos = marked.find(({ _uuid }) => _uuid === port.qos);
    return {
      ...{ name, port },
      ...(ids && { ids }),
      ...(bridge !== undefined && { bridge }),
      ...(iface && { iface }),
      ...(qos && { qos }),
    };
  }

  async function takeBack({ name, ids }: PortRows): Promise<void> {
    const patience = SHORT_PATIENCE;
    const found = await find(name, { patience });
    if (found && isSameIds(found.ids, ids)) await database.transact(removalOf(found.port), { patience });
  }

  async function put(rows: PortRows): Promise<PortState> {
    try {
      return await applyOrUndo(rows, additionOf(rows));
    } catch (thrown) {
      if (isMissing(thrown)) throw missingBridge(rows.bridge, thrown);
      if (mayBeThere(thrown)) return putAgain(rows, thrown);
      throw thrown;
    }
  }

  return {
    find,
    put,
    async keep(rows) {
      const found = await find(rows.name);
      const { ofport = -1 } = found?.iface ?? {};
      const isKept = found && isSameIds(found.ids, rows.ids) && isAsWanted(found, rows) && ofport > 0;
      return isKept ? { ofport } : put(rows);
    },
    async remove(name, endpoint) {
      const [[port], qos] = await database.transact([
        select("Port", [["name", "==", name]], ["qos", "external_ids"]),
        select("QoS", [["external_ids", "includes", { owner: OWNER, endpoint: endpoint ?? "" }]], []),
      ]);
      const own = port && idsOf(port.external_ids) ? port : undefined;
      const changes = [
        ...(own ? removalOf(own) : []),
        ...qos.filter(({ _uuid }) => _uuid !== own?.qos).map(({ _uuid }) => removeQos(_uuid)),
      ];
      if (changes.length > 0) await database.transact([comment(`underlay: no port ${name}`), ...changes]);
      return own !== undefined;
    },
    async list(network) {
      const marks = { owner: OWNER, ...(network !== undefined && { network }) };
      const [ports] = await database.transact([
        select("Port", [["external_ids", "includes", marks]], ["name", "external_ids"]),
      ]);
      return ports.flatMap(({ name, external_ids }) => {
        const ids = idsOf(external_ids);
        return ids && ids.role !== "bridge" ? [{ name, ids }] : [];
      });
    },
    async owners() {
      const tables = await database.transact([
        select("Port", [MARKED], ["external_ids"]),
        select("QoS", [MARKED], ["external_ids"]),
      ]);
      const owners = tables.flat().flatMap(({ external_ids }) => idsOf(external_ids)?.endpoint ?? []);
      return [...new Set(owners)];
    },
  };
}

/** The order does not matter to OVSDB, which looks at references when all is done. */
function additionOf({ bridge, name, port, iface, qos }: PortRows): readonly Operation<unknown>[] {
  const rows = { qos: named("qos"), iface: named("iface"), port: named("port") };
  return [
    ...(qos ? [insert("QoS", qos, rows.qos)] : []),
    insert("Interface", { ...iface, name }, rows.iface),
    insert("Port", { ...port, name, interfaces: [rows.iface], ...(qos && { qos: rows.qos }) }, rows.port),
    mutate("Bridge", [["name", "==", bridge]], [["ports", "insert", [rows.port]]], "some"),
  ];
}

/** Interfaces go with their port. QoS is a root table, whose rows nobody collects; of others' it stays. */
function removalOf({ _uuid, qos }: Pick<FoundPort["port"], "_uuid" | "qos">): readonly Operation<unknown>[] {
  return [...detach(_uuid), ...(qos === undefined ? [] : [removeQos(qos)])];
}

/** A port that is about to be collected still counts as a user of its QoS row. */
function detach(port: Uuid): readonly Operation<unknown>[] {
  return [
    update("Port", [["_uuid", "==", port]], { qos: undefined }, "any"),
    mutate("Bridge", [["ports", "includes", [port]]], [["ports", "delete", [port]]], "any"),
  ];
}

function removeQos(uuid: Uuid): Operation<unknown> {
  return remove("QoS", [["_uuid", "==", uuid], MARKED], "any");
}

function isAsWanted({ bridge, port, iface, qos }: FoundPort, rows: PortRows): boolean {
  const hasQos = rows.qos === undefined ? port.qos === undefined : qos && hasColumns(qos, rows.qos);
  return (
    bridge === rows.bridge &&
    iface !== undefined &&
    hasColumns(port, rows.port) &&
    hasColumns(iface, rows.iface) &&
    hasQos === true
  );
}

function mayBeThere(thrown: unknown): boolean {
  return isOutcomeUnknown(thrown) || ovsdbErrorOf(thrown) === "constraint violation";
}

/** It was done, and then something went wrong. */
function isInDatabase(thrown: unknown): boolean {
  if (!(thrown instanceof UnderlayError)) return true;
  return thrown.code === "kernel" || thrown.inputs["committed"] === "yes";
}

function isMissing(thrown: unknown): boolean {
  return thrown instanceof UnderlayError && thrown.code === "not_found";
}

export function missingBridge(bridge: string, cause?: unknown): UnderlayError {
  return new UnderlayError("not_found", `there is no Open vSwitch bridge ${bridge}`, {
    cause,
    inputs: { bridge },
  });
}

function taken({ name, bridge, ids }: FoundPort, cause: unknown): UnderlayError {
  const holder = ids ? `of ${ids.endpoint ?? ids.network}` : "that is none of ours";
  const message = `${name} is a port of bridge ${bridge ?? "(none)"} already, ${holder}`;
  return new UnderlayError("conflict", message, { cause, inputs: { link: name, bridge } });
}
