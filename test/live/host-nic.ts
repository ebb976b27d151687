import { openTestNetns, type TestNetns } from "../ground/netns.ts";

/** A host's only NIC, `nic0`, with what a host has on it, and at its other end a LAN with a router. */

export const NIC = "nic0";

/** Nobody has it but the router, behind whom it is. */
export const FAR = "198.51.100.9";
export const GATEWAY = "192.0.2.254";
export const HOST_ADDRESS = "192.0.2.1";

/** The LAN is a netns of its own, which the caller disposes of; the NIC goes with it. */
export function plugNic(host: Pick<TestNetns, "ip">, own: readonly string[] = HOST): TestNetns {
  const lan = openTestNetns();
  host.ip("link", "add", NIC, "type", "veth", "peer", "name", "lan0", "netns", lan.path);
  for (const words of ROUTER) lan.ip(...words.split(" "));
  for (const words of own) host.ip(...words.split(" "));
  return lan;
}

/**
 * What the host has on a link, as `ip` tells it, with the link's name replaced, and without what the kernel has for
 * every link.
 */
export function hostHas(host: Pick<TestNetns, "ip">, link: string): readonly string[] {
  const routes = ["-4", "-6"].flatMap((family) =>
    host.ip(family, "-o", "route", "show", "table", "all", "dev", link).split("\n"),
  );
  const addresses = host.ip("-o", "address", "show", "dev", link).split("\n");
  return [...addresses, ...routes]
    .map((line) =>
      line
        .replace(/^\d+: \S+ */, "")
        .replace(/\bdev \S+ ?/, "")
        .replaceAll(link, "LINK"),
    )
    .map((line) => line.replaceAll(/\s+|\\/g, " ").trim())
    .filter((line) => line !== "" && !OF_EVERY_LINK.test(line))
    .toSorted();
}

export function pings({ path }: Pick<TestNetns, "path">, address: string): boolean {
  const ping = ["busybox", "ping", "-c1", "-W2", address];
  return Bun.spawnSync(["nsenter", `--net=${path}`, ...ping]).exitCode === 0;
}

const OF_EVERY_LINK = /^(inet6 )?fe80|^(local|broadcast|multicast|anycast) /;

const ROUTER = [
  `address add ${GATEWAY}/24 dev lan0`,
  "address add 2001:db8::fe/64 dev lan0 nodad",
  "link set lan0 up",
  "link set lo up",
  `address add ${FAR}/32 dev lo`,
];

/** What the host's own configuration gives the NIC. */
export const HOST: readonly string[] = [
  `address add ${HOST_ADDRESS}/24 brd + dev ${NIC}`,
  `address add 192.0.2.77/24 dev ${NIC} label ${NIC}:web`,
  `address add 10.1.2.3/32 dev ${NIC} scope link`,
  `address add 203.0.113.1/24 dev ${NIC} noprefixroute`,
  `address add 2001:db8::1/64 dev ${NIC} nodad`,
  `link set ${NIC} up`,
  `route add 203.0.113.0/24 dev ${NIC} proto kernel scope link src 203.0.113.1 metric 100`,
  `route add default via ${GATEWAY} dev ${NIC} proto static src 192.0.2.77 metric 50`,
  `route add 198.18.0.0/15 via 192.0.2.253 dev ${NIC} table 100 mtu 1400`,
  `-6 route add default via 2001:db8::fe dev ${NIC} metric 50`,
  `-6 route add 2001:db8:7::/48 via fe80::99 dev ${NIC} table 100`,
];
