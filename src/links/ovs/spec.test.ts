import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type OvsDefaults, type OvsSpec, parseOvs } from "./spec.ts";

const V4 = { ipv6: false };
const V6 = { ipv6: true };

function specOf(options: Record<string, string>, defaults: OvsDefaults = {}, families = V4): OvsSpec {
  const parsed = parseOvs(options, defaults, families);
  if ("problems" in parsed) throw new Error(parsed.problems.map((problem) => problem.message).join("; "));
  return parsed.spec;
}

function refusalOf(options: Record<string, string>, defaults: OvsDefaults = {}, families = V4) {
  const parsed = parseOvs(options, defaults, families);
  if ("spec" in parsed) throw new Error("was accepted");
  return { code: parsed.code, messages: parsed.problems.map((problem) => problem.message) };
}

const NOTHING_GIVEN: OvsSpec = {
  kind: "ovs",
  bridge: { how: "default", name: "ovsbr-docker0" },
  mode: "nat",
  vlans: { mode: "access", vlan: 0 },
  defaultMtu: 1450,
  rates: {},
  isolate: false,
  portSecurity: false,
  hostIsGateway: true,
};

describe("accepted", () => {
  test("nothing given: what docker-ovs-plugin did", () => {
    expect(specOf({})).toEqual(NOTHING_GIVEN);
  });

  test("the configuration's defaults, which options override", () => {
    const defaults = { bridge: "br-int", mode: "flat", mtu: "9000", datapath: "netdev" };
    expect(specOf({}, defaults)).toEqual({
      ...NOTHING_GIVEN,
      bridge: { how: "default", name: "br-int" },
      mode: "flat",
      hostIsGateway: false,
      defaultMtu: 9000,
      datapath: "netdev",
    });
    const options = { bridge: "br0", mode: "nat", mtu: "1400", datapath: "system" };
    expect(specOf(options, defaults)).toEqual({
      ...NOTHING_GIVEN,
      bridge: { how: "name", name: "br0" },
      mtu: 1400,
      defaultMtu: 9000,
      datapath: "system",
    });
  });

  const SPELLINGS = ["ovs.bridge.", "net.gopher.ovs.bridge."];
  test.each(SPELLINGS)("the old spelling %s", (prefix) => {
    const options = { name: "br0", mode: "flat", mtu: "1500", bind_interface: "eth1" };
    const spelt = Object.entries(options).map(([key, value]) => [`${prefix}${key}`, value]);
    expect(specOf(Object.fromEntries(spelt))).toMatchObject({
      bridge: { how: "name", name: "br0" },
      mode: "flat",
      mtu: 1500,
      uplink: { name: "eth1", migrate: false },
    });
  });

  test("dovesnap's VLAN and userspace datapath", () => {
    const options = { "ovs.bridge.vlan": "100", "ovs.bridge.userspace": "true", mode: "flat" };
    expect(specOf(options)).toMatchObject({ vlans: { mode: "access", vlan: 100 }, datapath: "netdev" });
    expect(specOf({ "ovs.bridge.userspace": "false" })).toEqual(NOTHING_GIVEN);
  });

  test("a VLAN in either mode: the host's gateway is in it, too", () => {
    const vlans = { mode: "access", vlan: 10 } as const;
    expect(specOf({ vlan: "10" })).toEqual({ ...NOTHING_GIVEN, vlans });
    expect(specOf({ trunks: "10", gateway: "none" })).toMatchObject({ hostIsGateway: false });
  });

  test("trunks as a list with ranges, with and without a native VLAN, and all of them", () => {
    const flat = { mode: "flat" };
    expect(specOf({ ...flat, trunks: "30-32,10, 31" }).vlans).toEqual({
      mode: "trunk",
      vlans: [10, 30, 31, 32],
    });
    expect(specOf({ ...flat, trunks: "10,20", native_vlan: "99" }).vlans).toEqual({
      mode: "trunk",
      vlans: [10, 20],
      native: 99,
    });
    expect(specOf({ ...flat, trunks: "all" }).vlans).toEqual({ mode: "trunk", vlans: [] });
  });

  test("tunnels: peers in one spelling, or none yet", () => {
    expect(specOf({ vni: "42", peers: "192.0.2.1, 2001:DB8::0:1,192.0.2.1" }).tunnel).toEqual<unknown>({
      vni: 42,
      peers: ["192.0.2.1", "2001:db8::1"],
    });
    expect(specOf({ vni: "16777215" }).tunnel).toEqual({ vni: 16777215, peers: [] });
  });

  test("rates, isolation, port security, gateway outside", () => {
    const options = {
      rx_rate: "2.5gbit",
      tx_rate: "800Kbit",
      isolate: "true",
      port_security: "true",
      gateway: "none",
    };
    expect(specOf(options)).toEqual({
      ...NOTHING_GIVEN,
      rates: { rx: 2_500_000_000, tx: 800_000 },
      isolate: true,
      portSecurity: true,
      hostIsGateway: false,
    });
  });

  test("ids to allow", () => {
    expect(parseOvs({ allow: "UL-P05" }, {}, V4)).toMatchObject({ allow: ["UL-P05"] });
  });
});

