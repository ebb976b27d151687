import { describe, expect, test } from "bun:test";
import { ETHERTYPE } from "../../src/lib/ethernet.ts";
import { MAX_IFNAME } from "../../src/lib/ifname.ts";
import { ifaddrmsg } from "../../src/netlink/address.ts";
import { bridgeVlanInfo } from "../../src/netlink/bridge.ts";
import { genlmsghdr } from "../../src/netlink/genetlink.ts";
import { IPVLAN_FLAG, IPVLAN_MODE } from "../../src/netlink/kinds/ipvlan.ts";
import { MACVLAN_MODE } from "../../src/netlink/kinds/macvlan.ts";
import { VLAN_PROTOCOL, vlanFlags } from "../../src/netlink/kinds/vlan.ts";
import { ADDR_GEN_MODE, ifinfomsg } from "../../src/netlink/link.ts";
import { nlmsghdr } from "../../src/netlink/message.ts";
import { ndmsg } from "../../src/netlink/neighbour.ts";
import { nfgenmsg } from "../../src/netlink/nftables.ts";
import { rtgenmsg } from "../../src/netlink/nsid.ts";
import { rtmsg, rtnexthop } from "../../src/netlink/route.ts";
import { errnoName } from "../../src/sys/errno.ts";
import { evaluate, isKnown } from "./compile.ts";
import {
  type Declared,
  declaredAttributes,
  declaredConstants,
  declaredStruct,
  ownConstants,
} from "./declared.ts";

/** Our numbers against the headers of this machine, compiled. */

/** Younger than the headers of Debian 12 (Linux 6.1). Compared as soon as the headers know them. */
const YOUNGER: Readonly<Record<string, string>> = {
  IFLA_MACVLAN_BC_CUTOFF: "Linux 6.4",
};

/** Constants of sys and netlink that are no C header's. */
const OURS = [
  "HEADER",
  "MAX_LENGTH",
  "QUIET",
  "TYPE_MASK",
  "DUMP_TRIES",
  "MOST_IN_A_SEND",
  "MAX_DATAGRAMS",
  "SOCKADDR_NL_SIZE",
  "SOCKADDR_LL_SIZE",
  "POLLFD_SIZE",
  "FRAME_BYTES",
  "SUN_PATH_SIZE",
  "MOST_IN_HEADER",
  "CHUNK_BYTES",
  "OPAQUE_BYTES",
  "ETHER_SOURCE",
  "UDATA_COMMENT",
  "LOOKS_IN_A_ROW",
  "VERSION",
  "MOST_IN_A_MESSAGE",
  "ESTABLISHED_OR_RELATED",
];

const by = (expression: string, value: number, where: string): Declared => ({ expression, value, where });

const STRUCTS: readonly Declared[] = [
  ...declaredStruct("nlmsghdr", nlmsghdr, {
    len: "nlmsg_len",
    type: "nlmsg_type",
    flags: "nlmsg_flags",
    seq: "nlmsg_seq",
    pid: "nlmsg_pid",
  }),
  ...declaredStruct("ifinfomsg", ifinfomsg, {
    family: "ifi_family",
    type: "ifi_type",
    index: "ifi_index",
    flags: "ifi_flags",
    change: "ifi_change",
  }),
  ...declaredStruct("ifaddrmsg", ifaddrmsg, {
    family: "ifa_family",
    prefixlen: "ifa_prefixlen",
    flags: "ifa_flags",
    scope: "ifa_scope",
    index: "ifa_index",
  }),
  ...declaredStruct("rtmsg", rtmsg, {
    family: "rtm_family",
    dst_len: "rtm_dst_len",
    src_len: "rtm_src_len",
    tos: "rtm_tos",
    table: "rtm_table",
    protocol: "rtm_protocol",
    scope: "rtm_scope",
    type: "rtm_type",
    flags: "rtm_flags",
  }),
  ...declaredStruct("rtnexthop", rtnexthop, {
    len: "rtnh_len",
    flags: "rtnh_flags",
    hops: "rtnh_hops",
    ifindex: "rtnh_ifindex",
  }),
  ...declaredStruct("genlmsghdr", genlmsghdr, { cmd: "cmd", version: "version", reserved: "reserved" }),
  ...declaredStruct("ndmsg", ndmsg, {
    family: "ndm_family",
    ifindex: "ndm_ifindex",
    state: "ndm_state",
    flags: "ndm_flags",
    type: "ndm_type",
  }),
  ...declaredStruct("nfgenmsg", nfgenmsg, { family: "nfgen_family", version: "version", resource: "res_id" }),
  ...declaredStruct("bridge_vlan_info", bridgeVlanInfo, { flags: "flags", vid: "vid" }),
  ...declaredStruct("ifla_vlan_flags", vlanFlags, { flags: "flags", mask: "mask" }),
];

