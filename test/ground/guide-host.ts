import type { PrivateHost } from "./host.ts";

/** Gives a host the NIC of the guides: `eth0`, on a LAN whose router has these addresses, with prefix length. */
export async function plugInEth0(host: PrivateHost, routerAddresses: readonly string[]): Promise<void> {
  await host.unplug();
  await host.must(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "lan1", "netns", "router"]);
  await host.must(["ip", "link", "set", "eth0", "up"]);
  await host.must(["ip", "-n", "router", "link", "set", "lan1", "up"]);
  for (const address of routerAddresses) {
    const noDad = address.includes(":") ? ["nodad"] : [];
    await host.must(["ip", "-n", "router", "address", "add", address, "dev", "lan1", ...noDad]);
  }
}
