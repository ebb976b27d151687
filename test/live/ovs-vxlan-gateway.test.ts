import { describe, expect, test } from "bun:test";
import { parseIp } from "../../src/lib/ip.ts";
import { macBytes } from "../../src/lib/mac.ts";
import type { OvsNetwork, PutPorts } from "../../src/links/ovs/network-ports.ts";
import { openPacketSocket } from "../../src/sys/packet.ts";
import { AGES } from "../ground/engines.ts";
import { openTestNetns } from "../ground/netns.ts";
import { until } from "../ground/until.ts";
import { makeHosts } from "./ovs-hosts.ts";
import {
  ALL_PASSED,
  endpoint,
  exchange,
  moveInto,
  NETWORK,
  type Plugged,
  pluggedOf,
  specOf,
} from "./ovs-scene.ts";

/** Three hosts that are all the gateway of one network: same address, same MAC, and each container has its own. */

const GATEWAY = "10.43.0.1";
const gateways = [parseIp(GATEWAY)].flatMap((ip) => ip ?? []);

describe.each([...AGES])("a gateway on three hosts with VXLAN between them, %s", (age) => {
  test("answers its own containers, and nothing of it enters a tunnel", async () => {
    await using undo = new AsyncDisposableStack();
    const lan = undo.use(openTestNetns());
    const hosts = await makeHosts(age, undo, lan);
    const containers: Plugged[] = [];
    const puts: PutPorts[] = [];
    const networks: OvsNetwork[] = [];
    for (const [i, host] of hosts.entries()) {
      const { driver, ip } = host.scene;
      const peers = hosts.filter((other) => other !== host).map(({ address }) => address);
      const on = {
        network: NETWORK,
        bridge: "nat0",
        spec: specOf({ vni: "43", peers: peers.join(",") }),
        gateways,
      };
      const prepared = await host.scene.open(on);
      await ip(`address add ${GATEWAY}/24 dev ${prepared.gateway?.link}`);
      const birth = { owner: endpoint(`c${i}`), on, endpoint: { rates: {} }, mtu: prepared.mtu };
      const { container, port } = await driver.create(birth);
      const inside = undo.use(openTestNetns());
      await moveInto(ip, inside, container.name, `10.43.0.${i + 11}/24`);
      containers.push(pluggedOf(inside, port.name, `c${i}`));
      puts.push(prepared);
      networks.push(on);
    }
    const macs = new Set(puts.map(({ gateway }) => gateway?.mac));
    expect(macs.size).toBe(1);
    const [mac] = macs;
    const [one] = hosts;
    const [first, second, third] = containers;
    if (!mac || !first || !second || !third) throw new Error("three hosts have three containers");

    // What leaves the first host, VXLAN with whole frames in it: ETH_P_ALL, since a bridge takes all others.
    const ifindex = Number(lan.ipJson("link", "show", "h1")[0]?.["ifindex"]);
    using tap = openPacketSocket(lan.libc, { ifindex, netns: lan.netns, etherType: 0x0003 });
    await first.comesTo("10.43.0.12");
    await second.comesTo("10.43.0.13");
    await third.comesTo("10.43.0.11");
    for (const [i, container] of containers.entries()) {
      await container.comesTo(GATEWAY);
      // Only the container's own host listens there at the time.
      const host = hosts[i];
      if (!host) throw new Error("each container has a host");
      expect(await exchange(container.inside.path, host.scene.ovs.netns, GATEWAY)).toBe(ALL_PASSED);
    }
    expect(await exchange(first.inside.path, third.inside.path, "10.43.0.13")).toBe(ALL_PASSED);
    const seen: Buffer[] = [];
    for (let frame = tap.receive(20); frame; frame = tap.receive(20)) seen.push(Buffer.from(frame));
    expect(seen.length).toBeGreaterThan(2);
    const asking = Buffer.of(8, 6, 0, 1, 8, 0, 6, 4);
    const forGateway = seen.filter(
      (frame) =>
        frame.includes(macBytes(mac)) || (frame.includes(asking) && frame.includes(Buffer.of(10, 43, 0, 1))),
    );
    expect(forGateway).toEqual([]);

    // A switch that was started again has forgotten all flows.
    await one.scene.ovs.killVswitchd();
    await one.scene.ovs.startVswitchd();
    const dump = () => one.scene.ovs.ofctl("dump-flows", puts[0]?.guarded?.bridge ?? "");
    await until("the flows are back", async () => (await dump()).includes("actions=drop"));
    await first.comesTo(GATEWAY);
    await first.comesTo("10.43.0.12");

    for (const [i, { scene }] of hosts.entries()) {
      const on = networks[i];
      await scene.driver.remove(endpoint(`c${i}`));
      await scene.ip(`address del ${GATEWAY}/24 dev nat0`);
      if (on) expect(await scene.close(on)).toEqual({ isGone: true });
      expect(await scene.ovs.vsctl("list-br")).toBe("phy");
    }
  }, 120_000);
});
