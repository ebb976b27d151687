import { describe, expect, test } from "bun:test";
import { isOurLinkName } from "../../src/lib/ifname.ts";
import { must } from "../ground/run.ts";
import { until } from "../ground/until.ts";
import { addLan, createNetwork, done, statusOf, untilStatus } from "./docker-calls.ts";
import type { LoneDaemon } from "./lone-daemon.ts";
import { degraded, finds, loneScene, NETWORK, nextLife, SOON } from "./lone-scene.ts";

/** More link events than the daemon reads, or than the kernel keeps for it. */

const scene = loneScene();

/** Many changes of links, as fast as one process can make them. */
async function burst(
  daemon: LoneDaemon,
  changes: number,
  links: readonly string[] = ["lan0", "lan1"],
): Promise<void> {
  const commands = Array.from(
    { length: changes },
    (_, i) => `link set dev ${links[i % links.length]} alias burst${i}\n`,
  );
  await must(["nsenter", `--net=${daemon.netns}`, "ip", "-batch", "-"], { input: commands.join("") });
}

async function joined(daemon: LoneDaemon, count: number) {
  const lives = Array.from({ length: count }, () => nextLife());
  for (const life of lives) {
    await done(daemon, life.create);
    await done(daemon, life.join);
  }
  return lives;
}

async function ourLinks(daemon: LoneDaemon): Promise<string[]> {
  return (await daemon.links()).map(({ ifname }) => ifname).filter(isOurLinkName);
}

describe("2,000 changes", () => {
  test("while deletes wait hold up no call, and what is known afterwards is right", async () => {
    const { daemon, start } = scene();
    await done(daemon, createNetwork(NETWORK));
    const lives = await joined(daemon, 30);
    const changes = burst(daemon, 2000);
    await Promise.all(lives.map((life) => done(daemon, life.remove)));
    expect((await start())?.link).toBe("lan0");
    await changes;
    expect(await ourLinks(daemon)).toEqual([]);
    await daemon.ip("link set lan0 name wan0");
    await untilStatus("the last change is known", daemon, finds("UL-P01"), SOON);
    expect(await statusOf(daemon)).toMatchObject({ networks: { degraded: 0 }, endpoints: { total: 0 } });
  });
});

describe("events that the kernel dropped", () => {
  /** So many that the daemon's receive buffer is full, while it sleeps: it holds some 8,000. */
  const MANY = 12_000;

  /** Events that sockets of the namespace missed, as the kernel counts them. */
  async function losses(daemon: LoneDaemon): Promise<number> {
    const table = await must(["nsenter", `--net=${daemon.netns}`, "cat", "/proc/net/netlink"]);
    const [head = "", ...sockets] = table.split("\n");
    const column = head.split(/\s+/).indexOf("Drops");
    return sockets.reduce((sum, socket) => sum + Number(socket.split(/\s+/)[column]), 0);
  }

  test("keep no delete waiting that was sent before", async () => {
    const { daemon, start } = scene();
    await done(daemon, createNetwork(NETWORK));
    const lives = await joined(daemon, 30);
    const before = await losses(daemon);
    const removed = lives.map((life) => done(daemon, life.remove));
    await until("the kernel has begun", async () => (await ourLinks(daemon)).length < lives.length, {
      everyMs: 1,
    });
    process.kill(daemon.pid(), "SIGSTOP");
    await burst(daemon, MANY);
    process.kill(daemon.pid(), "SIGCONT");
    expect(await losses(daemon)).toBeGreaterThan(before);
    await Promise.all(removed);
    expect(await ourLinks(daemon)).toEqual([]);
    expect((await start())?.link).toBe("lan0");
  });

  test("may be those of a parent's end, and of its return", async () => {
    const { daemon, start } = scene();
    await done(daemon, createNetwork(NETWORK));
    const [life] = await joined(daemon, 1);
    for (const [what, change, count] of [
      ["gone", () => daemon.ip("link del lan0"), 1],
      ["back", () => addLan(daemon), 0],
    ] as const) {
      const before = await losses(daemon);
      process.kill(daemon.pid(), "SIGSTOP");
      await daemon.ip("link add name noise up type bridge");
      await burst(daemon, MANY, ["noise"]);
      await change();
      await daemon.ip("link del noise");
      expect(await losses(daemon)).toBeGreaterThan(before);
      process.kill(daemon.pid(), "SIGCONT");
      await untilStatus(`it is known to be ${what}`, daemon, degraded(count), SOON);
    }
    if (life) await done(daemon, life.remove);
    expect((await start())?.link).toBe("lan0");
  });
});
