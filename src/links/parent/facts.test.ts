import { describe, expect, test } from "bun:test";
import { formatCidr, formatIp, type Ip, parseIp } from "../../lib/ip.ts";
import { type Mac, parseMac } from "../../lib/mac.ts";
import type { Link, LinkAttrs } from "../../netlink/link.ts";
import { type Route, RTN_UNICAST } from "../../netlink/route.ts";
import {
  candidatesFor,
  defaultLink,
  hopsOf,
  linkFacts,
  routersThrough,
  routesElsewhere,
  throughOthers,
  withoutLinkLocal,
} from "./facts.ts";

function link(index: number, attrs: LinkAttrs, flags = 1): Link {
  return { header: { family: 0, pad: 0, type: 1, index, flags, change: 0 }, attrs };
}

function mac(text: string): Mac {
  const value = parseMac(text);
  if (value === undefined) throw new Error(text);
  return value;
}

function ip(text: string): Ip {
  const value = parseIp(text);
  if (value === undefined) throw new Error(text);
  return value;
}

interface RouteParts {
  readonly oif: number;
  readonly gateway?: string;
  readonly priority?: number;
  readonly prefix?: number;
  readonly type?: number;
}

function route({ oif, gateway, priority, prefix = 0, type = RTN_UNICAST }: RouteParts): Route {
  const rest = { src_len: 0, tos: 0, table: 254, protocol: 4, scope: 0, flags: 0 };
  return {
    header: { family: 2, dst_len: prefix, type, ...rest },
    attrs: {
      oif,
      ...(gateway !== undefined && { gateway: ip(gateway) }),
      ...(priority !== undefined && { priority }),
    },
  };
}

const FIRST = mac("02:00:00:00:00:01");
const SECOND = mac("02:00:00:00:00:02");

describe("a link's facts", () => {
  test("its owner has a name and a kind", () => {
    const port = link(2, { name: "eth0", master: 3 });
    const bridge = link(3, { name: "br0", info: { kind: "bridge" } });
    expect(linkFacts(port, [port, bridge], [], undefined).master).toEqual({
      ifindex: 3,
      name: "br0",
      kind: "bridge",
    });
  });

  test("an owner without a kind goes by what its members are", () => {
    const port = link(2, { name: "eth0", master: 3, info: { slaveKind: "team" } });
    expect(linkFacts(port, [port, link(3, { name: "x0" })], [], undefined).master?.kind).toBe("team");
  });

  test("an owner that no dump shows still counts", () => {
    const port = link(2, { name: "eth0", master: 3 });
    expect(linkFacts(port, [port], [], undefined).master).toEqual({ ifindex: 3, name: "#3" });
  });

  test("the bond that its frames leave by is itself, or below its VLANs", () => {
    const rawData = Uint8Array.of(5, 0, 1, 0, 6, 0, 0, 0);
    const bond = link(2, { name: "bond0", info: { kind: "bond", rawData } });
    const vlan = link(3, { name: "bond0.5", link: 2, info: { kind: "vlan" } });
    const inner = link(4, { name: "bond0.5.6", link: 3, info: { kind: "vlan" } });
    const far = link(5, { name: "far.5", link: 2, linkNetnsid: 0, info: { kind: "vlan" } });
    const veth = link(6, { name: "veth0", link: 2, info: { kind: "veth" } });
    const links = [bond, vlan, inner, far, veth];
    const bonds = links.map((one) => linkFacts(one, links, [], undefined).bond);
    const alb = { name: "bond0", mode: "balance-alb" };
    expect(bonds).toEqual([alb, alb, alb, undefined, undefined]);
    const silent = link(7, { name: "bond1", info: { kind: "bond" } });
    expect(linkFacts(silent, [silent], [], undefined).bond?.mode).toBe("balance-rr");
    const loop = link(8, { name: "odd", link: 8, info: { kind: "vlan" } });
    expect(linkFacts(loop, [loop], [], undefined).bond).toBeUndefined();
  });

  test("down, without carrier and without a MAC address", () => {
    const tun = link(2, { name: "tun0", carrier: 0, address: new Uint8Array(4) }, 0);
    const facts = linkFacts(tun, [tun], [], undefined);
    expect([facts.up, facts.carrier, facts.mac]).toEqual([false, false, undefined]);
  });
});

