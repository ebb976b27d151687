import type { Env } from "../cni/env.ts";
import type { Delegate, Plugin } from "../cni/plugin.ts";
import { bridge } from "../cni/plugins/bridge.ts";
import { configure } from "../sandbox/configure.ts";
import type { Libc } from "../sys/libc.ts";
import { bridgePairs } from "./bridge-pairs.ts";

/** bridge with all that it runs on; no other plugin loads this. */
export function bridgeOf(libc: Libc, env: Env, delegate: Delegate): Plugin {
  return bridge(delegate, (wish) => bridgePairs(libc, env, wish, configure));
}
