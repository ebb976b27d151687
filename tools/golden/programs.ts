import { resolve } from "node:path";

/** The programs whose messages are captured, each as words of a command line. */

export type Program = "ip" | "bridge" | "nft" | "ethtool";

/** `nft` and `ethtool` are not on every machine: those of private Debian roots that tests make in any case. */
const ROOTS: Partial<Readonly<Record<Program, readonly string[]>>> = {
  nft: ["cni-sid", "sid", "containernetworking-plugins,nftables"],
  ethtool: [
    "ovs-bookworm",
    "bookworm",
    "openvswitch-switch,busybox-static,ethtool,iproute2,iputils-ping,nftables,procps",
  ],
};

export function programOf(program: Program = "ip"): string {
  const root = ROOTS[program];
  return root ? `chroot ${rootOf(root)} /usr/sbin/${program}` : program;
}

function rootOf(root: readonly string[]): string {
  const tool = resolve(import.meta.dir, "../debian-root.sh");
  const { exitCode, stdout, stderr } = Bun.spawnSync([tool, ...root]);
  if (exitCode !== 0) throw new Error(stderr.toString());
  return stdout.toString().trim();
}
