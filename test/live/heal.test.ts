import { describe, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { must } from "../ground/run.ts";
import { until } from "../ground/until.ts";
import {
  addLan,
  createNetwork,
  type DockerCall,
  deleteNetwork,
  done,
  endpointLife,
  idOf,
  refused,
  statusOf,
  untilStatus,
} from "./docker-calls.ts";
import type { LoneDaemon } from "./lone-daemon.ts";
import { degraded, finds, loneScene, NETWORK, nextLife, SOON } from "./lone-scene.ts";

/** Parents that go, come back or change their name under a network. Nothing is restarted by hand. */

const scene = loneScene();

/** When the last such line was logged, on the clock of `performance.now()`. */
function timeOf(daemon: LoneDaemon, words: string): number {
  const line = daemon.lines().findLast((text) => text.includes(words));
  if (line === undefined) throw new Error(`not logged: ${words}`);
  return Date.parse(JSON.parse(line).time) - performance.timeOrigin;
}

describe("a parent that is deleted", () => {
  test("makes its network degraded within a second, and it heals when the link is made again", async () => {
    const { daemon, start, startInVain, shown } = scene();
    await done(daemon, createNetwork(NETWORK));
    const former = await start(9);
    const before = performance.now();
    await daemon.ip("link del lan0");
    const status = await untilStatus("it is degraded", daemon, degraded(1), SOON);
    const took = timeOf(daemon, "condition begins: no link is called lan0") - before;
    expect(took).toBeGreaterThan(0);
    expect(took).toBeLessThan(1000);
    expect(status.findings).toEqual([expect.objectContaining({ id: "UL-P01", severity: "fail" })]);
    expect(await shown()).toEqual({ healthy: false, state: "degraded", findings: ["UL-P01"] });
    expect(await startInVain()).toStartWith("UL-P01 no link is called lan0 (");

    await addLan(daemon);
    await untilStatus("it has healed", daemon, degraded(0), SOON);
    expect(await shown()).toEqual({ healthy: true, state: "active", findings: [] });
    const now = await start(9);
    expect(now?.link).toBe("lan0");
    expect(now?.address).toBe(former?.address ?? "");
  });

  test("takes the links of its containers along, and they are made again with the next Join", async () => {
    const { daemon } = scene();
    await done(daemon, createNetwork(NETWORK));
    const life = nextLife();
    await done(daemon, life.create);
    const joined = await done(daemon, life.join);
    await daemon.ip("link del lan0");
    await untilStatus("it is degraded", daemon, degraded(1), SOON);
    await addLan(daemon);
    expect(await done(daemon, life.join)).toEqual(joined);
    expect((await daemon.links()).filter(({ ifname }) => ifname.startsWith("ul-"))).toHaveLength(1);
    await done(daemon, life.remove);
  });

  test("and made again is told apart from another network's parent all the same", async () => {
    const { daemon } = scene();
    await done(daemon, createNetwork(NETWORK));
    await daemon.ip("link del lan0");
    await addLan(daemon);
    await untilStatus("it has healed", daemon, degraded(0), SOON);
    const other = idOf(99);
    await done(daemon, createNetwork(other, {}, "10.61.0.0/16"));
    const [own, theirs] = [nextLife(), endpointLife(other, idOf(98), 5)];
    const withMac = (call: DockerCall, Address: string): DockerCall => [
      call[0],
      { ...call[1], Interface: { Address, AddressIPv6: "", MacAddress: "02:00:00:00:00:07" } },
    ];
    await done(daemon, withMac(own.create, "10.60.0.5/16"));
    expect(await refused(daemon, withMac(theirs.create, "10.61.0.5/16"))).toContain(
      "02:00:00:00:00:07 is in use",
    );
    await done(daemon, own.remove);
    await done(daemon, deleteNetwork(other));
  });
});

describe("a parent that is renamed", () => {
  test("is found under its new name, and status tells; renamed back, all is as before", async () => {
    const { daemon, start } = scene();
    await done(daemon, createNetwork(NETWORK));
    await daemon.ip("link set lan0 name wan0");
    const status = await untilStatus("it is told", daemon, finds("UL-P01"), SOON);
    expect(status.networks.degraded).toBe(0);
    expect(status.findings[0]).toMatchObject({
      severity: "warn",
      message: expect.stringContaining("lan0 is called wan0 now"),
    });
    expect((await start())?.link).toBe("wan0");
    await daemon.ip("link set wan0 name lan0");
    await untilStatus("it is as before", daemon, finds(), SOON);
    expect((await start())?.link).toBe("lan0");
  });

  test("keeps the MAC addresses of its containers", async () => {
    const { daemon, start } = scene();
    await done(daemon, createNetwork(NETWORK));
    const former = await start(9);
    await daemon.ip("link set lan0 name wan0");
    expect((await start(9))?.address).toBe(former?.address ?? "");
  });

  test("is found also when it was made anew before, or the daemon was restarted", async () => {
    const { daemon, start } = scene();
    await done(daemon, createNetwork(NETWORK));
    await daemon.ip("link del lan0");
    await untilStatus("it is degraded", daemon, degraded(1), SOON);
    await addLan(daemon);
    await untilStatus("it has healed", daemon, degraded(0), SOON);
    expect((await start())?.link).toBe("lan0");
    await daemon.ip("link set lan0 name wan0");
    await untilStatus("it is told", daemon, finds("UL-P01"), SOON);
    await daemon.stop();
    await daemon.start();
    expect((await start())?.link).toBe("wan0");
    expect((await statusOf(daemon)).networks.degraded).toBe(0);
  });

  test("is not mistaken for the link that has its old name now", async () => {
    const { daemon, start } = scene();
    await done(daemon, createNetwork(NETWORK));
    await daemon.ip("link set lan0 name wan0");
    await daemon.ip("link add lan0 type veth peer name lan2");
    expect((await start())?.link).toBe("lan0");
  });
});

describe("a parent that is moved to another netns", () => {
  test("is missed, and used again when it is back", async () => {
    const { daemon, start, startInVain } = scene();
    await done(daemon, createNetwork(NETWORK));
    const former = await start(9);
    const elsewhere = Bun.spawn(["unshare", "--net", "cat"], { stdin: "pipe", stdout: "ignore" });
    const netns = `/proc/${elsewhere.pid}/ns/net`;
    await until("there is another netns", () => statSync(netns).ino !== statSync("/proc/self/ns/net").ino);
    const home = /^\/proc\/(\d+)\//.exec(daemon.netns)?.[1] ?? "";
    await daemon.ip(`link set lan0 netns ${elsewhere.pid}`);
    await untilStatus("it is degraded", daemon, degraded(1), SOON);
    expect(await startInVain()).toStartWith("UL-P01 no link is called lan0 (");
    await must(["nsenter", `--net=${netns}`, "ip", "link", "set", "lan0", "netns", home]);
    await untilStatus("it has healed", daemon, degraded(0), SOON);
    expect((await start(9))?.address).toBe(former?.address ?? "");
    elsewhere.stdin.end();
    await elsewhere.exited;
  });
});

describe("a parent by its altname", () => {
  test("heals a network whose parent is missing", async () => {
    const { daemon, start } = scene();
    await done(daemon, createNetwork(NETWORK));
    await daemon.ip("link del lan0");
    await untilStatus("it is degraded", daemon, degraded(1), SOON);
    await daemon.ip("link add name wan0 up type bridge");
    await daemon.ip("link property add dev wan0 altname lan0");
    await untilStatus("it has healed", daemon, degraded(0), SOON);
    expect((await start())?.link).toBe("wan0");
  });

  test("is used, whatever its name becomes", async () => {
    const { daemon, start } = scene();
    await daemon.ip("link property add dev lan0 altname the-lan-of-the-second-floor");
    await done(daemon, createNetwork(NETWORK, { parent: "the-lan-of-the-second-floor" }));
    expect((await start())?.link).toBe("lan0");
    await daemon.ip("link set lan0 name wan0");
    expect((await start())?.link).toBe("wan0");
    expect((await statusOf(daemon)).findings).toEqual([]);
    await daemon.ip("link property del dev wan0 altname the-lan-of-the-second-floor");
    await untilStatus("the altname is missed", daemon, finds("UL-P01"), SOON);
    expect((await start())?.link).toBe("wan0");
  });
});

describe("a parent that was chosen by the default route", () => {
  test("stays what it was when the route goes elsewhere, and when it is made anew", async () => {
    const { daemon, start } = scene();
    await daemon.ip("address add 10.60.0.250/16 dev lan0");
    await daemon.ip("route add default via 10.60.0.1 dev lan0");
    await done(daemon, createNetwork(NETWORK, { parent: "auto" }));
    await daemon.ip("link add name other up type bridge");
    await daemon.ip("route replace default dev other");
    expect((await start())?.link).toBe("lan0");
    await daemon.ip("link del lan0");
    const status = await untilStatus("it is degraded", daemon, degraded(1), SOON);
    expect(status.findings[0]).toMatchObject({ id: "UL-P01", message: "no link is called lan0" });
    await addLan(daemon);
    await untilStatus("it has healed", daemon, degraded(0), SOON);
    expect((await start())?.link).toBe("lan0");
  });
});

describe("a parent that is missing when the daemon starts", () => {
  test("is used as soon as it appears", async () => {
    const { daemon, start, shown } = scene();
    await done(daemon, createNetwork(NETWORK));
    await daemon.stop();
    await daemon.ip("link del lan0");
    await daemon.start();
    expect(await shown()).toEqual({ healthy: false, state: "degraded", findings: ["UL-P01"] });
    await addLan(daemon);
    await untilStatus("it has healed", daemon, degraded(0), SOON);
    expect((await start())?.link).toBe("lan0");
  });
});
