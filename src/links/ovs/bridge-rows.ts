import type { Uuid } from "../../ovsdb/datum.ts";
import { assertRows, insert, mutate, named, type Operation, remove, update } from "../../ovsdb/operation.ts";
import {
  type BridgeWish,
  bridgeColumns,
  localInterfaceColumns,
  localPortColumns,
  MARKED,
  type RowIds,
} from "./rows.ts";
import type { Datapath } from "./spec.ts";

/** How a bridge stands in the database, and the operations that make and remove one. */

export interface FoundBridge {
  readonly name: string;
  /** Marks, when we made it. */
  readonly ids?: RowIds;
  readonly datapath: Datapath;
}

export interface BridgePort {
  readonly name: string;
  /** Absent: somebody else's. */
  readonly ids?: RowIds;
}

/** With what is needed to change it. */
export interface BridgeLook extends FoundBridge {
  /** Without that of its own link. */
  readonly ports: readonly BridgePort[];
  readonly uuid: Uuid;
  readonly portUuids: readonly Uuid[];
  readonly qos: readonly Uuid[];
  readonly works: boolean;
  /** That it was told to have. */
  readonly mac: string | undefined;
}

export function additionOf(wish: BridgeWish): readonly Operation<unknown>[] {
  const rows = { iface: named("iface"), port: named("port"), bridge: named("bridge") };
  return [
    insert("Interface", localInterfaceColumns(wish), rows.iface),
    insert("Port", { ...localPortColumns(wish), interfaces: [rows.iface] }, rows.port),
    insert("Bridge", { ...bridgeColumns(wish), ports: [rows.port] }, rows.bridge),
    mutate("Open_vSwitch", [], [["bridges", "insert", [rows.bridge]]], "some"),
  ];
}

/** Ports and interfaces go with their bridge; QoS is a root table. Nothing happens if it has other ports by now. */
export function removalOf({ name, uuid, portUuids, qos }: BridgeLook): readonly Operation<unknown>[] {
  return [
    assertRows({
      table: "Bridge",
      where: [["name", "==", name]],
      columns: ["ports"],
      until: "==",
      rows: [{ ports: portUuids }],
    }),
    mutate("Open_vSwitch", [], [["bridges", "delete", [uuid]]], "some"),
    // A port that is about to be collected still counts as a user of its QoS row.
    ...portUuids.map((port) => update("Port", [["_uuid", "==", port]], { qos: undefined }, "any")),
    ...qos.map((row) => remove("QoS", [["_uuid", "==", row], MARKED], "any")),
  ];
}
