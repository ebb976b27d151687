import { describe, expect, test } from "bun:test";
import { formatCidr, formatIp } from "../lib/ip.ts";
import { KINDS, type LinkReading } from "./kinds.ts";
import { networkMessage } from "./messages.fixture.ts";
import { settingsOf } from "./network.ts";

const macvlan = (more: object = {}) => settingsOf(KINDS.macvlan, networkMessage(more));
const ipvlan = (more: object = {}) => settingsOf(KINDS.ipvlan, networkMessage(more));
const bridge = (more: object = {}) => settingsOf(KINDS.bridge, networkMessage(more));
const wishOf = (link: LinkReading) => (link.on === "parent" ? link.wish(undefined) : link);
const problemsOf = (more: object) => macvlan(more).problems.map(({ message }) => message);

describe("the parent", () => {
  test.each([
    ["by option", { options: { parent: "eth1" } }, "eth1"],
    ["by Docker's old option", { options: { host_iface: "eth1" } }, "eth1"],
    ["a VLAN, made when it is missing", { options: { parent: "eth0.50" } }, "eth0.50"],
    ["by --interface-name", { options: {}, network_interface: "eth1" }, "eth1"],
    ["by both", { options: { parent: "eth1" }, network_interface: "eth1" }, "eth1"],
    ["auto, as create recorded it", { options: { parent: "auto" }, network_interface: "eth1" }, "eth1"],
    ["auto", { options: { parent: "auto" } }, undefined],
    ["by neither: the link of the default route", { options: {} }, undefined],
  ])("%s", (_, more, name) => {
    const { parent, problems } = macvlan(more);
    expect({ parent, problems }).toEqual({
      parent: { inside: false, makesVlans: true, ...(name !== undefined && { name }) },
      problems: [],
    });
  });
});

test("options of a macvlan, by netavark's names and by Docker's", () => {
  const { link, ways, defaults } = macvlan({
    options: {
      parent: "eth0",
      mode: "private",
      mtu: "1400",
      metric: "7",
      no_default_route: "true",
      bclim: "-1",
    },
  });
  expect(wishOf(link)).toEqual({ kind: "macvlan", mode: "private", cutoff: -1 });
  expect(ways).toEqual({ mtu: 1400, metric: 7, no_default_route: "true" });
  expect(defaults).toEqual({});
  const docker = macvlan({
    options: { parent: "eth0", macvlan_mode: "vepa", "com.docker.network.driver.mtu": "1400" },
  });
  expect([wishOf(docker.link), docker.ways, docker.defaults]).toEqual([
    { kind: "macvlan", mode: "vepa" },
    { mtu: 1400 },
    {},
  ]);
});

test("options of an ipvlan", () => {
  const { link, defaults } = ipvlan({ options: { ipvlan_mode: "l3s", flag: "private" } });
  expect([wishOf(link), link.routesOnLink, defaults]).toEqual([
    { kind: "ipvlan", mode: "l3s", flag: "private" },
    true,
    {},
  ]);
  expect(ipvlan({ options: { bclim: "1" } }).problems).toHaveLength(1);
});

describe("a bridge", () => {
  test("is one that is there, by any of the names that people have for the option", () => {
    for (const more of [
      { options: { bridge: "br0" } },
      { options: { parent: "br0" } },
      { options: { "com.docker.network.bridge.name": "br0" } },
      { options: {}, network_interface: "br0" },
    ]) {
      const { parent, problems, defaults } = bridge(more);
      expect([parent.name, problems, defaults]).toEqual(["br0", [], { mode: "unmanaged" }]);
    }
  });

  test("has to be named", () => {
    for (const options of [{}, { bridge: "auto" }])
      expect(bridge({ options }).problems).toEqual([
        { subject: "bridge", message: "which bridge? -o bridge=NAME of one that is there" },
      ]);
  });

  test("has ports in VLANs, and no modes but one", () => {
    expect(bridge({ options: { bridge: "br0", vlan: "50" } }).link).toMatchObject({ on: "bridge", vlan: 50 });
    const { problems } = bridge({ options: { bridge: "br0", vlan: "4095", mode: "managed" } });
    expect(problems.map(({ message }) => message)).toEqual([
      'vlan: "4095" is no VLAN id from 1 to 4094',
      expect.stringContaining('mode: "managed" is none of unmanaged'),
    ]);
  });
});

