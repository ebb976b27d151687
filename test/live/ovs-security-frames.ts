import { concatBytes } from "../../src/lib/bytes.ts";
import { formatIp } from "../../src/lib/ip.ts";
import { BROADCAST_MAC } from "../../src/lib/mac.ts";
import { linkLocalOf } from "../../src/lib/ndp.ts";
import { arp, icmp6, mac, neighbour, packet, udp } from "./frames.ts";

/** What a container at 10.7.0.1 and fd00:7::1 may send to station 2, and what it may not. */

export const ME = mac("02:00:00:00:00:01");
export const [OTHER, THIRD] = [mac("02:00:00:00:00:02"), mac("02:00:00:00:00:03")];
const me = { source: ME, destination: OTHER };
export const all = { source: ME, destination: BROADCAST_MAC };
const nodes = { source: ME, destination: mac("33:33:00:00:00:01") };
const LOCAL = formatIp(linkLocalOf(ME));
const v4 = { ...me, from: "10.7.0.1", to: "10.7.0.2" };
const v6 = { ...me, from: "fd00:7::1", to: "fd00:7::2" };
const fromLocal = { ...v6, from: LOCAL };
export const toAll4 = { ...all, from: "0.0.0.0", to: "255.255.255.255" };
const toNodes = { ...nodes, from: LOCAL, to: "ff02::1" };
export const asks = { operation: 1, sha: ME, spa: "10.7.0.1", tpa: "10.7.0.2" } as const;

/** A router advertisement whose first header is another one. */
function behind(header: number, content: Uint8Array): Uint8Array {
  return packet(toNodes, header, concatBytes([content, Uint8Array.of(134, 0, 0, 0), new Uint8Array(12)]));
}

/** `true`: it is to arrive. */
export const FRAMES: readonly (readonly [string, boolean, Uint8Array])[] = [
  ["TCP of its own", true, packet(v4, 6, new Uint8Array(20))],
  ["TCP from another's address", false, packet({ ...v4, from: "10.7.0.3" }, 6, new Uint8Array(20))],
  ["TCP from another's MAC", false, packet({ ...v4, source: THIRD }, 6, new Uint8Array(20))],
  ["UDP of its own", true, udp(v4, 4000, 53)],
  ["UDP from another's address and MAC", false, udp({ ...v4, source: THIRD, from: "10.7.0.3" }, 4000, 53)],
  ["ICMP of its own", true, packet(v4, 1, Uint8Array.of(8, 0, 0, 0, 0, 0, 0, 0))],
  ["an ARP request", true, arp(all, asks)],
  ["an ARP reply", true, arp(me, { ...asks, operation: 2 })],
  ["an ARP announcement", true, arp(all, { ...asks, tpa: "10.7.0.1" })],
  ["an ARP probe", true, arp(all, { ...asks, spa: "0.0.0.0", tpa: "10.7.0.1" })],
  ["an ARP probe for another's address", false, arp(all, { ...asks, spa: "0.0.0.0", tpa: "10.7.0.3" })],
  ["ARP for another's address", false, arp(all, { ...asks, spa: "10.7.0.3" })],
  ["ARP with another's MAC inside", false, arp(all, { ...asks, sha: THIRD })],
  ["ARP with another's MAC outside", false, arp({ ...all, source: THIRD }, asks)],
  ["a DHCP client", true, udp(toAll4, 68, 67)],
  ["a DHCP server", false, udp({ ...toAll4, from: "10.7.0.1" }, 67, 68)],
  ["a DHCP server from another port", false, udp({ ...toAll4, from: "10.7.0.1" }, 4067, 68)],
  ["UDP from no address", false, udp(toAll4, 68, 69)],
  ["TCP over IPv6", true, packet(v6, 6, new Uint8Array(20))],
  ["TCP over IPv6 from link-local", true, packet(fromLocal, 6, new Uint8Array(20))],
  ["TCP from another's IPv6 address", false, packet({ ...v6, from: "fd00:7::3" }, 6, new Uint8Array(20))],
  ["TCP from another's link-local", false, packet({ ...v6, from: "fe80::3" }, 6, new Uint8Array(20))],
  ["a DHCPv6 client", true, udp({ ...toNodes, to: "ff02::1:2" }, 546, 547)],
  ["a DHCPv6 server", false, udp(fromLocal, 547, 546)],
  ["an ICMPv6 echo", true, icmp6(v6, 128)],
  ["a router solicitation", true, icmp6({ ...toNodes, to: "ff02::2" }, 133)],
  ["a router solicitation without address", true, icmp6({ ...toNodes, from: "::", to: "ff02::2" }, 133)],
  ["a router advertisement", false, icmp6(toNodes, 134, new Uint8Array(12))],
  ["a redirect", false, icmp6(fromLocal, 137, new Uint8Array(36))],
  ["an MLDv2 report", true, icmp6({ ...toNodes, to: "ff02::16" }, 143)],
  ["a solicitation", true, neighbour(v6, 135, "fd00:7::2", { mac: ME })],
  ["a solicitation without a MAC inside", true, neighbour(v6, 135, "fd00:7::2")],
  ["a solicitation with another's MAC inside", false, neighbour(v6, 135, "fd00:7::2", { mac: THIRD })],
  ["one given twice", false, neighbour(v6, 135, "fd00:7::2", { mac: THIRD, times: 2 })],
  [
    "a solicitation from another's address",
    false,
    neighbour({ ...v6, from: "fd00:7::3" }, 135, "fd00:7::2", { mac: ME }),
  ],
  ["duplicate address detection", true, neighbour({ ...toNodes, from: "::" }, 135, "fd00:7::1")],
  ["the same of another's address", false, neighbour({ ...toNodes, from: "::" }, 135, "fd00:7::3")],
  ["an advertisement", true, neighbour(v6, 136, "fd00:7::1", { mac: ME })],
  ["an advertisement without a MAC inside", true, neighbour(v6, 136, "fd00:7::1")],
  ["an advertisement of another's address", false, neighbour(v6, 136, "fd00:7::3", { mac: ME })],
  ["an advertisement with another's MAC", false, neighbour(v6, 136, "fd00:7::1", { mac: THIRD })],
  // RFC 7113: what a guard that does not look behind other headers lets pass.
  ["a router advertisement behind options", false, behind(60, Uint8Array.of(58, 0, 1, 4, 0, 0, 0, 0))],
  [
    "a router advertisement behind hop-by-hop options",
    false,
    behind(0, Uint8Array.of(58, 0, 1, 4, 0, 0, 0, 0)),
  ],
  [
    "a fragment of its own",
    true,
    packet(v6, 44, Uint8Array.of(17, 0, 0, 8, 0, 0, 0, 1, ...Array(8).fill(0))),
  ],
  [
    "a fragment from another's address",
    false,
    packet({ ...v6, from: "fd00:7::3" }, 44, Uint8Array.of(17, 0, 0, 8, 0, 0, 0, 1, ...Array(8).fill(0))),
  ],
  ["LLDP", false, new Uint8Array([...new Uint8Array(6).fill(0xff), 2, 0, 0, 0, 0, 1, 0x88, 0xcc, 0, 0])],
];
/** One that always passes. */
export const MARKER = arp(all, asks);

/** TCP of its own, and from another's address. */
export const HONEST = packet(v4, 6, new Uint8Array(20));
export const FORGED = packet({ ...v4, from: "10.7.0.3" }, 6, new Uint8Array(20));
