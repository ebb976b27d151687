import { expect, test } from "bun:test";
import { join } from "node:path";
import { collectLines } from "../ground/lines.ts";
import { nft } from "../ground/nft.ts";
import { until } from "../ground/until.ts";
import { network, OUTSIDE, openNatScene } from "./nat-scene.ts";

/** One who sends UDP from the same port all the time, while what it sends to is published, moved and taken back. */

const SCRIPT = join(import.meta.dir, "../ground/udp-persist.py");

test.each([
  ["IPv4", OUTSIDE.host4, "10.1.0", "."],
  ["IPv6", OUTSIDE.host6, "fd00:1:", ":"],
] as const)("%s: it is led where the port leads now", async (_, to, prefix, separator) => {
  await using scene = await openNatScene();
  scene.bridge("br1", "10.1.0.1/24", "fd00:1::1/64");
  const gateways = ["10.1.0.1", "fd00:1::1"];
  const addressOf = (host: number) => `${prefix}${separator}${host}`;
  for (const host of [2, 3]) {
    const own = await scene.container("br1", [`10.1.0.${host}/24`, `fd00:1::${host}/64`], gateways);
    await scene.serve(own, 5000 + host);
  }
  const leads = (...hosts: readonly number[]) =>
    scene.gateway.apply([
      network(
        "br1",
        ["10.1.0.0/24", "fd00:1::/64"],
        hosts.map((host) => `8080 -> [${addressOf(host)}]:${5000 + host}/udp`),
      ),
    ]);
  // Answers come from whom only one of both can be: the other's port is another.
  const seen: string[] = [];
  const sender = Bun.spawn(["nsenter", `--net=${scene.outside.path}`, "python3", "-u", SCRIPT, to, "8080"], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  void collectLines(sender.stdout, seen);
  try {
    await until("it sends", () => seen.length === 1);
    await leads(2);
    await until("the first answers", () => seen.length === 2);
    expect(await flowsTo(addressOf(2))).toBeGreaterThan(0);
    await leads(3);
    await until("packets go to the second", async () => (await flowsTo(addressOf(3))) > 0);
    expect(await flowsTo(addressOf(2))).toBe(0);
    await nft(scene.host, "flush", "ruleset");
    await scene.gateway.settled();
    await until("packets go to the second again", async () => (await flowsTo(addressOf(3))) > 0);
    await leads();
    await until("nobody answers", () => seen.at(-1) === "nothing");
  } finally {
    sender.kill();
    await sender.exited;
  }
  expect(scene.logged.filter((line) => /^(error|warn this kernel)/.test(line))).toEqual([]);

  /** Connections that are answered by that address, as the kernel tells in its own words. */
  async function flowsTo(address: string): Promise<number> {
    const wanted = address.includes(":")
      ? `fd00:0001:0000:0000:0000:0000:0000:000${address.at(-1)}`
      : address;
    const script = ["cat", "/proc/thread-self/net/nf_conntrack"];
    const { stdout } = Bun.spawnSync(["nsenter", `--net=${scene.host.path}`, ...script]);
    const lines = stdout
      .toString()
      .split("\n")
      .filter((line) => line.includes(" udp "));
    return lines.filter((line) => line.includes(`src=${wanted} `) && line.includes("dport=8080")).length;
  }
});
