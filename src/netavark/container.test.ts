import { describe, expect, test } from "bun:test";
import { formatCidr, formatIp } from "../lib/ip.ts";
import { parseMac } from "../lib/mac.ts";
import { statusOf, unpublished, type Wanted, wantedOf } from "./container.ts";
import { KINDS } from "./kinds.ts";
import { type attaching, execMessage } from "./messages.fixture.ts";

type Parts = Parameters<typeof attaching>;

const request = (...parts: Parts) => wantedOf(KINDS.macvlan, execMessage(...parts), "/run/netns/x");
const onIpvlan = (...parts: Parts) => wantedOf(KINDS.ipvlan, execMessage(...parts), "/run/netns/x");

function routesOf({ assigned }: Wanted): unknown[] {
  return assigned.routes.map(({ to, via, priority }) => [formatCidr(to), via && formatIp(via), priority]);
}

function addressesOf({ assigned }: Wanted): string[] {
  return assigned.addresses.map(({ address }) => formatCidr(address));
}

const DUAL = {
  subnets: [
    { subnet: "10.90.0.0/24", gateway: "10.90.0.1" },
    { subnet: "fd90::/64", gateway: "fd90::1" },
  ],
};
const BOTH = { static_ips: ["10.90.0.7", "fd90::7"] };

test("what podman says is what the engine is asked", () => {
  const made = request();
  expect(made).toMatchObject({
    owner: "netavark:3b74c1/85d668996714/eth0",
    netns: "/run/netns/x",
    key: { network: "netavark:3b74c1", container: "85d668996714", ifname: "eth0" },
    parent: { name: "eth0", inside: false, makesVlans: true },
  });
  expect(addressesOf(made)).toEqual(["10.90.0.65/24"]);
  expect(routesOf(made)).toEqual([["0.0.0.0/0", "10.90.0.1", 100]]);
});

describe("the MAC address", () => {
  const macOf = (...parts: Parts) => request(...parts).mac;

  test("is the one asked for", () => {
    expect(macOf({}, { static_mac: "02-11-22-33-44-AA" })).toBe(parseMac("02:11:22:33:44:aa"));
  });

  test("else stays the same for the container, and differs from all others", () => {
    const mac = macOf();
    expect(mac).toBeDefined();
    expect(macOf({ options: { parent: "eth0", mode: "vepa" } })).toBe(mac);
    expect(macOf({ id: "77" })).not.toBe(mac);
    expect(macOf({}, { interface_name: "eth1" })).not.toBe(mac);
    expect(macOf({}, {}, { container_id: "86" })).not.toBe(mac);
  });

  test("of a passthru is its parent's, unless one is asked for", () => {
    const network = { options: { mode: "passthru" } };
    expect(macOf(network)).toBeUndefined();
    expect(macOf(network, { static_mac: "02:11:22:33:44:55" })).toBe(parseMac("02:11:22:33:44:55"));
  });

  test("of an ipvlan is its parent's", () => {
    expect(onIpvlan().mac).toBeUndefined();
    expect(() => onIpvlan({}, { static_mac: "02:11:22:33:44:55" })).toThrow(
      "an ipvlan has the MAC address of its parent",
    );
  });
});

