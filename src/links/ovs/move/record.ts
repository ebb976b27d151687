import type { Mac } from "../../../lib/mac.ts";
import type { Belongings } from "./belongings.ts";

/**
 * What the host had on a NIC, written before anything of it moves. JSON as it stands.
 *
 * `moving` and `returning` are begun and not finished: what was begun is taken back, whoever finds it. `failed`: it came
 * back by itself, and is not tried again before somebody changes something.
 */
export interface MoveRecord {
  readonly state: "moving" | "moved" | "returning" | "failed";
  /** By the name that the kernel has. */
  readonly uplink: string;
  /** In that boot, as every index here. */
  readonly ifindex: number;
  readonly bootId: string;
  readonly bridge: string;
  /** Of the bridge's own link. */
  readonly bridgeIfindex: number;
  /** What the bridge's own link was to have before. */
  readonly before: Dress;
  readonly belongings: Belongings;
  /** For people, of one that failed. */
  readonly why?: string;
}

/** What a bridge's own link is told to be. */
export interface Dress {
  readonly mac?: Mac;
  /** Bytes. */
  readonly mtu?: number;
}

/** Where records of moves are, by the name of the NIC. */
export interface MoveRecords {
  get(uplink: string): MoveRecord | undefined;
  list(): readonly MoveRecord[];
  /** On the disk when it resolves. */
  put(record: MoveRecord): Promise<void>;
  delete(uplink: string): Promise<void>;
}
