import type { Loopbacks } from "../../engine/loopback.ts";
import type { Cidr } from "../../lib/ip.ts";
import { ZERO_MAC } from "../../lib/mac.ts";
import type { Plugin } from "../plugin.ts";
import type { Result } from "../result.ts";

/** What the kernel calls it, whatever CNI_IFNAME says. */
const LO = "lo";

/**
 * `lo` up, as the reference's plugin has it: what a plugin before it said is passed on; without one the result is `lo`
 * with its first address of each family.
 */
export function loopback(loopbacks: () => Loopbacks): Plugin {
  return {
    async add({ env, prevResult }) {
      const addresses = await loopbacks().raise(env.netns);
      return prevResult ?? resultOf(env.netns, addresses);
    },
    async del({ env }) {
      await loopbacks().lower(env.netns);
    },
    async check({ env }) {
      await loopbacks().verify(env.netns);
    },
    // It keeps nothing that could be left over, and needs nothing of the host.
    gc: async () => undefined,
    status: async () => undefined,
  };
}

function resultOf(netns: string, addresses: readonly Cidr[]): Result {
  const firsts = ([4, 6] as const).flatMap(
    (family) => addresses.find(({ ip }) => ip.family === family) ?? [],
  );
  return {
    interfaces: [{ name: LO, mac: ZERO_MAC, sandbox: netns }],
    ips: firsts.map((address) => ({ address, interface: 0 })),
    routes: [],
    dns: {},
  };
}