describe("routes", () => {
  test("one default a family", () => {
    expect(routesOf(request(DUAL, BOTH))).toEqual([
      ["0.0.0.0/0", "10.90.0.1", 100],
      ["::/0", "fd90::1", 100],
    ]);
  });

  test("none on an internal network, on one without gateways, and where it is said", () => {
    for (const network of [
      { ...DUAL, internal: true },
      { subnets: [{ subnet: "10.90.0.0/24" }, { subnet: "fd90::/64" }] },
      { ...DUAL, options: { no_default_route: "true" } },
    ])
      expect(routesOf(request(network, BOTH))).toEqual([]);
  });

  test("what the container says wins", () => {
    const network = { options: { metric: "7", mtu: "1500" } };
    const made = request(network, { options: { metric: "9", mtu: "1400" } });
    expect([routesOf(made), made.mtu]).toEqual([[["0.0.0.0/0", "10.90.0.1", 9]], 1400]);
    const silent = request(network, { options: { no_default_route: "true" } });
    expect([routesOf(silent), silent.mtu]).toEqual([[], 1500]);
  });

  test("those of the network come after", () => {
    const routes = [{ destination: "10.1.0.0/16", gateway: "10.90.0.2", metric: null }];
    expect(routesOf(request({ routes, internal: true }))).toEqual([["10.1.0.0/16", "10.90.0.2", 100]]);
  });

  test("on an ipvlan that routes, the default is the link itself", () => {
    const made = onIpvlan({ options: { mode: "l3" } });
    expect(routesOf(made)).toEqual([["0.0.0.0/0", undefined, 100]]);
    // The engine takes an address's gateway for a route without one.
    expect(made.assigned.addresses.map(({ gateway }) => gateway)).toEqual([undefined]);
    expect(routesOf(onIpvlan())).toEqual([["0.0.0.0/0", "10.90.0.1", 100]]);
  });
});

test("a network without IPAM has links without addresses", () => {
  const made = request({ subnets: null, ipam_options: { driver: "none" } }, { static_ips: null });
  expect([addressesOf(made), routesOf(made)]).toEqual([[], []]);
});

test.each([
  [{}, { interface_name: "../../x" }, {}, "has a slash"],
  [{}, { interface_name: "" }, {}, "a link name cannot be empty"],
  [{}, { interface_name: "x".repeat(16) }, {}, "longer than 15 bytes"],
  [{}, {}, { container_id: null }, "container_id is missing"],
  [{}, { static_ips: null }, {}, "podman gave the container no address"],
  [
    {},
    { static_ips: ["10.91.0.5"] },
    {},
    "address 10.91.0.5 is in no subnet of the network (it has: 10.90.0.0/24)",
  ],
  [{}, { static_ips: ["10.90.0.1"] }, {}, "address 10.90.0.1 is that of the gateway"],
  [{ subnets: null }, {}, {}, "address 10.90.0.65 is in no subnet of the network (it has: none)"],
  [{}, { static_mac: "nonsense" }, {}, "nonsense is no MAC address"],
  [{}, { static_mac: "01:00:5e:00:00:01" }, {}, "no MAC address that a link may have"],
  [{}, { options: { foo: "bar" } }, {}, "unknown option foo"],
  [{ options: { mode: "x" } }, { interface_name: "" }, {}, 'mode: "x" is none of'],
])("%j %j %j is refused", (network, options, more, message) => {
  expect(() => request(network, options, more)).toThrow(message);
});

test("the status is what was made", () => {
  const exec = execMessage({ ...DUAL, network_dns_servers: ["10.90.0.53", "fd90::53"] }, BOTH);
  const { assigned } = wantedOf(KINDS.macvlan, exec, "/run/netns/x");
  const mac = parseMac("02:11:22:33:44:55");
  expect(statusOf(exec, { assigned, ...(mac && { mac }) })).toEqual({
    dns_search_domains: [],
    dns_server_ips: ["10.90.0.53", "fd90::53"],
    interfaces: {
      eth0: {
        mac_address: "02:11:22:33:44:55",
        subnets: [
          { gateway: "10.90.0.1", ipnet: "10.90.0.7/24" },
          { gateway: "fd90::1", ipnet: "fd90::7/64" },
        ],
      },
    },
  });
});

test("ports that nobody publishes are told, not too many of them", () => {
  const ports = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ container_port: 80, host_port: 8080 + i, protocol: "tcp" }));
  expect(unpublished(execMessage())).toBeUndefined();
  expect(unpublished(execMessage({}, {}, { port_mappings: ports(1) }))).toStartWith(
    "network lan publishes no ports (8080:80/tcp): ",
  );
  expect(unpublished(execMessage({}, {}, { port_mappings: ports(900) }))).toContain("8084:80/tcp, … (900)");
});
