import type { Env } from "../cni/env.ts";
import type { Delegate, Plugin } from "../cni/plugin.ts";
import { bridge } from "../cni/plugins/bridge.ts";
import { awaitForwarding } from "../links/bridge/port.ts";
import { bridgeSide } from "../links/bridge/side.ts";
import { configure } from "../sandbox/configure.ts";
import type { Libc } from "../sys/libc.ts";
import { netfilter } from "./netfilter.ts";
import { pairsOf } from "./pairs.ts";

/** bridge with all that it runs on; no other plugin loads this. */
export function bridgeOf(libc: Libc, env: Env, delegate: Delegate): Plugin {
  return bridge(delegate, (wish) =>
    pairsOf(libc, env, (home, setOnHost) => ({
      configure,
      side: bridgeSide(
        {
          home,
          setOnHost,
          spoofCheck: async () =>
            (await import("../links/bridge/spoof-check.ts")).spoofCheck(netfilter(libc)),
          awaitForwarding: (port) => awaitForwarding(libc, home, port),
        },
        wish,
      ),
    })),
  );
}
