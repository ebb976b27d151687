import { onMachine, type Run } from "./doctor-run.ts";

/** Faults as they are made in a network namespace, and which condition each is. */

export interface Fault {
  readonly id: string;
  /** `eth0` unless told. Null: none is named. */
  readonly link?: string | null;
  /** Words of ip(8). `eth0` and `sw0` are the two ends of the NIC, up; `$unreachable` a netns that no walk finds. */
  readonly ip?: readonly string[];
  readonly sysctl?: Readonly<Record<string, string>>;
  readonly how?: Run;
  /** A link kind without which the fault cannot be made: where the kernel lacks it, that is what the test asserts. */
  readonly needs?: string;
}

/** A second NIC: to a VPN, say. */
const TUNNEL = ["link add tun7 type veth peer name far7", "link set tun7 up", "link set far7 up"];
const ADDRESS = "addr add 192.168.9.5/24 dev eth0";

const dmi = (names: Readonly<Record<string, string>>): Run => ({
  by: onMachine(
    Object.fromEntries(Object.entries(names).map(([name, text]) => [`/sys/class/dmi/id/${name}`, text])),
  ),
});

export const FAULTS: readonly Fault[] = [
  { id: "UL-P01", link: "eth7" },
  { id: "UL-P02", ip: ["link set eth0 down"] },
  { id: "UL-P03", ip: ["link set sw0 down"] },
  { id: "UL-P04", link: "lo" },
  { id: "UL-P06", ip: ["link add br0 type bridge", "link set eth0 master br0"] },
  { id: "UL-P07", ip: ["link add ipv0 link eth0 type ipvlan mode l2"], needs: "ipvlan" },
  { id: "UL-P08", ip: ["link add mv0 link eth0 type macvlan mode passthru"] },
  {
    id: "UL-P10",
    link: "bond0",
    ip: [
      "link add bond0 type bond mode balance-alb",
      "link set eth0 down",
      "link set eth0 master bond0",
      "link set bond0 up",
    ],
    needs: "bond",
  },
  {
    id: "UL-P15",
    link: "br0",
    ip: ["link add br0 type bridge", "link set sw0 master br0", "link set br0 up"],
    sysctl: { "net.bridge.bridge-nf-call-iptables": "1" },
  },
  {
    id: "UL-K10",
    ip: ["link add mv0 link eth0 type macvlan mode passthru", "link set mv0 netns $unreachable"],
  },
  { id: "UL-I05", ip: [ADDRESS, ...TUNNEL, "route add 192.168.9.128/25 dev tun7"] },
  { id: "UL-I14", ip: [ADDRESS] },
  { id: "UL-K06", link: null, how: { by: ["unshare", "--user", "--map-root-user", "--net"] } },
  { id: "UL-K07", how: { by: ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-all"] } },
  { id: "UL-K09", how: { env: { BUN_JSC_useJIT: "0" } } },
  // What tells a virtual machine are files that its firmware fills: other files are another machine, as far as any
  // program can see. Frames are not filtered here.
  { id: "UL-H01", how: dmi({ sys_vendor: "VMware, Inc.", product_name: "VMware7,1" }) },
  { id: "UL-H02", how: dmi({ sys_vendor: "innotek GmbH", product_name: "VirtualBox" }) },
  { id: "UL-H03", how: dmi({ sys_vendor: "Microsoft Corporation", product_name: "Virtual Machine" }) },
  { id: "UL-H04", how: dmi({ sys_vendor: "QEMU", product_name: "Standard PC (Q35 + ICH9, 2009)" }) },
  { id: "UL-H05", how: dmi({ sys_vendor: "Amazon EC2", product_name: "m7g.large" }) },
  { id: "UL-H06", how: { by: onMachine({ "/sys/hypervisor/type": "xen" }) } },
  {
    id: "UL-H07",
    how: { by: onMachine({ "/proc/sys/kernel/osrelease": "6.6.87.2-microsoft-standard-WSL2" }) },
  },
];

/** A network of the daemon's that something is wrong with. The parent is `lan0`, and `lan1` its other end. */
export interface NetworkFault {
  readonly id: string;
  readonly options?: Readonly<Record<string, string>>;
  readonly pool?: string;
  readonly before?: readonly string[];
  readonly after?: readonly string[];
}

export const NETWORK_FAULTS: readonly NetworkFault[] = [
  { id: "UL-P12", options: { mtu: "1400" }, after: ["link set lan0 mtu 1300"] },
  { id: "UL-P17", options: { macvlan_mode: "vepa" } },
  {
    id: "UL-I03",
    before: ["addr add 10.60.0.5/16 dev lan0", "route add default via 10.60.0.254 dev lan0"],
  },
  { id: "UL-I16", pool: "172.18.0.0/16" },
  { id: "UL-I17", before: ["addr add 192.168.9.5/24 dev lan0"] },
];

/** Conditions whose faults need more than a namespace, and the tests that make them. */
export const ELSEWHERE: Readonly<Record<string, string>> = {
  "UL-P19": "test/live/doctor-active.test.ts",
  "UL-I02": "test/live/doctor-active.test.ts",
  "UL-P09": "test/lab/50-ipvlan.test.ts",
  "UL-K01": "test/live/doctor.test.ts",
  "UL-S01": "test/live/doctor-faults.test.ts",
  "UL-R01": "test/clients/doctor.test.ts",
  "UL-R02": "test/clients/doctor.test.ts",
  "UL-R03": "test/packages/service.test.ts",
  "UL-R04": "test/clients/doctor.test.ts",
  "UL-R05": "test/live/gc.test.ts",
  "UL-R06": "test/live/host-access.test.ts",
  "UL-M06": "test/clients/doctor.test.ts",
  ...Object.fromEntries(
    ["UL-O10", "UL-O11", "UL-O12"].map((id) => [id, "test/live/ovs-network-doctor.test.ts"]),
  ),
  ...Object.fromEntries(
    ["UL-O01", "UL-O02", "UL-O04", "UL-O05", "UL-O09"].map((id) => [id, "test/live/ovs-doctor.test.ts"]),
  ),
  ...Object.fromEntries(
    ["UL-C01", "UL-C02", "UL-C03", "UL-C04", "UL-C05", "UL-C06", "UL-C07"].map((id) => [
      id,
      "src/cli/verbs/cni.test.ts",
    ]),
  ),
};

/** Why the fault cannot be made by these tests at all, and what stands in for them. */
export const NOT_HERE: Readonly<Record<string, string>> = {
  "UL-P05": "no namespace has a radio; answers of nl80211 are replayed in src/netlink/nl80211.test.ts",
};
