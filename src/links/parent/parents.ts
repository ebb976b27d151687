import type { ParentFacts } from "../../lib/facts.ts";
import type { Mac } from "../../lib/mac.ts";
import type { ParentRef } from "./ref.ts";

/** What a network remembers of its parent, to know it again when its name is gone. */
export interface ParentMemory {
  /** Name at the time, after `auto` was resolved. */
  readonly name: string;
  readonly ifindex: number;
  readonly mac?: Mac;
  /** An ifindex means nothing after a reboot. */
  readonly bootId: string;
}

/** What of a parent is of no interest. */
export interface Limits {
  /** Of which routes are read; both when left out. */
  readonly families?: readonly (4 | 6)[];
  /** False: what hangs on it is not looked for, which takes a walk through all namespaces. */
  readonly children?: false;
}

/** Parents of links: how they are found, judged and used. Shared by all kinds that hang on one. */
export interface Parents {
  /** All that conditions want to know, children in every reachable netns included. Throws `kernel`. */
  facts(ref: ParentRef, memory?: ParentMemory, limits?: Limits): Promise<ParentFacts>;
  /** The same for many parents as they are now: what they share is read once. */
  atOnce(): Promise<Pick<Parents, "facts">>;
  /**
   * The parent as it is now, quickly: by the name asked for, else by the remembered index in the same boot
   * (it was renamed). Undefined when it is missing.
   */
  find(ref: ParentRef, memory: ParentMemory): Promise<FoundParent | undefined>;
  bringUp(ifindex: number): Promise<void>;
}

export interface FoundParent {
  readonly name: string;
  readonly ifindex: number;
  readonly up: boolean;
}
