import { describe, expect, test } from "bun:test";
import { createNetwork, done, statusOf, untilStatus } from "./docker-calls.ts";
import { finds, loneScene, NETWORK, nextLife, SOON } from "./lone-scene.ts";

/** Parents that are there but cannot be used as they are: down, taken by a bridge, with a smaller MTU. */

const scene = loneScene();

/** What is wrong, without the evidence in brackets behind it: there the kernel may say EBUSY. */
const wordsOf = (refusal: string) => refusal.replace(/ \([^()]*(\([^()]*\)[^()]*)*\)/g, "");

describe("a parent that is down", () => {
  test("is told, brought up at Join, and that is logged", async () => {
    const { daemon, start } = scene();
    await done(daemon, createNetwork(NETWORK));
    await daemon.ip("link set lan0 down");
    const status = await untilStatus("it is told", daemon, finds("UL-P02"), SOON);
    expect(status.networks.degraded).toBe(0);
    const before = daemon.lines().length;
    await start();
    const lan0 = (await daemon.links()).find(({ ifname }) => ifname === "lan0");
    expect(lan0?.flags).toContain("UP");
    expect(
      daemon
        .lines()
        .slice(before)
        .filter((line) => line.includes("was brought up")),
    ).toEqual([expect.stringMatching(/"level":"warn".*"parent":"lan0"/)]);
    await untilStatus("it is told no more", daemon, finds(), SOON);
  });
});

describe("a parent that became a port of a bridge", () => {
  test("is refused in words, never EBUSY, and usable again when it left", async () => {
    const { daemon, start, startInVain } = scene();
    await done(daemon, createNetwork(NETWORK));
    await daemon.ip("link add br0 type bridge");
    await daemon.ip("link set lan0 master br0");
    await untilStatus("it is told", daemon, finds("UL-P06"), SOON);
    const why = await startInVain();
    expect(why).toStartWith("UL-P06 lan0 cannot carry macvlan: it is a port of bridge br0 (");
    expect(why).toContain("to mend it: use the bridge as parent");
    expect(wordsOf(why)).not.toMatch(/EBUSY|internal/);
    expect((await daemon.links()).map(({ ifname }) => ifname).sort()).toEqual(["br0", "lan0", "lan1", "lo"]);

    await daemon.ip("link set lan0 nomaster");
    await untilStatus("it is told no more", daemon, finds(), SOON);
    expect((await start())?.link).toBe("lan0");
  });

  test("by its bridge's name carries a network", async () => {
    const { daemon, start } = scene();
    await daemon.ip("link add br0 type bridge");
    await daemon.ip("link set lan0 master br0");
    await done(daemon, createNetwork(NETWORK, { parent: "br0" }));
    expect((await start())?.link).toBe("br0");
    expect((await statusOf(daemon)).networks.degraded).toBe(0);
  });
});

describe("a parent whose MTU is lowered", () => {
  test("below the network's is refused in words, and usable again when it is raised", async () => {
    const { daemon, start, startInVain } = scene();
    await done(daemon, createNetwork(NETWORK, { mtu: "1400" }));
    await daemon.ip("link set lan0 mtu 1300");
    await untilStatus("it is told", daemon, finds("UL-P12"), SOON);
    const why = await startInVain();
    expect(why).toStartWith("UL-P12 mtu 1400 is more than the 1300 of lan0 (");
    expect(why).not.toMatch(/EINVAL|internal/);
    await daemon.ip("link set lan0 mtu 1500");
    await untilStatus("it is told no more", daemon, finds(), SOON);
    expect((await start())?.mtu).toBe(1400);
  });

  test("lowers a network that has none of its own, and links that are there stay low when it is raised", async () => {
    const { daemon, start } = scene();
    await done(daemon, createNetwork(NETWORK));
    const life = nextLife();
    await done(daemon, life.create);
    await done(daemon, life.join);
    await daemon.ip("link set lan0 mtu 1300");
    expect((await start())?.mtu).toBe(1300);
    await daemon.ip("link set lan0 mtu 1500");
    const status = await untilStatus("it is told", daemon, finds("UL-P12"), SOON);
    expect(status.findings[0]).toMatchObject({ severity: "warn" });
    await done(daemon, life.remove);
    await untilStatus("it is told no more", daemon, finds(), SOON);
    expect((await start())?.mtu).toBe(1500);
  });
});

describe("a parent that somebody else took", () => {
  test("for a passthru link is refused in words, and usable again when that is gone", async () => {
    const { daemon, start, startInVain } = scene();
    await done(daemon, createNetwork(NETWORK));
    await daemon.ip("link add link lan0 name theirs type macvlan mode passthru");
    const why = await startInVain();
    expect(why).toStartWith("UL-P08 lan0 belongs to a passthru link alone: theirs in ");
    expect(wordsOf(why)).not.toMatch(/EINVAL|EBUSY|internal/);
    await daemon.ip("link del theirs");
    expect((await start())?.link).toBe("lan0");
  });
});
