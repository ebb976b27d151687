import { NAT_CASES } from "./nat-cases.ts";
import type { Program } from "./programs.ts";

/**
 * What is captured: commands of `ip`, `bridge`, `nft` and `ethtool`, and which of the messages that then pass. Each runs in a netns of its own that
 * holds what `SETUP` makes. A command that the kernel refuses (it may lack the kind) is captured all the same: its
 * request has been sent.
 */

/** Link 2 is v1, link 3 is p0, link 4 is br0. The other netns is called there. */
export const SETUP: readonly string[] = [
  "link add name p0 address 02:00:00:00:00:03 index 3 type veth peer name v1 address 02:00:00:00:00:02 index 2",
  "link add name br0 index 4 address 02:00:00:00:00:04 type bridge",
];

/** The messages that the program sends or gets which have this type, or one of these. */
export type Take = {
  readonly direction: "sent" | "received";
  /** `ip` first asks the kernel what it understands and looks for the link; after a reply it may look for the parent. */
  readonly which: "all" | "first" | "last";
  /** RTM_* of `<linux/rtnetlink.h>`, NFT_MSG_* with their subsystem, or 2 = NLMSG_ERROR. */
} & (
  | { readonly type: number }
  | { readonly types: readonly number[] }
  /** Of generic netlink, whatever number the family has. */
  | { readonly genericCommand: number }
);

export interface Case {
  readonly name: string;
  /** Absent: `ip`. */
  readonly program?: Program;
  /** Commands before it, as arguments of the program. */
  readonly before?: readonly string[];
  /** Arguments of the program. */
  readonly command: string;
  /** For `monitor`: the arguments of a second `ip` that makes something to be seen. */
  readonly meanwhile?: string;
  readonly take: Take;
}

const NLMSG_ERROR = 2;
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_SETLINK = 19;
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTM_NEWNEIGH = 28;
const RTM_NEWLINKPROP = 108;

const ETHTOOL_MSG_FEATURES_SET = 12;

const sent = (type: number): Take => ({ direction: "sent", type, which: "last" });
const received = (type: number, which: Take["which"] = "all"): Take => ({
  direction: "received",
  type,
  which,
});

/** NFNL_SUBSYS_NFTABLES of `<linux/netfilter/nfnetlink.h>`, in the upper byte of a type. */
const NFTABLES = 10 << 8;
/** All that changes something, without the brackets of the batch, in which the program tells what it has read. */
const CHANGES = [0, 2, 3, 5, 6, 8, 9].map((message) => NFTABLES | message);
const changes: Take = { direction: "sent", types: CHANGES, which: "all" };
const BATCH = [16, 17];
const NFT_MSG_NEWRULE = NFTABLES | 6;

const nft = (name: string, command: string, before: readonly string[] = []): Case => ({
  name,
  program: "nft",
  before,
  command,
  take: changes,
});

const macvlan = (mode: string) =>
  `link add link p0 name m0 index 10 address 02:00:00:00:00:10 type macvlan mode ${mode}`;