describe("the default link", () => {
  test("has the lowest metric; none given is the lowest of all", () => {
    const v4 = [route({ oif: 2, priority: 100 }), route({ oif: 3 }), route({ oif: 4, priority: 1 })];
    expect(defaultLink(v4, [])).toBe(3);
  });

  test("is IPv4's before IPv6's", () => {
    expect(defaultLink([route({ oif: 2, priority: 900 })], [route({ oif: 3, priority: 1 })])).toBe(2);
    expect(defaultLink([route({ oif: 2, prefix: 24 })], [route({ oif: 3 })])).toBe(3);
  });

  test("is not where an unreachable route points", () => {
    const RTN_UNREACHABLE = 7;
    expect(defaultLink([], [route({ oif: 1, type: RTN_UNREACHABLE })])).toBeUndefined();
  });
});

test("routers are those of default routes through the link", () => {
  const routes = [
    route({ oif: 2, gateway: "192.168.1.1" }),
    route({ oif: 3, gateway: "10.0.0.1" }),
    route({ oif: 2, gateway: "192.168.1.9", prefix: 16 }),
    route({ oif: 2 }),
  ];
  expect(routersThrough(routes, 2).map(formatIp)).toEqual(["192.168.1.1"]);
});

test("routes elsewhere are those to somewhere, through links that are not ours", () => {
  const links = [link(2, { name: "eth0" }), link(3, { name: "wg0" }), link(4, { name: "ul-abcdefghijkl" })];
  const to = (oif: number, prefix: number, destination?: string, type?: number): Route => {
    const made = route({ oif, prefix, ...(type !== undefined && { type }) });
    return { ...made, attrs: { ...made.attrs, ...(destination && { destination: ip(destination) }) } };
  };
  const blackhole = 6;
  const routes = [
    to(3, 0),
    to(2, 24, "192.168.1.0"),
    to(3, 16, "10.9.0.0"),
    to(4, 32, "192.168.1.7"),
    to(3, 8, "10.0.0.0", blackhole),
    to(9, 24, "172.30.0.0"),
  ];
  const found = routesElsewhere(routes, links, 2);
  expect(found.map(({ destination, link: name }) => [formatCidr(destination), name])).toEqual([
    ["10.9.0.0/16", "wg0"],
  ]);
});

describe("a missing parent could be", () => {
  const renamed = link(5, { name: "enp3s0", address: SECOND, permAddress: FIRST });
  const vlan = link(6, { name: "enp3s0.7", address: FIRST, link: 5, info: { kind: "vlan" } });
  const veth = link(7, { name: "veth9", address: SECOND, link: 8, info: { kind: "veth" } });
  const links = [link(1, { name: "lo" }), renamed, vlan, veth, link(9, { name: "eth1" })];

  test("the link with its MAC address, not a VLAN that has it from its parent", () => {
    expect(candidatesFor(links, "eth0", { mac: FIRST })).toEqual(["enp3s0"]);
    expect(candidatesFor(links, "eth0", { mac: SECOND })).toEqual(["enp3s0", "veth9"]);
  });

  test("no other, when it was there once: eth1 is not eth0 misspelt", () => {
    expect(candidatesFor(links, "eth0", { mac: mac("02:00:00:00:00:99") })).toEqual([]);
    expect(candidatesFor(links, "eth0", {})).toEqual([]);
  });

  test("one with nearly its name, when the name was just typed", () => {
    expect(candidatesFor(links, "eth0", undefined)).toEqual(["eth1"]);
    expect(candidatesFor(links, "wlan0", undefined)).toEqual([]);
  });
});

test("addresses of a link's own, of which every link with IPv6 has some, are no routes elsewhere", () => {
  const to = (text: string, oif: number): Route => {
    const { header, attrs } = route({ oif, prefix: 64 });
    return { header, attrs: { ...attrs, destination: ip(text) } };
  };
  const routes = [
    to("fe80::", 3),
    to("febf::", 3),
    to("fec0::", 4),
    to("2001:db8::", 5),
    to("2001:db8:1::", 2),
  ];
  const elsewhere = throughOthers(withoutLinkLocal([...routes, route({ oif: 6 })]), 2);
  expect(elsewhere.map(({ attrs }) => attrs.oif)).toEqual([4, 5]);
  expect(hopsOf([...elsewhere, ...elsewhere])).toEqual([4, 5]);
});