test("what is not said is what create records", () => {
  expect([macvlan().defaults, wishOf(macvlan().link)]).toEqual([
    { mode: "bridge" },
    { kind: "macvlan", mode: "bridge" },
  ]);
  expect([ipvlan().defaults, wishOf(ipvlan().link)]).toEqual([
    { mode: "l2" },
    { kind: "ipvlan", mode: "l2", flag: "bridge" },
  ]);
});

test.each([
  [{ options: { parnet: "eth0" } }, "unknown option parnet, did you mean parent?"],
  [{ options: { metrc: "1" } }, "unknown option metrc, did you mean metric?"],
  [{ options: { mode: "source" } }, 'mode: "source" is none of bridge, private, vepa, passthru'],
  [{ options: { mode: "bridge", macvlan_mode: "vepa" } }, "are the same option with different values"],
  [{ options: { mtu: "67" } }, 'mtu: "67" is no MTU from 68 to 65535'],
  [{ options: { metric: "-1" } }, 'metric: "-1" is no metric from 0 to 4294967295'],
  [{ options: { bclim: "-2" } }, 'bclim: "-2" is no number of receivers'],
  [{ options: { no_default_route: "1" } }, 'no_default_route: "1" is none of false, true'],
  [
    { options: { parent: "eth1" }, network_interface: "eth2" },
    "parent=eth1 and network_interface eth2 name different links",
  ],
  [{ ipam_options: { driver: "dhcp" } }, "IPAM driver dhcp: "],
  [{ subnets: [{ gateway: "10.0.0.1" }] }, "subnets[0] has no subnet"],
  [{ subnets: [{ subnet: "10.0.0.1/24" }] }, "subnet 10.0.0.1/24 has host bits"],
  [
    { subnets: [{ subnet: "10.0.0.0/24", gateway: "10.0.1.1" }] },
    "gateway 10.0.1.1 is not in subnet 10.0.0.0/24",
  ],
  [{ routes: [{ gateway: "10.90.0.1" }] }, "routes[0] has no destination"],
  [{ routes: [{ destination: "10.1.0.0/16" }] }, "routes[0] to 10.1.0.0/16 has no gateway"],
  [
    { routes: [{ destination: "10.1.0.0/16", gateway: "fd00::1" }] },
    "route to 10.1.0.0/16 via fd00::1 mixes IPv4 and IPv6",
  ],
  [
    { routes: [{ destination: "10.1.0.0/16", gateway: "10.99.0.1" }] },
    "route to 10.1.0.0/16: its gateway 10.99.0.1 is in no subnet of the network",
  ],
  [
    { routes: [{ destination: "10.1.0.0/16", route_type: "blackhole" }] },
    "routes[0]: this driver makes routes of type unicast only, not blackhole",
  ],
])("%j is refused", (more, message) => {
  expect(problemsOf(more)).toEqual([expect.stringContaining(message)]);
});

test("all problems come at once", () => {
  expect(problemsOf({ options: { mode: "x", mtu: "1" }, ipam_options: { driver: "dhcp" } })).toHaveLength(3);
});

test("with an IPv6 subnet the MTU has a higher bound", () => {
  const subnets = [{ subnet: "fd00::/64" }];
  expect(problemsOf({ options: { mtu: "1279" }, subnets })).toEqual([
    'mtu: "1279" is no MTU (with IPv6) from 1280 to 65535',
  ]);
  expect(problemsOf({ options: { mtu: "1280" }, subnets })).toEqual([]);
});

test("an internal network has no gateways, whatever its subnets say", () => {
  expect(macvlan({ internal: true }).subnets.map(({ gateway }) => gateway)).toEqual([undefined]);
  expect(macvlan().subnets.map(({ gateway }) => gateway && formatIp(gateway))).toEqual(["10.90.0.1"]);
});

test("routes have netavark's metric unless they have one", () => {
  const routes = [
    { destination: "10.1.0.0/16", gateway: "10.90.0.2" },
    { destination: "10.2.0.0/16", gateway: "10.90.0.2", metric: 0, route_type: "unicast" },
  ];
  const words = macvlan({ routes }).routes.map(({ to, via, priority }) => [
    formatCidr(to),
    via && formatIp(via),
    priority,
  ]);
  expect(words).toEqual([
    ["10.1.0.0/16", "10.90.0.2", 100],
    ["10.2.0.0/16", "10.90.0.2", 0],
  ]);
});
