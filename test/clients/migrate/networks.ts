/** Networks of Docker's own driver, by what they have: arguments of `docker network create`, but for driver and name. */
export interface Move {
  readonly what: string;
  readonly args: readonly string[];
  /** Commands of the client that have to be done first. */
  readonly before?: readonly (readonly string[])[];
  /** The oldest Docker cannot make it. */
  readonly newest?: true;
}

const parent = ["-o", "parent=lan0"];
const subnet = ["--subnet", "10.77.0.0/24", "--gateway", "10.77.0.1"];

export const MOVES: readonly Move[] = [
  { what: "a parent alone", args: parent },
  {
    what: "subnet, range, gateway and kept addresses",
    args: [
      ...[...parent, ...subnet, "--ip-range", "10.77.0.128/27"],
      ...["--aux-address", "nas=10.77.0.129", "--aux-address", "host=10.77.0.130"],
    ],
  },
  {
    what: "several subnets",
    args: [
      ...[...parent, ...subnet, "--ip-range", "10.77.0.128/27"],
      ...["--subnet", "10.78.0.0/24", "--gateway", "10.78.0.254", "--aux-address", "x=10.78.0.7"],
    ],
  },
  {
    what: "IPv4 and IPv6",
    args: [
      ...[...parent, ...subnet, "--ipv6", "--subnet", "fd77::/64", "--gateway", "fd77::1"],
      ...["--ip-range", "fd77::80/121", "--aux-address", "six=fd77::81"],
    ],
  },
  { what: "an IPv6 subnet without --ipv6", args: [...parent, ...subnet, "--subnet", "fd77::/64"] },
  {
    what: "labels with everything in them that a shell would eat",
    args: [
      ...[...parent, ...subnet, "--label", "plain", "--label", 'com.example.note=it\'s $HOME `id` "x" \\ y'],
      ...["--label", "lines=one\ntwo\u001b[31m", "--label", "unicode=grün"],
    ],
  },
  { what: "a mode", args: [...parent, ...subnet, "-o", "macvlan_mode=private"] },
  {
    what: "an MTU, which Docker's driver ignores",
    args: [...parent, ...subnet, "-o", "com.docker.network.driver.mtu=1400"],
  },
  { what: "internal and attachable", args: [...parent, ...subnet, "--internal", "--attachable"] },
  { what: "options of its IPAM driver", args: [...parent, ...subnet, "--ipam-opt", "foo=b a r"] },
  {
    what: "subnet and options of a configuration",
    before: [
      ["network", "create", "--config-only", ...parent, ...subnet, "--label", "of=configuration", "settings"],
    ],
    args: ["--config-from", "settings", "--attachable"],
  },
  { what: "IPv6 only", args: [...parent, "--ipv4=false", "--ipv6", "--subnet", "fd77::/64"], newest: true },
  { what: "a chosen IPv6 subnet", args: [...parent, "--ipv6"], newest: true },
  { what: "no addresses", args: [...parent, "--ipv4=false", "--ipam-driver", "null"], newest: true },
];
