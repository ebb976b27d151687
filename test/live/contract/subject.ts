import type { StepName } from "../../../src/engine/steps.ts";
import type { Box } from "./box.ts";
import type { Ground, Host } from "./host.ts";

/** A driver spoken to by a protocol, with what differs between protocols taken away: what its promises are about. */
export interface Subject extends AsyncDisposable {
  readonly row: Row;
  readonly host: Host;
  /** Makes what the protocol makes of a network when it is not there yet, and puts the box on it. */
  attach(box: Box, wish?: Wish): Promise<Given>;
  /** Takes it off. May be said of one that never was on it, and again. */
  detach(box: Box, net?: Net): Promise<void>;
  /** The network goes; nobody is on it any more. */
  close(net?: Net): Promise<void>;
  /** The same, by a program that dies at the step; throws when it lives on. */
  killed(step: StepName, verb: Verb, box: Box): Promise<void>;
  /** The protocol's own word that all is well. */
  verify(box: Box, given: Given): Promise<void>;
  /** Says who lives, so that all else of the network goes; absent: nobody tells. Undefined: it is not said. */
  readonly sweep?: (living: readonly Box[] | undefined, net?: Net) => Promise<void>;
  /** The program that serves all calls is killed, and comes back, with that in its environment; absent: each call has its own. */
  readonly restart?: (env?: Readonly<Record<string, string>>) => Promise<void>;
  /** What is written down of anybody: rows, reservations. */
  records(): Promise<readonly string[]>;
}

export type Verb = "attach" | "detach" | "close";

export interface Wish {
  readonly net?: Net;
  readonly mac?: string;
  /** What is said is said more than once. */
  readonly again?: boolean;
  /** In place of one that the runtime has given up: where the runtime chooses, the same address and ports. */
  readonly inPlaceOf?: Box;
  /** Keys or options in place of those of the row. */
  readonly keys?: Keys;
}

export interface Given {
  /** With prefix lengths, IPv4 first. */
  readonly addresses: readonly string[];
  readonly mac: string;
  readonly said?: unknown;
}

export type Keys = Readonly<Record<string, unknown>>;

/** What may follow when a call was killed: see the tests. */
export type Sequel = "again" | "attached" | "removed" | "removed when it is gone" | "next";

/** One driver by one protocol. */
export interface Row {
  readonly name: string;
  readonly protocol: "Docker" | "CNI" | "netavark";
  /** The driver's name in the protocol. */
  readonly type: string;
  readonly ground: Ground;
  /** Keys or options of a network. */
  keys(net: Net): Keys;
  /** In place of those: each is refused. */
  readonly refused: readonly Keys[];
  /** Whether a container may say which MAC address it wants. */
  readonly takesMac: boolean;
  /** Whether ports of the host are published. */
  readonly publishes?: true;
  /** Steps of each verb, at which it may die. */
  readonly steps: Readonly<Record<Verb, readonly StepName[]>>;
  readonly sequels: Readonly<Record<Verb, readonly Sequel[]>>;
}

export const MTU = 1400;

/** Two networks, which share what they hang on. */
export const NETS = {
  one: { v4: "10.60.0", v6: "fd60::", ifname: "eth0" },
  two: { v4: "10.61.0", v6: "fd61::", ifname: "eth1" },
} as const;

export type Net = keyof typeof NETS;

export const poolsOf = (net: Net) => ({
  v4: { subnet: `${NETS[net].v4}.0/24`, gateway: `${NETS[net].v4}.1` },
  v6: { subnet: `${NETS[net].v6}/64`, gateway: `${NETS[net].v6}1` },
});

/** Addresses as a runtime chooses them. */
export const addressesFor = (net: Net, { serial }: Box): readonly [v4: string, v6: string] => [
  `${NETS[net].v4}.${serial}/24`,
  `${NETS[net].v6}${serial.toString(16)}/64`,
];
