import { resolve } from "node:path";

/** The programs whose messages are captured, each as words of a command line. */

export type Program = "ip" | "bridge" | "nft";

/** `nft` is not on every machine: that of the newest Debian, in the private root that the reference plugins are in. */
export function programOf(program: Program = "ip"): string {
  return program === "nft" ? `chroot ${nftRoot()} /usr/sbin/nft` : program;
}

function nftRoot(): string {
  const tool = resolve(import.meta.dir, "../debian-root.sh");
  const { exitCode, stdout, stderr } = Bun.spawnSync([
    tool,
    "cni-sid",
    "sid",
    "containernetworking-plugins,nftables",
  ]);
  if (exitCode !== 0) throw new Error(stderr.toString());
  return stdout.toString().trim();
}
