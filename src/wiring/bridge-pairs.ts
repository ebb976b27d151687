import type { PairContext, Pairs } from "../engine/pairs.ts";
import type { BridgeWish } from "../lib/pair.ts";
import { awaitForwarding } from "../links/bridge/port.ts";
import { bridgeSide } from "../links/bridge/side.ts";
import type { Libc } from "../sys/libc.ts";
import { netfilter } from "./netfilter.ts";
import { pairsOf } from "./pairs.ts";

/** Pairs whose end on the host is a port of a bridge. `configure`: what is done in the container. */
export function bridgePairs(
  libc: Libc,
  env: Readonly<Record<string, string | undefined>>,
  wish: BridgeWish,
  configure: PairContext["configure"],
): Pairs {
  return pairsOf(libc, env, (home, setOnHost) => ({
    configure,
    side: bridgeSide(
      {
        home,
        setOnHost,
        spoofCheck: async () => (await import("../links/bridge/spoof-check.ts")).spoofCheck(netfilter(libc)),
        awaitForwarding: (port) => awaitForwarding(libc, home, port),
      },
      wish,
    ),
  }));
}
