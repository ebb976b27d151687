import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { AGES } from "../ground/engines.ts";
import type { TestNetns } from "../ground/netns.ts";
import { findSwitch, startSwitch } from "../ground/ovs.ts";
import { must } from "../ground/run.ts";
import { type NatScene, network, OUTSIDE, openNatScene } from "./nat-scene.ts";

/** Through bridges of a real Open vSwitch, of both ages, in userspace: the gateway is on the bridge's own port. */

const { host4, host6, machine4, machine6 } = OUTSIDE;
const [WEB4, WEB6] = ["10.1.0.2", "fd00:1::2"];

describe.each(AGES)("the %s Open vSwitch", (age) => {
  const undo = new AsyncDisposableStack();
  let scene: NatScene;
  let web: TestNetns;
  let neighbour: TestNetns;

  beforeAll(async () => {
    const ovs = undo.use(await startSwitch({ age }));
    const { root } = await findSwitch(age);
    await ovs.vsctl("add-br", "br1", "--", "set", "bridge", "br1", "datapath_type=netdev");
    scene = undo.use(
      await openNatScene({
        at: ovs.netns,
        plugPort: async (bridge, port, container) => {
          await ovs.vsctl("add-port", bridge, port);
          // In userspace nobody finishes the checksums that a container leaves to its link.
          await must([
            "nsenter",
            `--net=${container.path}`,
            "chroot",
            root,
            "ethtool",
            "-K",
            "eth0",
            "tx",
            "off",
          ]);
        },
      }),
    );
    scene.bridge("br1", "10.1.0.1/24", "fd00:1::1/64");
    const gateways = ["10.1.0.1", "fd00:1::1"];
    web = await scene.container("br1", [`${WEB4}/24`, `${WEB6}/64`], gateways);
    neighbour = await scene.container("br1", ["10.1.0.3/24", "fd00:1::3/64"], gateways);
    await scene.gateway.apply([
      network(
        "br1",
        ["10.1.0.0/24", "fd00:1::/64"],
        ["tcp", "udp"].flatMap((protocol) => [
          `8080 -> ${WEB4}:80/${protocol}`,
          `8080 -> [${WEB6}]:80/${protocol}`,
        ]),
      ),
    ]);
  }, 300_000);
  afterAll(() => undo.disposeAsync(), 60_000);

  test.each(["tcp", "udp"] as const)("%s: outward, published, and back to its own", async (protocol) => {
    const ask = (from: TestNetns, address: string, port?: number) => scene.ask(from, protocol, address, port);
    expect(await ask(web, machine4)).toBe(host4);
    expect(await ask(web, machine6)).toBe(host6);
    expect(await ask(scene.outside, host4, 8080)).toBe(machine4);
    expect(await ask(scene.outside, host6, 8080)).toBe(machine6);
    expect(await ask(scene.host, host4, 8080)).toBe(host4);
    expect(await ask(scene.host, "127.0.0.1", 8080)).toBe("10.1.0.1");
    expect(await ask(web, host4, 8080)).toBe("10.1.0.1");
    expect(await ask(neighbour, host4, 8080)).toBe("10.1.0.1");
    expect(await ask(neighbour, host6, 8080)).toBe("fd00:1::1");
    expect(await ask(neighbour, WEB4)).toBe("10.1.0.3");
  });
});
