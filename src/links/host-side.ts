import type { AssignedAddress } from "../lib/attach.ts";
import type { LinkEnd, Pair, PairKey, PairStrays } from "../lib/pair.ts";
import type { Inside } from "./born-inside.ts";

/** What a kind does with the host's end of a pair. Each step can be repeated. */
export interface HostSide {
  /** The host is the container's router. */
  readonly forwards: boolean;
  /** Makes what the pair is to be connected to; answers it. */
  prepare(): Promise<LinkEnd | undefined>;
  /** The pair is there, the container's end down, in the netns of `inside`. */
  plug(pair: Pair, inside: Inside): Promise<void>;
  /** The container's end has these addresses. `isUp`: it was told to come up. */
  connect(pair: Pair, addresses: readonly AssignedAddress[], isUp: boolean): Promise<Connected>;
  /** Takes back what would not go with the pair. `wasThere`: there was a pair until now. */
  unplug(key: PairKey, wasThere: boolean): Promise<void>;
  /** The same for these, whose pairs are gone. */
  collect(strays: PairStrays): Promise<void>;
  /** Throws `conflict` when it is not as `plug` and `connect` left it. */
  verify(pair: Pair, told: ToldSide): Promise<void>;
  /** Throws `conflict` when `prepare` could not. */
  requireReady(): Promise<void>;
}

export interface Connected {
  /** What the pair is connected to, as it is then. */
  readonly master?: LinkEnd;
  /** Links of the host that were needed beside the pair. */
  readonly others: readonly LinkEnd[];
}

export interface ToldSide {
  readonly addresses: readonly AssignedAddress[];
  /** Links of the host, with the MAC addresses that they had. */
  readonly links: readonly { readonly name: string; readonly mac?: string | undefined }[];
}
