import type { AssignedAddress } from "../lib/attach.ts";
import type { LinkEnd, Pair, PairKey } from "../lib/pair.ts";

/** What a kind does with the host's end of a pair. Each step can be repeated. */
export interface HostSide {
  /** The host is the container's router. */
  readonly forwards: boolean;
  /** Makes what the pair is to be connected to; answers it. */
  prepare(): Promise<LinkEnd | undefined>;
  /** The pair is there, both ends down. */
  plug(pair: Pair): Promise<void>;
  /** The container's end is up, with these addresses; or it is neither. Answers links that were made on the way. */
  connect(pair: Pair, addresses: readonly AssignedAddress[]): Promise<readonly LinkEnd[]>;
  /** Takes back what would not go with the pair. */
  unplug(key: PairKey): Promise<void>;
  /** The same for all attachments of a network but these. */
  collect(network: string, alive: readonly PairKey[]): Promise<void>;
  /** Throws `conflict` when it is not as `plug` and `connect` left it. */
  verify(host: LinkEnd & { readonly master?: number }, addresses: readonly AssignedAddress[]): Promise<void>;
  /** Throws `conflict` when `prepare` could not. */
  requireReady(): Promise<void>;
}