/** What the code has as a bare number, in a comment or in an offset. */
const BY_HAND: readonly Declared[] = [
  // The kernel reads one byte of struct rtgenmsg; NLMSG_ALIGN makes it four.
  by("NLMSG_ALIGN(sizeof(struct rtgenmsg))", rtgenmsg.size, "netlink/nsid.ts"),
  by("NLMSG_ERROR", 2, "netlink/message.ts"),
  by("sizeof(struct nlattr)", 4, "netlink/attribute.ts"),
  by("offsetof(struct nlattr, nla_type)", 2, "netlink/attribute.ts"),
  by("NLA_TYPE_MASK", 0x3fff - 0x10000, "netlink/attribute.ts"),
  by("NLA_ALIGNTO", 4, "netlink/attribute.ts"),
  by("sizeof(struct nlmsgerr)", 20, "netlink/failure.ts"),
  by("offsetof(struct nlmsgerr, msg)", 4, "netlink/failure.ts"),
  by("sizeof(struct sockaddr_nl)", 12, "sys/socket.ts"),
  by("offsetof(struct sockaddr_nl, nl_pid)", 4, "sys/socket.ts"),
  by("offsetof(struct sockaddr_nl, nl_groups)", 8, "sys/socket.ts"),
  by("sizeof(struct sock_filter)", 8, "sys/socket.ts"),
  by("offsetof(struct sock_filter, jt)", 2, "sys/socket.ts"),
  by("offsetof(struct sock_filter, jf)", 3, "sys/socket.ts"),
  by("offsetof(struct sock_filter, k)", 4, "sys/socket.ts"),
  by("sizeof(struct sock_fprog)", 16, "sys/socket.ts"),
  by("offsetof(struct sock_fprog, filter)", 8, "sys/socket.ts"),
  by("sizeof(struct sockaddr_ll)", 20, "sys/packet.ts"),
  by("offsetof(struct sockaddr_ll, sll_protocol)", 2, "sys/packet.ts"),
  by("offsetof(struct sockaddr_ll, sll_ifindex)", 4, "sys/packet.ts"),
  by("ETH_P_ARP", ETHERTYPE.arp, "lib/ethernet.ts"),
  by("ETH_P_IPV6", ETHERTYPE.ipv6, "lib/ethernet.ts"),
  by("IN6_ADDR_GEN_MODE_NONE", ADDR_GEN_MODE.none, "netlink/link.ts"),
  by("IN6_ADDR_GEN_MODE_EUI64", ADDR_GEN_MODE.eui64, "netlink/link.ts"),
  by("sizeof(struct pollfd)", 8, "sys/socket.ts"),
  by("offsetof(struct pollfd, events)", 4, "sys/socket.ts"),
  by("offsetof(struct pollfd, revents)", 6, "sys/socket.ts"),
  by("offsetof(struct sockaddr_un, sun_path)", 2, "sys/notify.ts"),
  by("sizeof(((struct sockaddr_un *)0)->sun_path)", 108, "sys/notify.ts"),
  by("IFNAMSIZ", MAX_IFNAME + 1, "lib/ifname.ts"),
  by("sizeof(size_t)", 8, "sys/libc.ts"),
  by("ARPHRD_ETHER", 1, "conditions/parents.ts"),
  by("ARPHRD_LOOPBACK", 772, "lib/facts.ts"),
  ...Object.entries(MACVLAN_MODE).map(([name, value]) =>
    by(`MACVLAN_MODE_${name.toUpperCase()}`, value, "netlink/kinds/macvlan.ts"),
  ),
  ...Object.entries(IPVLAN_MODE).map(([name, value]) =>
    by(`IPVLAN_MODE_${name.toUpperCase()}`, value, "netlink/kinds/ipvlan.ts"),
  ),
  by("ETH_P_8021Q", VLAN_PROTOCOL["802.1q"], "netlink/kinds/vlan.ts"),
  by("ETH_P_8021AD", VLAN_PROTOCOL["802.1ad"], "netlink/kinds/vlan.ts"),
  by("IPVLAN_F_PRIVATE", IPVLAN_FLAG.private, "netlink/kinds/ipvlan.ts"),
  by("IPVLAN_F_VEPA", IPVLAN_FLAG.vepa, "netlink/kinds/ipvlan.ts"),
];