/** File in src/netlink, `link` being link.golden.ts, to its cases. */
export const CASES: Readonly<Record<string, readonly Case[]>> = {
  link: [
    { name: "get", command: "link show dev p0", take: sent(RTM_GETLINK) },
    { name: "getAltName", command: "link show dev a-name-of-more-than-15-bytes", take: sent(RTM_GETLINK) },
    { name: "setUp", command: "link set dev p0 up", take: sent(RTM_NEWLINK) },
    { name: "setDown", command: "link set dev p0 down", take: sent(RTM_NEWLINK) },
    { name: "setName", command: "link set dev p0 name lan0", take: sent(RTM_NEWLINK) },
    { name: "setMtu", command: "link set dev p0 mtu 1400", take: sent(RTM_NEWLINK) },
    { name: "setMac", command: "link set dev p0 address 02:11:22:33:44:55", take: sent(RTM_NEWLINK) },
    { name: "setAlias", command: "link set dev p0 alias docker:net/ep", take: sent(RTM_NEWLINK) },
    { name: "setGroup", command: "link set dev p0 group 30060", take: sent(RTM_NEWLINK) },
    { name: "setMaster", command: "link set dev p0 master br0", take: sent(RTM_NEWLINK) },
    { name: "setAddrGenMode", command: "link set dev p0 addrgenmode none", take: sent(RTM_NEWLINK) },
    { name: "setNetns", command: "link set dev p0 netns there", take: sent(RTM_NEWLINK) },
    {
      name: "addAltName",
      command: "link property add dev p0 altname a-name-of-more-than-15-bytes",
      take: sent(RTM_NEWLINKPROP),
    },
    { name: "delete", command: "link del dev p0", take: sent(RTM_DELLINK) },
    { name: "deleteGroup", command: "link del group 30060", take: sent(RTM_DELLINK) },
    {
      name: "dump",
      before: [
        "link property add dev p0 altname a-name-of-more-than-15-bytes",
        "link set dev p0 alias docker:net/ep",
        "link set dev v1 master br0 group 30060",
        "link set dev p0 up",
        macvlan("bridge"),
      ],
      command: "link show",
      take: received(RTM_NEWLINK),
    },
    {
      name: "inOtherNetns",
      before: [
        "link add link p0 name m0 index 10 netns there address 02:00:00:00:00:10 type macvlan mode vepa",
      ],
      command: "-n there link show",
      take: received(RTM_NEWLINK),
    },
    {
      name: "newLinkEvent",
      command: "monitor link",
      meanwhile: macvlan("bridge"),
      take: received(RTM_NEWLINK, "last"),
    },
    {
      name: "delLinkEvent",
      before: [macvlan("bridge")],
      command: "monitor link",
      meanwhile: "link del dev m0",
      take: received(RTM_DELLINK),
    },
    { name: "noSuchLink", command: "link show dev nolink", take: received(NLMSG_ERROR, "last") },
    { name: "badMtu", command: "link set dev p0 mtu 67", take: received(NLMSG_ERROR, "last") },
  ],
  macvlan: [
    ...["private", "vepa", "bridge", "passthru"].map(
      (mode): Case => ({ name: mode, command: macvlan(mode), take: sent(RTM_NEWLINK) }),
    ),
    { name: "passthruNoPromisc", command: macvlan("passthru nopromisc"), take: sent(RTM_NEWLINK) },
    { name: "source", command: macvlan("source"), take: sent(RTM_NEWLINK) },
    {
      name: "withAll",
      command:
        "link add link p0 name m0 address 02:11:22:33:44:55 mtu 1400 group 30060 type macvlan mode bridge bcqueuelen 2000",
      take: sent(RTM_NEWLINK),
    },
    {
      name: "intoNetns",
      command: "link add link p0 name eth0 netns there type macvlan mode bridge",
      take: sent(RTM_NEWLINK),
    },
    {
      name: "sourceMacs",
      before: [macvlan("source")],
      command: "link set dev m0 type macvlan macaddr set 02:aa:00:00:00:01 02:aa:00:00:00:02",
      take: sent(RTM_NEWLINK),
    },
    ...["private", "vepa", "bridge", "passthru"].map(
      (mode): Case => ({
        name: `${mode}Reply`,
        before: [macvlan(mode)],
        command: "-d link show dev m0",
        take: received(RTM_NEWLINK, "first"),
      }),
    ),
    {
      name: "sourceReply",
      before: [
        macvlan("source"),
        "link set dev m0 type macvlan macaddr set 02:aa:00:00:00:01 02:aa:00:00:00:02",
      ],
      command: "-d link show dev m0",
      take: received(RTM_NEWLINK, "first"),
    },
    {
      name: "secondOnPassthru",
      before: [macvlan("passthru")],
      command: "link add link p0 name m1 type macvlan mode bridge",
      take: received(NLMSG_ERROR, "last"),
    },
    {
      name: "parentIsPort",
      before: ["link set dev p0 master br0"],
      command: macvlan("bridge"),
      take: received(NLMSG_ERROR, "last"),
    },
  ],
  kinds: [
    { name: "veth", command: "link add name a0 type veth peer name a1", take: sent(RTM_NEWLINK) },
    {
      name: "vethPeerInNetns",
      command:
        "link add name a0 mtu 1400 type veth peer name eth0 mtu 1400 address 02:11:22:33:44:55 netns there",
      take: sent(RTM_NEWLINK),
    },
    { name: "bridge", command: "link add name b0 type bridge", take: sent(RTM_NEWLINK) },
    { name: "dummy", command: "link add name d0 type dummy", take: sent(RTM_NEWLINK) },
    { name: "vlan", command: "link add link p0 name p0.10 type vlan id 10", take: sent(RTM_NEWLINK) },
    {
      name: "vlanAd",
      command: "link add link p0 name p0.10 type vlan protocol 802.1ad id 4094",
      take: sent(RTM_NEWLINK),
    },
    {
      name: "vlanFlags",
      command: "link add link p0 name p0.10 type vlan id 10 gvrp on loose_binding on",
      take: sent(RTM_NEWLINK),
    },
    {
      name: "ipvlan",
      command: "link add link p0 name i0 type ipvlan mode l3s vepa",
      take: sent(RTM_NEWLINK),
    },
    { name: "bond", command: "link add name o0 type bond mode balance-alb", take: sent(RTM_NEWLINK) },
    { name: "vethReply", command: "-d link show dev v1", take: received(RTM_NEWLINK, "first") },
    { name: "bridgeReply", command: "-d link show dev br0", take: received(RTM_NEWLINK, "first") },
    {
      name: "bridgePortReply",
      before: ["link set dev p0 master br0"],
      command: "-d link show dev p0",
      take: received(RTM_NEWLINK, "first"),
    },
  ],
  address: [
    { name: "addV4", command: "address add 10.0.0.2/24 dev p0", take: sent(RTM_NEWADDR) },
    {
      name: "addV4Broadcast",
      command: "address add 10.0.0.2/24 broadcast 10.0.0.255 dev p0",
      take: sent(RTM_NEWADDR),
    },
    { name: "addV4Peer", command: "address add 10.0.0.2 peer 10.0.0.1/32 dev p0", take: sent(RTM_NEWADDR) },
    { name: "addV6", command: "address add fd00:1::2/64 dev p0", take: sent(RTM_NEWADDR) },
    { name: "addV6NoDad", command: "address add fd00:1::2/64 dev p0 nodad", take: sent(RTM_NEWADDR) },
    {
      name: "deleteV4",
      before: ["address add 10.0.0.2/24 dev p0"],
      command: "address del 10.0.0.2/24 dev p0",
      take: sent(RTM_DELADDR),
    },
    {
      name: "dump",
      before: [
        "address add 10.0.0.2/24 broadcast 10.0.0.255 dev p0",
        "address add fd00:1::2/64 dev p0 nodad",
      ],
      command: "address show dev p0",
      take: received(RTM_NEWADDR),
    },
  ],
  route: [
    {
      name: "defaultV4",
      before: ["address add 10.0.0.2/24 dev p0", "link set p0 up"],
      command: "route add default via 10.0.0.1 dev p0",
      take: sent(RTM_NEWROUTE),
    },
    {
      name: "linkV4",
      before: ["link set p0 up"],
      command: "route add 192.0.2.0/24 dev p0 metric 50",
      take: sent(RTM_NEWROUTE),
    },
    {
      name: "sourceV4",
      before: ["address add 10.0.0.2/24 dev p0", "link set p0 up"],
      command: "route add 192.0.2.7/32 dev p0 proto static src 10.0.0.2",
      take: sent(RTM_NEWROUTE),
    },
    {
      name: "onlinkV4",
      before: ["link set p0 up"],
      command: "route add 192.0.2.0/24 via 10.9.9.9 dev p0 onlink table 100",
      take: sent(RTM_NEWROUTE),
    },
    {
      name: "defaultV6",
      before: ["address add fd00:1::2/64 dev p0 nodad", "link set p0 up"],
      command: "-6 route add default via fd00:1::1 dev p0",
      take: sent(RTM_NEWROUTE),
    },
    {
      name: "deleteV4",
      before: ["address add 10.0.0.2/24 dev p0", "link set p0 up", "route add default via 10.0.0.1"],
      command: "route del default",
      take: sent(RTM_DELROUTE),
    },
    {
      name: "dumpV4",
      before: ["address add 10.0.0.2/24 dev p0", "link set p0 up", "route add default via 10.0.0.1"],
      command: "route show",
      take: received(RTM_NEWROUTE),
    },
    {
      name: "dumpV6",
      before: [
        "link set p0 up",
        "link set v1 up",
        "address add fd00:1::2/64 dev p0 nodad",
        "-6 route add default via fd00:1::1",
      ],
      command: "-6 route show",
      take: received(RTM_NEWROUTE),
    },
  ],
  neighbour: [
    {
      name: "addV4",
      command: "neighbour add 10.0.0.9 lladdr 02:00:00:00:00:09 dev p0 nud permanent",
      take: sent(RTM_NEWNEIGH),
    },
    {
      name: "addV6",
      command: "neighbour add fd00:1::9 lladdr 02:00:00:00:00:09 dev p0 nud permanent",
      take: sent(RTM_NEWNEIGH),
    },
    {
      name: "dump",
      before: [
        "link set p0 up",
        "neighbour add 10.0.0.9 lladdr 02:00:00:00:00:09 dev p0 nud permanent",
        "neighbour add fd00:1::9 lladdr 02:00:00:00:00:0a dev p0 nud stale",
      ],
      command: "neighbour show dev p0",
      take: received(RTM_NEWNEIGH),
    },
  ],
  nftables: [
    {
      name: "batch",
      program: "nft",
      command: "add table inet t",
      take: { direction: "sent", types: BATCH, which: "all" },
    },
    nft("table", 'add table inet t { comment "of us" ; }'),
    nft("chain", 'add chain inet t plain { comment "no hook" ; }', ["add table inet t"]),
    nft("natChain", "add chain inet t post { type nat hook postrouting priority srcnat ; }", [
      "add table inet t",
    ]),
    nft(
      "filterChain",
      "add chain bridge t pre { type filter hook prerouting priority -300 ; policy accept ; }",
      ["add table bridge t"],
    ),
    nft("flush", "flush chain inet t plain", ["add table inet t", "add chain inet t plain"]),
    nft("deleteChain", "delete chain inet t plain", ["add table inet t", "add chain inet t plain"]),
    nft("returnV4", "add rule inet t plain ip daddr 224.0.0.0/4 return", [
      "add table inet t",
      "add chain inet t plain",
    ]),
    nft("returnV6", "add rule inet t plain ip6 daddr ff00::/8 return", [
      "add table inet t",
      "add chain inet t plain",
    ]),
    nft("goto", "add rule inet t post goto plain", [
      "add table inet t",
      "add chain inet t plain",
      "add chain inet t post { type nat hook postrouting priority srcnat ; }",
    ]),
    nft(
      "masqueradeV4",
      'add rule inet t plain ip saddr 10.1.2.3 ip daddr != 10.1.2.0/24 masquerade comment "mine"',
      ["add table inet t", "add chain inet t plain { type nat hook postrouting priority srcnat ; }"],
    ),
    nft(
      "masqueradeV6",
      'add rule inet t plain ip6 saddr fd00:1::3 ip6 daddr != fd00:1::/66 masquerade comment "mine"',
      ["add table inet t", "add chain inet t plain { type nat hook postrouting priority srcnat ; }"],
    ),
    nft("jumpFromLink", 'add rule bridge t pre iifname "veth0" jump plain comment "macspoofchk-1"', [
      "add table bridge t",
      "add chain bridge t pre { type filter hook prerouting priority -300 ; }",
      "add chain bridge t plain",
    ]),
    nft("macReturn", 'add rule bridge t plain ether saddr 02:00:00:00:00:01 return comment "macspoofchk-1"', [
      "add table bridge t",
      "add chain bridge t plain",
    ]),
    nft("drop", 'add rule bridge t plain drop comment "macspoofchk-1"', [
      "add table bridge t",
      "add chain bridge t plain",
    ]),
    nft("deleteRule", "delete rule inet t plain handle 2", [
      "add table inet t",
      "add chain inet t plain",
      "add rule inet t plain drop",
    ]),
    {
      name: "rules",
      program: "nft",
      before: [
        "add table inet t",
        "add chain inet t plain { type nat hook postrouting priority srcnat ; }",
        'add rule inet t plain ip saddr 10.1.2.3 ip daddr != 10.1.2.0/24 masquerade comment "mine"',
        "add rule inet t plain return",
      ],
      command: "-a list chain inet t plain",
      take: received(NFT_MSG_NEWRULE),
    },
  ],
  nat: NAT_CASES,
  bridge: [
    {
      name: "filtering",
      command: "link add name b0 mtu 1400 type bridge vlan_filtering 1",
      take: sent(RTM_NEWLINK),
    },
    {
      name: "port",
      command: "link set dev p0 type bridge_slave hairpin on isolated on",
      before: ["link set dev p0 master br0"],
      take: sent(RTM_NEWLINK),
    },
    { name: "promisc", command: "link set dev br0 promisc on", take: sent(RTM_NEWLINK) },
    {
      name: "addVlan",
      program: "bridge",
      command: "vlan add dev p0 vid 100 pvid untagged",
      take: sent(RTM_SETLINK),
    },
    { name: "addVlans", program: "bridge", command: "vlan add dev p0 vid 101-105", take: sent(RTM_SETLINK) },
    { name: "deleteVlan", program: "bridge", command: "vlan del dev p0 vid 1", take: sent(RTM_DELLINK) },
  ],
  ethtool: [
    {
      name: "oneOff",
      program: "ethtool",
      command: "-K p0 tx-checksum-ip-generic off",
      take: { direction: "sent", genericCommand: ETHTOOL_MSG_FEATURES_SET, which: "last" },
    },
    {
      name: "offAndOn",
      program: "ethtool",
      before: ["-K p0 tx-checksum-sctp off"],
      command: "-K p0 tx-checksum-ip-generic off tx-checksum-sctp on",
      take: { direction: "sent", genericCommand: ETHTOOL_MSG_FEATURES_SET, which: "last" },
    },
    {
      name: "reply",
      program: "ethtool",
      command: "-K p0 tx-checksum-ip-generic off",
      take: { direction: "received", genericCommand: ETHTOOL_MSG_FEATURES_SET, which: "last" },
    },
  ],
};
