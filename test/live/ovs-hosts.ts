import { type Peer, readPeer } from "../../src/lib/peer.ts";
import type { Age } from "../ground/engines.ts";
import { openTestNetns, type TestNetns } from "../ground/netns.ts";
import { makeOvsScene, type OvsScene } from "./ovs-scene.ts";

/**
 * Three hosts, each a netns with an Open vSwitch of its own, on one LAN, whose links are `h1` to `h3`. In userspace tunnels leave by a bridge that
 * holds the NIC and the host's address (Documentation/howto/userspace-tunneling).
 */

export interface Host {
  readonly scene: OvsScene;
  readonly address: Peer;
}

export function peerOf(text: string): Peer {
  const read = readPeer(text);
  if ("problem" in read) throw new Error(read.problem);
  return read.value;
}

export async function makeHosts(
  age: Age,
  undo: AsyncDisposableStack,
  lan: TestNetns = undo.use(openTestNetns()),
): Promise<readonly [Host, Host, Host]> {
  lan.ip("link", "add", "lan0", "type", "bridge");
  lan.ip("link", "set", "lan0", "up");
  const make = async (i: number): Promise<Host> => {
    const netns = undo.use(openTestNetns());
    lan.ip("link", "add", `h${i}`, "type", "veth", "peer", "name", "nic0", "netns", netns.path);
    lan.ip("link", "set", `h${i}`, "master", "lan0", "up");
    netns.ip("link", "set", "nic0", "up");
    const scene = undo.use(await makeOvsScene({ age, netns: netns.path }));
    await scene.features.setFeatures({ name: "nic0" }, { "tx-checksum-ip-generic": false });
    await scene.ovs.vsctl("add-br", "phy", "--", "set", "bridge", "phy", "datapath_type=netdev");
    await scene.ovs.vsctl("add-port", "phy", "nic0");
    await scene.ip(`address add 192.0.2.${i}/24 dev phy`);
    await scene.ip("link set phy up");
    return { scene, address: peerOf(`192.0.2.${i}`) };
  };
  return [await make(1), await make(2), await make(3)];
}