/** Every name of errno.ts: numbers that have none say so. */
const ERRNOS: readonly Declared[] = Array.from({ length: 133 }, (_, i) => i + 1)
  .filter((errno) => !errnoName(errno).startsWith("E#"))
  .map((errno) => by(errnoName(errno), errno, "sys/errno.ts"));

async function everything(): Promise<Declared[]> {
  return [...(await declaredConstants()), ...(await declaredAttributes()), ...STRUCTS, ...BY_HAND, ...ERRNOS];
}

describe("numbers of C headers", () => {
  test("are what the compiler says", async () => {
    const declared = (await everything()).filter(
      ({ expression }) => !(expression in YOUNGER) || isKnown(expression),
    );
    const values = evaluate(declared.map(({ expression }) => expression));
    const wrong = declared
      .map((entry, i) => ({ ...entry, header: values[i] }))
      .filter(({ value, header }) => value !== header);
    expect(wrong).toEqual([]);
  });

  test("are found: the search is not empty", async () => {
    const found = (await everything()).map(({ expression }) => expression);
    const sample = [
      "AF_NETLINK",
      "SO_RCVBUFFORCE",
      "NETLINK_EXT_ACK",
      "RTM_NEWLINK",
      "IFF_UP",
      "CLONE_NEWNET",
      "POLLIN",
      "LOCK_NB",
    ];
    const attributes = [
      "IFLA_GROUP",
      "IFLA_ALT_IFNAME",
      "IFLA_MACVLAN_MACADDR_DATA",
      "IFLA_INFO_KIND",
      "RTA_OIF",
      "NDA_DST",
    ];
    expect(found).toEqual(
      expect.arrayContaining([...sample, ...attributes, "NETNSA_FD", "NLMSGERR_ATTR_OFFS", "ENODEV"]),
    );
    expect(found.length).toBeGreaterThan(250);
  });

  test("a symbol that the headers are too old for is on the list, and the rest of the list is used", async () => {
    const symbols = new Set((await everything()).map(({ expression }) => expression));
    for (const symbol of Object.keys(YOUNGER)) expect(symbols).toContain(symbol);
  });

  test("that are ours are told apart by name", async () => {
    expect([...new Set(await ownConstants())].filter((name) => !OURS.includes(name))).toEqual([]);
  });

  test("a wrong one would be seen", () => {
    expect(evaluate(["IFLA_MTU", "sizeof(struct ifinfomsg)"])).toEqual([4, 16]);
    expect(isKnown("IFLA_NO_SUCH_ATTRIBUTE")).toBe(false);
    expect(() => evaluate(["IFLA_NO_SUCH_ATTRIBUTE"])).toThrow("IFLA_NO_SUCH_ATTRIBUTE");
  });
});
