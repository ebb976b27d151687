import type { Env } from "../cni/env.ts";
import { type PairContext, type Pairs, pairs } from "../engine/pairs.ts";
import type { SetOnHost } from "../lib/pair.ts";
import { vethPairs } from "../links/veth/pair.ts";
import type { Conversation } from "../netlink/conversation.ts";
import { sandboxes, writeSettings } from "../sandbox/sandbox.ts";
import type { Libc } from "../sys/libc.ts";
import { conversing, deleting } from "./attachments.ts";
import { faultPoints } from "./faults.ts";
import { netfilter } from "./netfilter.ts";

/** What bridge and ptp run on. */

/** What a kind adds to it, given a conversation in the host's netns. */
export type OfKind = (home: Conversation, setOnHost: SetOnHost) => Pick<PairContext, "side" | "configure">;

export function pairsOf(libc: Libc, env: Env, ofKind: OfKind): Pairs {
  const converse = conversing(libc);
  const home = converse();
  const setOnHost: SetOnHost = (settings) => writeSettings(libc, settings);
  return pairs({
    ...ofKind(home, setOnHost),
    sandboxes: sandboxes(libc, converse),
    pairs: vethPairs(libc, home, deleting(libc)),
    masquerade: async () => {
      const { masquerade } = await import("../links/veth/masquerade.ts");
      return masquerade(netfilter(libc));
    },
    setOnHost,
    step: faultPoints(env),
    async awaitDuplicateCheck(sandbox, target, addresses) {
      const { awaitDuplicateCheck } = await import("../sandbox/duplicates.ts");
      await awaitDuplicateCheck(libc, sandbox, target, addresses);
    },
  });
}
