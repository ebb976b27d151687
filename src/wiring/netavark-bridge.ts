import type { Pairs } from "../engine/pairs.ts";
import type { BridgeWish } from "../lib/pair.ts";
import { configure } from "../sandbox/configure.ts";
import type { Libc } from "../sys/libc.ts";
import { bridgePairs } from "./bridge-pairs.ts";

/** Pairs as netavark's containers have them: with no IPv6 addresses from what routers say. No other driver loads this. */
export function bridgePairsOf(
  libc: Libc,
  env: Readonly<Record<string, string | undefined>>,
  wish: BridgeWish,
): Pairs {
  return bridgePairs(libc, env, wish, (sandbox, target, wanted) =>
    configure(sandbox, target, { ...wanted, autoconf: false }),
  );
}
