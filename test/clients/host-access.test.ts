import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import { isHostLinkName } from "../../src/lib/ifname.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { AGES } from "../ground/engines.ts";
import { ROUTER, type Scene, startScene } from "../ground/scene.ts";
import { until } from "../ground/until.ts";

/** Host and containers by `-o host_access=true`, as a user makes them. 10.77.0.2 is the host's own on the LAN. */

const HOST = "10.77.0.2";
const OWN = { v4: "10.77.0.9", v6: "fd77::9" } as const;
const IPV4 = ["--subnet", "10.77.0.0/24", "--gateway", ROUTER.v4];
const IPV6 = ["--ipv6", "--subnet", "fd77::/64", "--gateway", ROUTER.v6];

describe.each([...AGES])("host_access on the %s dockerd", (age) => {
  const things = disposedAfterAll();
  let scene: Scene;

  beforeAll(async () => {
    scene = things.use(await startScene(age));
    await scene.host.must(["ip", "address", "add", `${HOST}/24`, "dev", "lan0"]);
  }, 600_000);
  afterEach(async () => {
    await scene.clear();
    expect(await scene.links()).toEqual(["lan0", "lo"]);
  });

  const hostPings = async (address: string) =>
    (await scene.host.run(["busybox", "ping", "-c1", "-W2", address])).code === 0;
  const hostLink = async () => (await scene.links()).find(isHostLinkName);
  const bothWays = async (container: string, address: string, host = HOST) =>
    (await hostPings(address)) && (await scene.pings(container, host));

  test("by the parent's own address: a killed daemon and a deleted link do no lasting harm", async () => {
    await scene.network("-o", "host_access=true", ...IPV4, "lan");
    await scene.container("c1", "--network", "lan", "--ip", "10.77.0.71");
    expect(await bothWays("c1", "10.77.0.71")).toBe(true);
    expect(await scene.pings("c1", ROUTER.v4)).toBe(true);

    await scene.underlay.kill9();
    expect(await bothWays("c1", "10.77.0.71")).toBe(true);
    await scene.host.must(["ip", "link", "del", (await hostLink()) ?? "none"]);
    expect(await hostPings("10.77.0.71")).toBe(false);
    await scene.underlay.start();
    expect(await bothWays("c1", "10.77.0.71")).toBe(true);

    await scene.host.must(["ip", "link", "del", (await hostLink()) ?? "none"]);
    await until("it has healed", () => bothWays("c1", "10.77.0.71"));

    await scene.dockerd.docker("restart", "-t", "0", "c1");
    expect(await bothWays("c1", "10.77.0.71")).toBe(true);
    await scene.dockerd.docker("stop", "-t", "0", "c1");
    expect(await hostLink()).toBeUndefined();
  });

  test("by an address of its own, in both families", async () => {
    const address = `host_address=${OWN.v4},${OWN.v6}`;
    const kept = ["--aux-address", `host=${OWN.v4}`, "--aux-address", `host6=${OWN.v6}`];
    await scene.network("-o", "host_access=true", "-o", address, ...IPV4, ...IPV6, ...kept, "lan");
    await scene.container("c1", "--network", "lan", "--ip", "10.77.0.71", "--ip6", "fd77::71");
    expect(await bothWays("c1", "10.77.0.71", OWN.v4)).toBe(true);
    expect(await bothWays("c1", "fd77::71", OWN.v6)).toBe(true);
  });
});
