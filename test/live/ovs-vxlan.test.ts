import { describe, expect, test } from "bun:test";
import { arpRequest } from "../../src/lib/arp.ts";
import { parseIp } from "../../src/lib/ip.ts";
import { deriveMac } from "../../src/lib/mac.ts";
import type { OvsNetwork } from "../../src/links/ovs/network-ports.ts";
import { openPacketSocket, type PacketSocket } from "../../src/sys/packet.ts";
import { AGES } from "../ground/engines.ts";
import { openTestNetns } from "../ground/netns.ts";
import { type Host, makeHosts } from "./ovs-hosts.ts";
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

function networkOf(hosts: readonly Host[], own: Host, options: Record<string, string> = {}): OvsNetwork {
  const peers = hosts.filter((host) => host !== own).map(({ address }) => address);
  const spec = specOf({ vni: "42", peers: peers.join(","), mode: "flat", ...options });
  return { network: NETWORK, bridge: "vx0", spec };
}

function listen({ inside }: Plugged): PacketSocket {
  const ifindex = Number(inside.ipJson("link", "show", "eth0")[0]?.["ifindex"]);
  return openPacketSocket(inside.libc, { ifindex, netns: inside.netns, etherType: 0x0806 });
}

/** How many frames with the address come within the time. */
function count(socket: PacketSocket, needle: Uint8Array, withinMs: number): number {
  let found = 0;
  for (let frame = socket.receive(withinMs); frame; frame = socket.receive(withinMs))
    if (Buffer.from(frame).includes(needle)) found++;
  return found;
}

describe.each([...AGES])("VXLAN between three hosts, %s", (age) => {
  test("a full mesh without loops, with an MTU that fits, whose peers come and go", async () => {
    await using undo = new AsyncDisposableStack();
    const hosts = await makeHosts(age, undo);
    const [one, two, three] = hosts;
    const containers: Plugged[] = [];
    for (const [i, host] of hosts.entries()) {
      const { driver, ip } = host.scene;
      const on = networkOf(hosts, host);
      const { mtu } = await host.scene.open(on);
      expect(mtu).toBe(1450);
      const birth = { owner: endpoint(`c${i}`), on, endpoint: { rates: {} }, mtu };
      const { container, port } = await driver.create(birth);
      const inside = undo.use(openTestNetns());
      await moveInto(ip, inside, container.name, `10.42.0.${i + 1}/24`);
      containers.push(pluggedOf(inside, port.name, `c${i}`));
    }
    const [first, second, third] = containers;
    if (!first || !second || !third) throw new Error("three hosts have three containers");
    await first.comesTo("10.42.0.2");
    await second.comesTo("10.42.0.3");
    await third.comesTo("10.42.0.1");
    expect(await exchange(first.inside.path, second.inside.path, "10.42.0.2")).toBe(ALL_PASSED);

    // Each of the others hears a broadcast once, and its sender never.
    const asker = parseIp("10.42.0.77");
    const asked = parseIp("10.42.0.99");
    if (!asker || !asked) throw new Error("a value of the test itself does not parse");
    const ears = containers.map((container) => undo.use(listen(container)));
    ears[0]?.send(arpRequest(deriveMac("asker"), asked, asker));
    expect(ears.map((ear) => count(ear, asker.bytes, 700))).toEqual([0, 1, 1]);

    const { driver, open, ovs } = one.scene;
    const on = networkOf(hosts, one);
    const less = { ...on, spec: specOf({ vni: "42", peers: two.address, mode: "flat" }) };
    await open(less);
    expect(first.reaches("10.42.0.3")).toBe(false);
    expect(first.reaches("10.42.0.2")).toBe(true);
    await open({ ...less, peers: [three.address] });
    await first.comesTo("10.42.0.3");

    // The number is the network's alone on this host, whoever else asks for it.
    const other = { ...on, network: "docker:n2", bridge: "vx1" };
    await expect(open(other)).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining(`of network ${NETWORK}; each network needs its own`),
    });
    await ovs.vsctl("add-port", "phy", "theirs", "--", ...THEIR_TUNNEL);
    await expect(open({ ...other, spec: specOf({ vni: "7" }) })).rejects.toMatchObject({
      message: expect.stringContaining("VNI 7 is taken on this host by tunnel theirs, which is none of ours"),
    });
    expect((await ovs.vsctl("list-br")).split("\n")).toEqual(["phy", "vx0"]);

    await driver.remove(endpoint("c0"));
    expect(await one.scene.close(on)).toEqual({ isGone: true });
    expect((await ovs.vsctl("list-ports", "phy")).split("\n")).toEqual(["nic0", "theirs"]);
  }, 120_000);
});

const THEIR_TUNNEL = [
  "set",
  "interface",
  "theirs",
  "type=vxlan",
  "options:remote_ip=192.0.2.9",
  "options:key=7",
];
