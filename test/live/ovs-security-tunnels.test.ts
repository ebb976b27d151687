import { beforeAll, describe, expect, test } from "bun:test";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLog } from "../../src/lib/log.ts";
import { BROADCAST_MAC } from "../../src/lib/mac.ts";
import { cookieOf } from "../../src/links/ovs/security/cookie.ts";
import { BridgeGuard } from "../../src/links/ovs/security/guard.ts";
import { openSwitch } from "../../src/openflow/switch.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { AGES } from "../ground/engines.ts";
import { type Switch, startSwitch } from "../ground/ovs.ts";
import { arp, ip, mac, neighbour, packet } from "./frames.ts";
import { makeStation, openLane, type Station } from "./ovs-stations.ts";

/**
 * Two hosts of one network, each a bridge with a container and the gateway, which is the same on both. A pair of patch
 * ports plays the tunnel.
 */

const GATEWAY = mac("02:00:00:00:00:fe");
const gateway = { mac: GATEWAY, addresses: [ip("10.7.0.254"), ip("fd00:7::fe")] };
const [ONE, TWO] = [mac("02:00:00:00:00:01"), mac("02:00:00:00:00:02")];
const asks = { operation: 1, sha: ONE, spa: "10.7.0.1", tpa: "10.7.0.254" } as const;
const toAll = { source: ONE, destination: BROADCAST_MAC };
const v6 = { source: ONE, destination: mac("33:33:ff:00:00:fe"), from: "fd00:7::1", to: "ff02::1:ff00:fe" };
/** Of a container, or of somebody beside it, to everybody. */
const marker = arp(toAll, { ...asks, tpa: "10.7.0.99" });

describe.each([...AGES])("a gateway that is on every host, on the %s Open vSwitch", (age) => {
  const things = disposedAfterAll();
  let ovs: Switch;
  let here: { readonly container: Station; readonly gateway: Station };
  let there: typeof here;

  const host = async (bridge: string, n: number) => {
    await ovs.vsctl("add-br", bridge, "--", "set", "Bridge", bridge, "datapath_type=netdev");
    const [container, shared] = [await makeStation(ovs, n), await makeStation(ovs, n + 10)].map((station) =>
      things.use(station),
    );
    if (!container || !shared) throw new Error("no stations");
    shared.ip(`link set e0 address ${GATEWAY}`);
    shared.ip("address flush dev e0");
    shared.ip("address add 10.7.0.254/24 dev e0");
    shared.ip("address add fd00:7::fe/64 dev e0 nodad");
    for (const { port } of [container, shared]) await ovs.vsctl("add-port", bridge, port);
    return { container, gateway: shared };
  };
  const tunnel = async (bridge: string, name: string, peer: string) => {
    await ovs.vsctl(
      ...["add-port", bridge, name, "--", "set", "Interface", name, "type=patch", `options:peer=${peer}`],
      "ofport_request=50",
    );
    return ovs.vsctl("get", "Interface", name, "ofport");
  };
  /** The ports of a bridge by MAC address, as it has learnt them. */
  const learnt = async (bridge: string) => {
    const lines = (await ovs.appctl("fdb/show", bridge)).split("\n").map((line) => line.trim().split(/\s+/));
    return new Map(lines.map(([port, , address]) => [address, port]));
  };

  beforeAll(async () => {
    ovs = things.use(await startSwitch({ age }));
    here = await host("bra", 1);
    there = await host("brb", 2);
    await tunnel("bra", "pa", "pb");
    await tunnel("brb", "pb", "pa");
    for (const [bridge, name] of [
      ["bra", "pa"],
      ["brb", "pb"],
    ] as const) {
      const guard = new BridgeGuard({
        bridge,
        open: () => openSwitch(`${ovs.rundir}/${bridge}.mgmt`, { bridge, clock: systemClock }),
        clock: systemClock,
        log: silentLog,
      });
      things.use(guard);
      await guard.secure({ name, ofport: 50, gateway, cookie: cookieOf(`${bridge}/tunnel`) });
    }
    await ovs.appctl("revalidator/wait");
  }, 600_000);

  test("answers its own containers, of both families, and containers reach each other", async () => {
    for (const { container } of [here, there])
      for (const address of ["10.7.0.254", "fd00:7::fe"])
        expect(await container.pings("-W5", address)).toBeTrue();
    for (const address of ["10.7.0.2", "fd00:7::2"])
      expect(await here.container.pings("-W5", address)).toBeTrue();
  });

  test("hears nothing that another host's containers ask it or send it", () => {
    using toGateway = openLane(here.container, there.gateway);
    expect(toGateway.arrives(arp(toAll, asks), marker)).toBeFalse();
    expect(toGateway.arrives(neighbour(v6, 135, "fd00:7::fe", { mac: ONE }), marker)).toBeFalse();
    const unicast = { ...v6, destination: GATEWAY, to: "fd00:7::fe" };
    expect(toGateway.arrives(packet(unicast, 6, new Uint8Array(20)), marker)).toBeFalse();
    // What is for others comes, so that the lane is not just cut.
    expect(toGateway.arrives(arp(toAll, { ...asks, tpa: "10.7.0.98" }), marker)).toBeTrue();
  });

  test("is not heard by them, and no bridge learns that its gateway is elsewhere", async () => {
    using fromGateway = openLane(here.gateway, there.container);
    const announced = { source: GATEWAY, destination: BROADCAST_MAC };
    const own = { ...asks, sha: GATEWAY, spa: "10.7.0.254" };
    expect(fromGateway.arrives(arp(announced, own), marker)).toBeFalse();
    const lying = arp({ ...announced, source: TWO }, own);
    expect(fromGateway.arrives(lying, marker)).toBeFalse();
    const stolen = neighbour({ ...v6, source: TWO, destination: BROADCAST_MAC }, 136, "fd00:7::fe", {
      mac: TWO,
    });
    expect(fromGateway.arrives(stolen, marker)).toBeFalse();
    expect(await there.container.pings("-W5", "10.7.0.254")).toBeTrue();
    for (const [bridge, { gateway: shared }] of [
      ["bra", here],
      ["brb", there],
    ] as const) {
      const number = await ovs.vsctl("get", "Interface", shared.port, "ofport");
      expect((await learnt(bridge)).get(GATEWAY)).toBe(number);
    }
  });
});
