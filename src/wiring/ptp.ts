import type { Env } from "../cni/env.ts";
import type { Delegate, Plugin } from "../cni/plugin.ts";
import { ptp } from "../cni/plugins/ptp.ts";
import { ptpSide } from "../links/ptp/side.ts";
import { configurePointToPoint } from "../sandbox/point-to-point.ts";
import type { Libc } from "../sys/libc.ts";
import { pairsOf } from "./pairs.ts";

/** ptp with all that it runs on; no other plugin loads this. */
export function ptpOf(libc: Libc, env: Env, delegate: Delegate): Plugin {
  const engine = () =>
    pairsOf(libc, env, (home) => ({ side: ptpSide(home), configure: configurePointToPoint }));
  return ptp(delegate, engine);
}
