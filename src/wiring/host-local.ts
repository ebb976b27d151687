import type { Env } from "../cni/env.ts";
import { hostLocal } from "../cni/ipam/host-local.ts";
import type { Plugin } from "../cni/plugin.ts";
import { hostLocalPools } from "../engine/host-local.ts";
import { HostLocalDirectory } from "../store/host-local/directory.ts";
import { readFile } from "../sys/file.ts";
import type { Libc } from "../sys/libc.ts";
import { faultPoints } from "./faults.ts";

/**
 * host-local with what it stands on: files by libc, and nothing opened before a verb needs it. It is loaded when it is asked
 * for, all at once: each module that is loaded by itself costs a fraction of a millisecond.
 */
export function hostLocalOf(libc: Libc, env: Env, isDelegated: boolean): Plugin {
  const readText = (path: string) => {
    const bytes = readFile(libc, path);
    return bytes && new TextDecoder().decode(bytes);
  };
  const parts = {
    libc,
    step: faultPoints(env),
    bootId: readText("/proc/sys/kernel/random/boot_id")?.trim() ?? "",
    stateDir: env["UNDERLAY_STATE_DIR"] || "/var/lib/underlay",
    pause: (milliseconds: number) => Bun.sleep(milliseconds),
    clock: () => Date.now(),
  };
  const live = async () => (await import("../sys/live-netns.ts")).liveNetns(libc);
  const pools = hostLocalPools((path) => new HostLocalDirectory(parts, path), live);
  return hostLocal({ pools, readText, isDelegated });
}