describe("refused", () => {
  const flat = { mode: "flat" };
  const cases: readonly (readonly [Record<string, string>, string])[] = [
    [{ brigde: "br0" }, "unknown option brigde, did you mean bridge?"],
    [{ bridge: "" }, "bridge: a link name cannot be empty"],
    [{ bridge: "sixteen-letters-" }, 'bridge: link name "sixteen-letters-" is longer than 15 bytes'],
    [{ bridge: "a/b" }, 'bridge: link name "a/b" has a slash, colon, NUL or white space in it'],
    [{ mode: "routed" }, 'mode: "routed" is none of nat, flat'],
    [{ mtu: "67" }, 'mtu: "67" is no MTU from 68 to 65535'],
    [{ datapath: "dpdk" }, 'datapath: "dpdk" is none of system, netdev'],
    [{ ...flat, vlan: "0" }, 'vlan: "0" is no VLAN id from 1 to 4094'],
    [{ ...flat, vlan: "4095" }, 'vlan: "4095" is no VLAN id from 1 to 4094'],
    [{ ...flat, vlan: "1O" }, 'vlan: "1O" is no VLAN id from 1 to 4094'],
    ...["0", "4095", "20-10", "10-", "-10", "10-20-30", "1,none"].map((trunks): [object, string] => {
      const word = trunks.split(",").at(-1);
      const right = "VLAN ids are 1 to 4094, written like 10,20,30-39, or all";
      return [{ ...flat, trunks }, `trunks: "${word}" is no VLAN id or range of them; ${right}`];
    }),
    [{ ...flat, trunks: "10,,20" }, 'trunks: "10,,20" has an empty word in its list'],
    [
      { ...flat, vlan: "10", trunks: "20" },
      "vlan: a port in one VLAN has no trunks; leave vlan out, and write native_vlan=10 for frames without a tag",
    ],
    [
      { ...flat, native_vlan: "10" },
      "native_vlan: has a use with trunks only; write vlan=10 for a port in one VLAN",
    ],
    [
      { trunks: "10" },
      "trunks: in mode nat the host, as gateway, is in one VLAN; trunks need mode=flat, or stand on a single endpoint",
    ],
    [{ uplink: "eth1" }, "uplink: in mode nat the host routes; a NIC on the bridge needs mode=flat"],
    [
      { ...flat, uplink: "lo" },
      'uplink: "lo" is the loopback, which leads nowhere; name a NIC, bond or VLAN of it',
    ],
    [
      { ...flat, uplink: "br0", bridge: "br0" },
      "uplink: a bridge is no NIC of itself; name another link, or another bridge",
    ],
    [{ ...flat, uplink_migrate: "false" }, "uplink_migrate: has a use with uplink only"],
    [{ vni: "0" }, 'vni: "0" is no VXLAN network identifier from 1 to 16777215'],
    [{ vni: "16777216" }, 'vni: "16777216" is no VXLAN network identifier from 1 to 16777215'],
    [{ peers: "192.0.2.1" }, "peers: tunnels need a number that all hosts share; add vni=1 to 16777215"],
    [
      { vni: "1", peers: "host2.example" },
      'peers: "host2.example" is no IP address; peers are given by address, never by name',
    ],
    [
      { vni: "1", peers: "192.0.2.1:4789" },
      'peers: "192.0.2.1:4789" is no IP address; peers are given by address, never by name',
    ],
    [
      { vni: "1", peers: "192.0.2.1,239.1.1.1" },
      'peers: "239.1.1.1" is a group\'s address, and a tunnel ends at one host',
    ],
    [{ vni: "1", peers: "ff02::1" }, 'peers: "ff02::1" is a group\'s address, and a tunnel ends at one host'],
    [
      { vni: "1", peers: "255.255.255.255" },
      'peers: "255.255.255.255" is a group\'s address, and a tunnel ends at one host',
    ],
    [{ vni: "1", peers: "0.0.0.0" }, 'peers: "0.0.0.0" is no host\'s address'],
    [{ vni: "1", peers: "::" }, 'peers: "::" is no host\'s address'],
    [{ vni: "1", peers: "127.0.0.1" }, 'peers: "127.0.0.1" is this host itself to every host'],
    [{ vni: "1", peers: "::1" }, 'peers: "::1" is this host itself to every host'],
    [
      { vni: "1", peers: "::ffff:192.0.2.1" },
      'peers: "::ffff:192.0.2.1" is an IPv4 address in the clothes of IPv6; write it as IPv4',
    ],
    [
      { vni: "1", peers: "fe80::1" },
      'peers: "fe80::1" is a link-local address, which Open vSwitch cannot say the link of',
    ],
    [
      { ...flat, vni: "1", uplink: "eth1" },
      "vni: hosts joined by both a tunnel and an uplink make a loop; give one of them",
    ],
    ...["10", "10 mbit", "63kbit", "401gbit", "0mbit", "-1mbit", "1e3kbit", "10Mbps"].map(
      (rx_rate): [object, string] => [
        { rx_rate },
        `rx_rate: "${rx_rate}" is no rate from 64kbit to 400gbit; the units are kbit, mbit and gbit (a second), as in 10mbit`,
      ],
    ),
    [{ isolate: "yes" }, 'isolate: "yes" is none of false, true'],
    [{ port_security: "on" }, 'port_security: "on" is none of false, true'],
    [{ gateway: "10.0.0.1" }, 'gateway: "10.0.0.1" is none of bridge, none'],
    [{ ...flat, gateway: "bridge" }, "gateway: in mode flat the host is no gateway; use mode=nat"],
    [
      { datapath: "system", "ovs.bridge.userspace": "true" },
      "ovs.bridge.userspace: says netdev, and datapath says system; give one of them",
    ],
    [
      { bridge: "br0", "ovs.bridge.name": "br1" },
      "bridge=br0 and ovs.bridge.name=br1 are the same option with different values; give one of them",
    ],
  ].map(([options, message]) => [options as Record<string, string>, message as string]);
  test.each(cases)("%j", (options, message) => {
    expect(refusalOf(options)).toEqual({ code: "invalid_option", messages: [message] });
  });

  test("an MTU below 1280 with IPv6, given or by default", () => {
    expect(refusalOf({ mtu: "1279" }, {}, V6).messages).toEqual([
      'mtu: "1279" is no MTU (with IPv6) from 1280 to 65535',
    ]);
    expect(refusalOf({}, { mtu: "1279" }, V6).messages).toEqual([
      'default mtu: "1279" is no MTU (with IPv6) from 1280 to 65535 (configuration, [ovs])',
    ]);
  });

  test("everything at once, the configuration's part too", () => {
    const options = { brigde: "x", mode: "fast", vlan: "0", peers: "a.example", vni: "0", rx_rate: "1" };
    const { code, messages } = refusalOf(options, { mode: "quick", mtu: "1" });
    expect(code).toBe("invalid_option");
    expect(messages).toHaveLength(8);
  });

  const LATER: readonly Record<string, string>[] = [{ "ovs.bridge.controller": "tcp:127.0.0.1:6653" }];
  test.each(LATER)("%j, for now", (options) => {
    expect(refusalOf(options).code).toBe("not_yet");
  });
});

test("a wide trunk is a list that a person can still write", () => {
  expect(specOf({ mode: "flat", trunks: "1-4094" }).vlans).toMatchObject({ vlans: { length: 4094 } });
});

test("any options give a spec or problems, each in one line", () => {
  const keys = ["bridge", "mode", "mtu", "vlan", "trunks", "vni", "peers", "rx_rate", "__proto__"];
  const key = fc.oneof(fc.string(), fc.constantFrom(...keys));
  const value = fc.oneof(fc.string(), fc.constantFrom("flat", "10", "1-5", "192.0.2.1", "10mbit"));
  fc.assert(
    fc.property(fc.dictionary(key, value), (options) => {
      const parsed = parseOvs(options, {}, V4);
      if ("spec" in parsed) return;
      expect(parsed.problems.length).toBeGreaterThan(0);
      for (const problem of parsed.problems) expect(problem.message).not.toContain("\n");
    }),
  );
});
