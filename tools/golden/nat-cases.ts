import type { Case, Take } from "./cases.ts";

/** What gateways and published ports are made of: maps, and the rules that ask them. */

const NFTABLES = 10 << 8;
/** NFT_MSG_* that change something: tables, rules, sets and their elements. */
const CHANGES = [0, 2, 6, 9, 12, 14].map((message) => NFTABLES | message);
const changes: Take = { direction: "sent", types: CHANGES, which: "all" };
const NFT_MSG_NEWSETELEM = NFTABLES | 12;

const nft = (name: string, command: string, ...before: readonly string[]): Case => ({
  name,
  program: "nft",
  before: ["add table inet t", ...before],
  command,
  take: changes,
});

const CHAIN = "add chain inet t plain { type nat hook prerouting priority dstnat ; }";
const POST = "add chain inet t plain { type nat hook postrouting priority srcnat ; }";
const FILTER = "add chain inet t plain { type filter hook forward priority filter ; }";
const ANY4 = "add map inet t any4 { type inet_proto . inet_service : ipv4_addr . inet_service ; }";
const ANY6 = "add map inet t any6 { type inet_proto . inet_service : ipv6_addr . inet_service ; }";
const HOSTED4 =
  "add map inet t hosted4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service ; }";
const HOSTED6 =
  "add map inet t hosted6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service ; }";
const ELEMENTS4 =
  'add element inet t any4 { tcp . 8080 comment "mine" : 10.1.0.2 . 80 , udp . 53 comment "mine" : 10.1.0.3 . 5353 }';
const ELEMENTS6 = 'add element inet t hosted6 { fd01::1 . tcp . 8080 comment "mine" : fd00::2 . 80 }';
const rule = (name: string, chain: string, expressions: string, ...sets: readonly string[]): Case =>
  nft(name, `add rule inet t plain ${expressions}`, chain, ...sets);

export const NAT_CASES: readonly Case[] = [
  nft("deleteTable", "delete table inet t"),
  nft("any4", ANY4),
  nft("hosted6", HOSTED6),
  nft("elements4", ELEMENTS4, ANY4),
  nft("elements6", ELEMENTS6, HOSTED6),
  nft("deleteElements", "delete element inet t any4 { tcp . 8080 , udp . 53 }", ANY4, ELEMENTS4),
  rule("dnatAny4", CHAIN, "fib daddr type local dnat ip to meta l4proto . th dport map @any4", ANY4),
  rule("dnatAny6", CHAIN, "fib daddr type local dnat ip6 to meta l4proto . th dport map @any6", ANY6),
  rule("dnatHosted4", CHAIN, "dnat ip to ip daddr . meta l4proto . th dport map @hosted4", HOSTED4),
  rule("dnatHosted6", CHAIN, "dnat ip6 to ip6 daddr . meta l4proto . th dport map @hosted6", HOSTED6),
  rule(
    "masqueradeLeaving4",
    POST,
    'oifname != "br0" ip saddr 10.1.0.0/24 ip daddr != 224.0.0.0/4 masquerade comment "mine"',
  ),
  rule(
    "masqueradeLeaving6",
    POST,
    'oifname != "br0" ip6 saddr fd00:1::/64 ip6 daddr != ff00::/8 masquerade comment "mine"',
  ),
  rule(
    "masqueradeHairpin",
    POST,
    'oifname "br0" ip saddr 10.1.0.0/24 ip daddr 10.1.0.0/24 ct status dnat masquerade',
  ),
  rule("masqueradeLoopback", POST, 'oifname "br0" ip saddr 127.0.0.0/8 masquerade'),
  rule("returnLoopback", CHAIN, 'iifname != "lo" ip daddr 127.0.0.0/8 return'),
  rule("dropLoopback", FILTER, 'iifname "br0" ip daddr 127.0.0.0/8 drop'),
  rule("acceptEstablished", FILTER, 'oifname "br0" ct state established,related accept'),
  rule("acceptDnat", FILTER, 'oifname "br0" ct status dnat accept'),
  rule("acceptWithin", FILTER, 'iifname "br0" oifname "br0" accept'),
  rule("dropTo", FILTER, 'oifname "br0" drop'),
  rule("dropFrom", FILTER, 'iifname "br0" drop'),
  {
    name: "elements",
    program: "nft",
    before: ["add table inet t", ANY4, ELEMENTS4],
    command: "list map inet t any4",
    take: { direction: "received", type: NFT_MSG_NEWSETELEM, which: "all" },
  },
];
