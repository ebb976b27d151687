import type { ModuleState, Read } from "./host-facts.ts";

/** What was read about Open vSwitch, for `doctor`. Gathered by `links/ovs/look`, judged by `conditions`. */
export interface SwitchFacts {
  /** Where ovsdb-server is asked: `unix:/run/openvswitch/db.sock`. */
  readonly target: string;
  /** Bridges that networks of ours are on, by record. */
  readonly bridges: readonly string[];
  /** The kernel's datapath. */
  readonly module: { readonly state: ModuleState; readonly source: string };
  /** `dead`: why it does not answer. `unread`: why it may not be asked. */
  readonly database: Read<SwitchState> | { readonly dead: string };
}

export interface SwitchState {
  readonly vswitchd: VswitchdFacts;
  /** Who listens for programs that change the switch. */
  readonly listeners: readonly SwitchListener[];
  /** Only those that networks of ours are on, by record or by a port of ours. */
  readonly bridges: readonly SwitchBridge[];
  /** Who has the UDP port of tunnels, where one lacks it and that is known. */
  readonly udpPort?: PortHolder;
}

/** A program; a VXLAN link of the kernel's; or one of another network namespace, whose name is not known. */
export type PortHolder =
  | { readonly kind: "process"; readonly name: string }
  | { readonly kind: "link"; readonly name: string }
  | { readonly kind: "elsewhere" };

/**
 * `behind`: it has not applied what is in the database. `gone`: nobody answers at its control socket. `unknown`: there
 * is nothing from which it could be told.
 */
export interface VswitchdFacts {
  readonly state: "runs" | "behind" | "gone" | "unknown";
  /** Where that was read, and what. */
  readonly source: string;
  readonly value: string;
}

/** A `ptcp:` of the database, or of a bridge's OpenFlow. */
export interface SwitchListener {
  /** The bridge whose flows it changes; absent: it changes the database. */
  readonly bridge?: string;
  /** `ptcp:6640`. */
  readonly target: string;
  /** All that the table has for the database or for the bridge, this one included. */
  readonly all: readonly string[];
}

export interface SwitchBridge {
  readonly name: string;
  readonly datapath: "system" | "netdev";
  /** It has a datapath id: the datapath of its kind could be made. */
  readonly works: boolean;
  readonly isSecure: boolean;
  /** Targets of its controllers. */
  readonly controllers: readonly string[];
  readonly isControlled: boolean;
  /** How many flows it has; only read of a secure one that nobody controls. */
  readonly flows?: number;
  /** Ports of ours that do not work. */
  readonly broken: readonly BrokenPort[];
  /** Networks of ours on it let nobody in or out but by ports of the bridge: in mode flat, without tunnels. */
  readonly isFlat: boolean;
  /** Ports by which it is left: NICs that we put there, and all that somebody else did. */
  readonly ways: readonly string[];
}

export interface BrokenPort {
  readonly name: string;
  /** What ovs-vswitchd says against it. */
  readonly error: string;
  /** It is a tunnel, and another has the UDP port that it needs. */
  readonly lacksUdpPort?: true;
}
