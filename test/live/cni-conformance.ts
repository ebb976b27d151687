/**
 * What the reference's own suite (containernetworking/plugins) asserts, and where a test of ours has that meaning. Lines
 * are as the project's notes count them, section by section; each has a file and the title of a test in it.
 * test/architecture/cni-conformance.test.ts holds the list whole.
 */

type Tests = readonly (readonly [file: string, title: string])[];
export type Lines = Readonly<Record<string, Tests>>;

const inFile =
  (file: string) =>
  (...titles: readonly string[]): Tests =>
    titles.map((title) => [file, title]);

const macvlan = inFile("test/live/cni-macvlan.test.ts");
const lab = inFile("test/lab/91-cni-conformance.test.ts");
const bridge = inFile("test/live/cni-bridge.test.ts");
const bridgeVlan = inFile("test/lab/90-cni-bridge-vlan.test.ts");
const bridgeParts = inFile("src/cni/plugins/bridge.test.ts");
const ptp = inFile("test/live/cni-ptp.test.ts");
const ovs = inFile("test/live/cni-ovs.test.ts");
const ovsKeys = inFile("src/cni/plugins/ovs.test.ts");
const ovsSurvive = inFile("test/live/cni-ovs-survive.test.ts");
const ipam = inFile("test/live/cni-ipam.test.ts");
const hostLocal = inFile("src/cni/ipam/host-local.test.ts");
const pools = inFile("src/engine/host-local.test.ts");
const files = inFile("src/store/host-local/directory.test.ts");
const resolvConf = inFile("src/cni/ipam/resolv-conf.test.ts");
const order = inFile("src/ipam/allocate.test.ts");
const range = inFile("src/ipam/range.test.ts");

const BRIDGE_LIFE = "configures and deconfigures a bridge and veth with default route with ADD/DEL";

const ORDER = order("%p with %p taken, last %p: %p");
const REFUSED_RANGE = range("of %s %p is refused");

