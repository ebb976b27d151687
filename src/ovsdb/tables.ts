import type { Atom, Read, Shape, Uuid, Write } from "./datum.ts";

/**
 * The tables and columns of the database `Open_vSwitch` that we touch (ovs-vswitchd.conf.db(5)), from which the types of
 * rows are derived. All are in schema 8.3.1 (Open vSwitch 3.1) and in 8.8.0 (4.0), unless a line says otherwise.
 */

const one = <K extends Atom>(key: K) => ({ kind: "one", key }) as const;
const optional = <K extends Atom>(key: K) => ({ kind: "optional", key }) as const;
const set = <K extends Atom>(key: K) => ({ kind: "set", key }) as const;
const map = <K extends Atom, V extends Atom>(key: K, value: V) => ({ kind: "map", key, value }) as const;

export const TABLES = {
  /** Exactly one row. */
  Open_vSwitch: {
    bridges: set("uuid"),
    manager_options: set("uuid"),
    /** Raised by who wants to know when ovs-vswitchd has applied what is in the database. */
    next_cfg: one("int64"),
    cur_cfg: one("int64"),
    ovs_version: optional("string"),
    db_version: optional("string"),
    datapath_types: set("string"),
    iface_types: set("string"),
    external_ids: map("string", "string"),
    other_config: map("string", "string"),
  },
  Bridge: {
    /** Unique; cannot be changed. */
    name: one("string"),
    /** `""` and `system`: the kernel's. `netdev`: in ovs-vswitchd. */
    datapath_type: one("string"),
    datapath_id: optional("string"),
    /** `standalone`, also when empty; `secure`. */
    fail_mode: optional("string"),
    ports: set("uuid"),
    mirrors: set("uuid"),
    controller: set("uuid"),
    protocols: set("string"),
    stp_enable: one("boolean"),
    rstp_enable: one("boolean"),
    mcast_snooping_enable: one("boolean"),
    flood_vlans: set("integer"),
    status: map("string", "string"),
    external_ids: map("string", "string"),
    other_config: map("string", "string"),
  },
  Port: {
    /** Unique over all bridges; cannot be changed. */
    name: one("string"),
    /** One at least. */
    interfaces: set("uuid"),
    tag: optional("integer"),
    trunks: set("integer"),
    cvlans: set("integer"),
    /** `access` `trunk` `native-tagged` `native-untagged` `dot1q-tunnel` */
    vlan_mode: optional("string"),
    qos: optional("uuid"),
    /** No traffic between protected ports. */
    protected: one("boolean"),
    mac: optional("string"),
    bond_mode: optional("string"),
    lacp: optional("string"),
    status: map("string", "string"),
    statistics: map("string", "int64"),
    external_ids: map("string", "string"),
    other_config: map("string", "string"),
  },
  Interface: {
    /** Unique over all bridges; cannot be changed. */
    name: one("string"),
    /** `""` and `system`: a netdev of the kernel. */
    type: one("string"),
    options: map("string", "string"),
    /** -1 when ovs-vswitchd could not add it. */
    ofport: optional("integer"),
    ofport_request: optional("integer"),
    /** Of internal ports. */
    mac: optional("string"),
    mac_in_use: optional("string"),
    mtu: optional("integer"),
    mtu_request: optional("integer"),
    ifindex: optional("integer"),
    admin_state: optional("string"),
    link_state: optional("string"),
    link_speed: optional("int64"),
    error: optional("string"),
    /** kbit/s of what comes in from it; 0 = no limit. */
    ingress_policing_rate: one("int64"),
    /** kbit */
    ingress_policing_burst: one("int64"),
    status: map("string", "string"),
    /** Bytes and packets since the port was added. */
    statistics: map("string", "int64"),
    external_ids: map("string", "string"),
    other_config: map("string", "string"),
  },
  /** A root table: rows stay until they are deleted. */
  QoS: {
    type: one("string"),
    queues: map("integer", "uuid"),
    external_ids: map("string", "string"),
    /** `max-rate` in bit/s. */
    other_config: map("string", "string"),
  },
  /** A root table, as QoS. */
  Queue: {
    dscp: optional("integer"),
    external_ids: map("string", "string"),
    other_config: map("string", "string"),
  },
  /** Names need not be unique. */
  Mirror: {
    name: one("string"),
    select_all: one("boolean"),
    select_src_port: set("uuid"),
    select_dst_port: set("uuid"),
    select_vlan: set("integer"),
    output_port: optional("uuid"),
    output_vlan: optional("integer"),
    /** Not in 8.3.1. */
    filter: optional("string"),
    external_ids: map("string", "string"),
  },
  Controller: {
    target: one("string"),
    is_connected: one("boolean"),
    connection_mode: optional("string"),
    inactivity_probe: optional("integer"),
    external_ids: map("string", "string"),
    other_config: map("string", "string"),
  },
  Manager: {
    /** Unique. */
    target: one("string"),
    is_connected: one("boolean"),
    /** Milliseconds; 0 = none. */
    inactivity_probe: optional("integer"),
    external_ids: map("string", "string"),
    other_config: map("string", "string"),
  },
} as const;

export type Tables = typeof TABLES;
export type TableName = keyof Tables;
export type ColumnName<T extends TableName> = keyof Tables[T] & string;

type ShapeOf<T extends TableName, C extends ColumnName<T>> = Extract<Tables[T][C], Shape>;

/** What is read from a column. */
export type Value<T extends TableName, C extends ColumnName<T>> = Read<ShapeOf<T, C>>;
/** What is written to it. */
export type Input<T extends TableName, C extends ColumnName<T>> = Write<ShapeOf<T, C>>;

/** A whole row as it is read. */
export type Row<T extends TableName> = { readonly _uuid: Uuid } & {
  readonly [C in ColumnName<T>]: Value<T, C>;
};

/** Some columns of a row, and its UUID. */
export type RowOf<T extends TableName, C extends ColumnName<T>> = Pick<Row<T>, C | "_uuid">;

/** Columns to be written; those that are not there stay as they are, or at their defaults in a new row. */
export type Values<T extends TableName> = { readonly [C in ColumnName<T>]?: Input<T, C> };
