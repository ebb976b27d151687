import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The C compiler as the judge of numbers. */

const HEADERS = [
  "stddef.h",
  "stdio.h",
  "errno.h",
  "fcntl.h",
  "poll.h",
  "sched.h",
  "sys/eventfd.h",
  "sys/file.h",
  "sys/mman.h",
  "sys/socket.h",
  "sys/un.h",
  "netinet/in.h",
  "linux/filter.h",
  "linux/if.h",
  "linux/if_addr.h",
  "linux/if_arp.h",
  "linux/if_bridge.h",
  "linux/if_ether.h",
  "linux/if_link.h",
  "linux/if_packet.h",
  "linux/ethtool.h",
  "linux/ethtool_netlink.h",
  "linux/genetlink.h",
  "linux/neighbour.h",
  "linux/net_namespace.h",
  "linux/netfilter.h",
  "linux/netfilter/nfnetlink.h",
  "linux/netfilter/nfnetlink_conntrack.h",
  "linux/netfilter/nf_conntrack_common.h",
  "linux/netfilter/nf_tables.h",
  "linux/netlink.h",
  "linux/nl80211.h",
  "linux/nsfs.h",
  "linux/rtnetlink.h",
  "linux/veth.h",
  "spawn.h",
  "sys/stat.h",
  "sys/wait.h",
];

const PROLOGUE = `#define _GNU_SOURCE\n${HEADERS.map((header) => `#include <${header}>\n`).join("")}`;

function cc(source: string, ...flags: string[]): { ok: boolean; said: string } {
  const run = Bun.spawnSync(["cc", "-x", "c", "-w", ...flags, "-"], {
    stdin: Buffer.from(source),
    stderr: "pipe",
  });
  return { ok: run.exitCode === 0, said: run.stderr.toString() };
}

/** Whether the headers of this machine know a symbol. */
export function isKnown(symbol: string): boolean {
  return cc(`${PROLOGUE}long long probe(void) { return (long long)(${symbol}); }\n`, "-fsyntax-only").ok;
}

/** The values of C expressions, in order. Throws what the compiler says. */
export function evaluate(expressions: readonly string[]): number[] {
  const dir = mkdtempSync(join(tmpdir(), "abi-"));
  try {
    const prints = expressions
      .map((expression) => `  printf("%lld\\n", (long long)(${expression}));\n`)
      .join("");
    const program = join(dir, "abi");
    const built = cc(`${PROLOGUE}int main(void) {\n${prints}  return 0;\n}\n`, "-o", program);
    if (!built.ok) throw new Error(`the compiler refuses:\n${built.said}`);
    return Bun.spawnSync([program]).stdout.toString().trim().split("\n").map(Number);
  } finally {
    rmSync(dir, { recursive: true });
  }
}
