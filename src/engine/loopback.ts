import type { Cidr } from "../lib/ip.ts";
import { lowerLoopback, raiseLoopback, requireLoopbackUp } from "../sandbox/loopback.ts";
import { requireSandbox, type Sandboxes } from "../sandbox/sandbox.ts";

/** `lo` of a container, which is there from the first and only wants to be up. Netns are told by their paths. */
export interface Loopbacks {
  /** Answers the addresses that it has then. Throws `not_found` (netns), `conflict` (other addresses). */
  raise(netns: string): Promise<readonly Cidr[]>;
  /** A netns that is gone, or that nobody knows (an empty path), is success. */
  lower(netns: string): Promise<void>;
  /** Throws `not_found`, or `conflict` when it is down. */
  verify(netns: string): Promise<void>;
}

export function loopbacks(sandboxes: Sandboxes): Loopbacks {
  return {
    async raise(netns) {
      using sandbox = requireSandbox(sandboxes, netns);
      return await raiseLoopback(sandbox);
    },
    async lower(netns) {
      using sandbox = netns === "" ? undefined : sandboxes(netns);
      if (sandbox) await lowerLoopback(sandbox);
    },
    async verify(netns) {
      using sandbox = requireSandbox(sandboxes, netns);
      await requireLoopbackUp(sandbox);
    },
  };
}