export const CNI_CONFORMANCE: Readonly<Record<string, Lines>> = {
  macvlan: {
    "1": macvlan("creates an macvlan link in a non-default namespace"),
    "2": macvlan("configures and deconfigures a macvlan link with ADD/DEL"),
    "3": macvlan("deconfigures an unconfigured macvlan link with DEL"),
    "4": macvlan("configures and deconfigures a l2 macvlan link with ADD/DEL"),
    "5": macvlan("configures and deconfigures a cniVersion macvlan link with ADD/CHECK/DEL"),
    "6": macvlan("configures and deconfigures a macvlan link with ADD/DEL, without master config"),
    "7": macvlan("configures and deconfigures l2 macvlan link with mac address (from CNI_ARGS) with ADD/DEL"),
    "8": macvlan(
      "configures and deconfigures l2 macvlan link with mac address (from RuntimeConfig) with ADD/DEL",
    ),
  },
  ipvlan: {
    "1": lab("creates an ipvlan link in a non-default namespace"),
    "2": lab("configures and deconfigures an iplvan link with ADD/DEL"),
    "3": lab("configures and deconfigures an iplvan link with ADD/DEL when chained"),
    "4": lab("deconfigures an unconfigured ipvlan link with DEL"),
    "5": lab("configures and deconfigures a ipvlan link with ADD/DEL, without master config"),
  },
  vlan: {
    "1": lab("creates an vlan link in a non-default namespace with given MTU"),
    "2, 3": lab(
      "configures and deconfigures a vlan link with ADD/CHECK/DEL, with master's MTU, and with DEL again",
    ),
    "4": lab("fails to create vlan link with MTU greater than master's MTU"),
    "5": lab("fails to create vlan link with an invalid MTU"),
  },
  bridge: {
    "1": bridge("creates a bridge"),
    "2": bridge("handles an existing bridge"),
    "3": bridge(`${BRIDGE_LIFE}: %j`, `${BRIDGE_LIFE}: three subnets`, `${BRIDGE_LIFE}: resolvConf`),
    "4": bridge("configures and deconfigures a l2 bridge and veth with ADD/DEL"),
    "5": bridgeVlan("configures and deconfigures a l2 bridge with vlan id 100 using ADD/DEL"),
    "6": bridgeVlan("configures and deconfigures a l2 bridge with vlanTrunk 101,200~210 using ADD/DEL"),
    "7": bridgeVlan(
      "configures and deconfigures a l2 bridge with vlan 100, and vlanTrunk 101,200~210 using ADD/DEL",
    ),
    "8": bridgeVlan(
      "configures and deconfigures a l2 bridge with vlan id 100 and no default vlan using ADD/DEL",
    ),
    "9": bridgeVlan(
      "configures and deconfigures a bridge, veth with default route and vlanID 100 with ADD/DEL",
    ),
    "10": bridgeVlan(
      "configures and deconfigures a bridge, veth with default route and vlanID 100 and no default vlan with ADD/DEL",
    ),
    "11, 21": bridge(`${BRIDGE_LIFE}: %j`),
    "12": bridge("deconfigures an unconfigured bridge with DEL"),
    "13": bridge("ensure bridge address: %s, then %s"),
    "14": bridge("ensure promiscuous mode on bridge"),
    "15": bridge("creates a bridge with a stable MAC addresses: %s"),
    "16, 17, 18": bridge("uses an explicit MAC addresses for the container iface (from %s)"),
    "19": bridge("checks ip release in case of error"),
    "20": bridge("configures a bridge and ipMasq rules with ipMasqBackend %j"),
    "22": bridge("configures mac spoof-check (no mac spoofing)"),
    "23": bridge("should fail when both IPAM and DisableContainerInterface are set"),
    "24": bridge("should set the container veth peer state down"),
    "25, 26": bridge("when port-isolation is %p, should set the veth peer on node with isolation so"),
    "27": [
      ...bridge("check vlan id when loading net conf: %d"),
      ...bridgeParts("check vlan id when loading net conf"),
    ],
  },
  "bridge: tables": {
    "collectVlanTrunk succeeds": bridgeParts("when provided an empty VLAN trunk configuration"),
    "collectVlanTrunk failed": bridgeParts("when not passed the maxID"),
  },
  ptp: {
    "1": ptp("configures and deconfigures a ptp link with ADD/DEL"),
    "2, 3": ptp("configures and deconfigures a ptp link when specifying ipMasqBackend: %s"),
    "4": ptp("configures and deconfigures a dual-stack ptp link + routes with ADD/DEL"),
    "5": ptp("does not override IPAM DNS settings if no DNS settings provided"),
    "6": ptp("overrides IPAM DNS settings if any DNS settings provided: %s"),
    "7": ptp("overrides IPAM DNS settings if any empty list DNS settings provided"),
    "8": ptp("deconfigures an unconfigured ptp link with DEL"),
  },
  // k8snetworkplumbingwg/ovs-cni, pkg/plugin/plugin_test.go: by its contexts.
  ovs: {
    "with VLAN ID set on port": ovs("%s: STATUS, ADD, CHECK, DEL"),
    "without a VLAN ID set on port": ovs("%j is a port with %j"),
    "with specific VLAN ID ranges set, sorted and not": [
      ...ovs("%j is a port with %j"),
      ...ovsKeys("%j are %j"),
    ],
    "with specific IPAM set, with dual stack addresses": ovs(
      "addresses of both families, a MAC address for each, and an IPAM that refuses leaves nothing",
    ),
    "with invalid VLAN configuration": ovsKeys("%j: code %d, %s"),
    "with invalid IPAM configuration": ovs(
      "addresses of both families, a MAC address for each, and an IPAM that refuses leaves nothing",
    ),
    "with MTU set on port": ovs("%s: STATUS, ADD, CHECK, DEL"),
    "invoke DEL action after deleting container net namespace, or interface": ovsSurvive(
      "DEL after the container's end, or its netns, is gone",
    ),
    "random mac address on container interface": ovs(
      "addresses of both families, a MAC address for each, and an IPAM that refuses leaves nothing",
    ),
    "specified mac address, OvnPort, OfportRequest": ovs(
      "rows tell whose they are, as the reference's do, and of OVN and the pod",
    ),
    "specified OvnPort via args.cni, and before CNI_ARGS": ovsKeys(
      "what is said of a container: the runtime, args.cni, CNI_ARGS",
    ),
    "with interface of type system, without interface type": ovsKeys(
      "interface_type is not used, which is said",
    ),
    "specify trunk with ranges, ids, the same twice": ovsKeys("%j are %j"),
    "specify trunk with negative value, minID greater than maxID, maxID greater than 4096":
      ovsKeys("%j: code %d, %s"),
    "purge ports with failed interfaces": ovsSurvive(
      "ports whose link is gone are swept by the next call, whoever's container it was; others' are not",
    ),
  },
  "host-local: main": {
    "allocates and releases": ipam("allocates and releases addresses with ADD/DEL"),
    "two networks": ipam("allocates and releases addresses on specific interface with ADD/DEL"),
    "repeated ADD": ipam("repeat allocating addresses on specific interface for same container ID with ADD"),
    "DEL on a legacy file": ipam("verify DEL works on backwards compatible allocate"),
    "unknown ID on DEL": ipam("doesn't error when passed an unknown ID on DEL"),
    "whitespace around the container ID": ipam("ignores whitespace in disk files"),
    "no error text on first use": ipam("does not output an error message upon initial subnet creation"),
    "custom IP by args.cni.ips": ipam("allocates a custom IP when requested by config args"),
    "custom IPs from multiple ranges": ipam("allocates custom IPs from multiple ranges"),
    "custom IPs of both families": ipam("allocates custom IPs from multiple protocols"),
    "unused requested IP": ipam("fails if a requested custom IP is not used"),
  },
  "host-local: dns": {
    "a simple resolv.conf": resolvConf("a simple one"),
    comments: resolvConf("comments do not count, wherever they are"),
    "nameserver, domain, search, options": resolvConf("all that is passed on"),
  },
  "host-local: allocator": {
    "RangeIter from beginning, end, middle": order(
      "%s",
      "has every address of the set once, gateways never, the last reserved at the end",
    ),
    "round-robin table": ORDER,
    "never a broadcast address": pools("goes round: what was given back comes last"),
    "release, then the next is +1": pools("goes round: what was given back comes last"),
    "requested IP ok": pools("of %s that is asked for and free"),
    "requested IP taken": pools("of %p fails and keeps nothing"),
    "requested after rangeEnd, before rangeStart": order("outside of the range of their subnet are left: %s"),
    "out of IPs": pools("fails when a pool is used up, and gives back what it had of other pools"),
    "last at the end of a range; no last; network address as rangeStart": order(
      "goes on in the next range at the end of one, and begins at a network address that is asked for",
    ),
  },
  "host-local: range": {
    "sane defaults v4, smaller v4, v6": range("of %s alone has its defaults"),
    "masked and host bits, too small, invalid start or end": REFUSED_RANGE,
    "all fields": range("takes all that is given"),
    "contains v4": range("has %s: %p"),
    "contains v6": range("of IPv6 has %s: %p"),
    "overlap table": range("%s beside %s overlaps: %p", "%p beside %p of one subnet overlaps: %p"),
    "set: membership": range("knows what is in it"),
    "set: overlap within": range("is refused"),
    "set: overlap between": range("among others is refused"),
  },
  "host-local: config": {
    "old-style, new-style; CNI_ARGS IP without and with prefix": hostLocal("of %s"),
    "mixed with runtime ipRanges; runtimeConfig ips; ips without and with prefix": hostLocal(
      "the runtime's ranges come first, and its addresses count with and without a prefix",
    ),
    "overlap between and within sets, mixed families": hostLocal("%p with %p is refused"),
    "too many ranges for 0.2.0": hostLocal(
      "serves addresses of several pools that are asked for; before 0.3.0 there is one of a family",
    ),
    "one v4 and one v6 on 0.2.0": hostLocal("serves addresses of both families that are asked for"),
    "lock: file path, directory path": [
      ...files("is waited for, and whoever waits gets a turn"),
      ...ipam("whatever is at the place of its directory is told"),
    ],
  },
  static: {
    "v4 and v6, routes, dns": ipam("allocates and releases addresses with ADD/DEL"),
    "ECMP routes": ipam("keeps routes to one place by several gateways"),
    "unknown ID on DEL": ipam("doesn't error when passed an unknown ID on DEL"),
    "CNI_ARGS, single": ipam("allocates and releases addresses with ADD/DEL, with ENV variables"),
    "CNI_ARGS, multiple": ipam("allocates and releases multiple addresses with ADD/DEL, with ENV variables"),
    "runtimeConfig; args; all three": ipam("allocates multiple IPs %s"),
    "missing ipam key": ipam("errors when the 'ipam' key is missing, with %p"),
    "invalid CIDR": ipam("errors when passed an invalid CIDR, in %p %p %p"),
  },
};

/** How many lines a section has whose lines are numbers. */
export const NUMBERED: Readonly<Record<string, number>> = {
  macvlan: 8,
  ipvlan: 5,
  vlan: 5,
  bridge: 27,
  ptp: 8,
};

/** Sections without a test yet, and why. */
export const ABSENT: Readonly<Record<string, string>> = {
  dhcp: "comes with an IPAM of our own",
};
