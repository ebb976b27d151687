import { expect, test } from "bun:test";
import { type Cidr, type Ip, parseCidr, parseIp } from "../../lib/ip.ts";
import { allowForwarding } from "./forwarding.ts";
import type { NatNetwork, PublishedPort } from "./rules.ts";

const cidr = (text: string): Cidr => {
  const parsed = parseCidr(text);
  if (!parsed) throw new Error(text);
  return parsed;
};
const ip = (text: string): Ip => {
  const parsed = parseIp(text);
  if (!parsed) throw new Error(text);
  return parsed;
};
const port = (hostAddress?: string): PublishedPort => ({
  protocol: "tcp",
  hostPort: 8080,
  containerAddress: ip("10.1.0.2"),
  containerPort: 80,
  ...(hostAddress !== undefined && { hostAddress: ip(hostAddress) }),
});
const network = (subnets: readonly string[], more: Partial<NatNetwork> = {}): NatNetwork => ({
  id: "net",
  bridge: "br0",
  subnets: subnets.map(cidr),
  ports: [],
  ...more,
});

const FRESH = {
  "ipv4/ip_forward": "0",
  "ipv4/conf/br0/forwarding": "0",
  "ipv4/conf/br0/route_localnet": "0",
  "ipv6/conf/all/forwarding": "0",
  "ipv6/conf/all/accept_ra": "1",
  "ipv6/conf/br0/accept_ra": "1",
  "ipv6/conf/eth0/accept_ra": "1",
  "ipv6/conf/eth1/accept_ra": "0",
} as const;
const V4 = { "ipv4/conf/br0/forwarding": "1", "ipv4/ip_forward": "1" } as const;
const LOCALNET = { "ipv4/conf/br0/route_localnet": "1" } as const;
const V6 = { "ipv6/conf/eth0/accept_ra": "2", "ipv6/conf/all/forwarding": "1" } as const;

type Settings = Readonly<Record<string, string>>;

/** What is written, in order, and how often that is told. */
function written(before: Settings, ...networks: readonly NatNetwork[]): [Settings, number] {
  const settings = new Map(Object.entries(before));
  const changes: Record<string, string> = {};
  let told = 0;
  allowForwarding(
    networks,
    {
      read: (path) => settings.get(path),
      write: (path, value) => {
        settings.set(path, value);
        changes[path] = value;
      },
      list: (path) =>
        [...settings.keys()].flatMap((key) => (key.startsWith(`${path}/`) ? [key.split("/")[2] ?? ""] : [])),
    },
    () => void told++,
  );
  return [changes, told];
}

test.each<[string, Settings, NatNetwork[], Settings, number]>([
  ["nothing without networks", FRESH, [], {}, 0],
  [
    "nothing for an internal one",
    FRESH,
    [network(["10.1.0.0/24"], { internal: true, ports: [port()] })],
    {},
    0,
  ],
  ["IPv4", FRESH, [network(["10.1.0.0/24"])], V4, 1],
  ["IPv6", FRESH, [network(["fd00::/64"])], V6, 1],
  ["both", FRESH, [network(["10.1.0.0/24", "fd00::/64"])], { ...V4, ...V6 }, 2],
  [
    "a port on all addresses",
    FRESH,
    [network(["10.1.0.0/24"], { ports: [port()] })],
    { ...V4, ...LOCALNET },
    1,
  ],
  [
    "a port on loopback",
    FRESH,
    [network(["10.1.0.0/24"], { ports: [port("127.0.0.1")] })],
    { ...V4, ...LOCALNET },
    1,
  ],
  ["a port on another address", FRESH, [network(["10.1.0.0/24"], { ports: [port("192.0.2.1")] })], V4, 1],
  ["nothing that is so already", { ...FRESH, ...V4, ...V6 }, [network(["10.1.0.0/24", "fd00::/64"])], {}, 0],
  [
    "a bridge that is gone",
    { "ipv4/ip_forward": "1" },
    [network(["10.1.0.0/24"], { ports: [port()] })],
    {},
    0,
  ],
  ["a kernel without IPv6", { "ipv4/ip_forward": "1" }, [network(["fd00::/64"])], {}, 0],
])("%s", (_, before, networks, expected, told) => {
  expect(written(before, ...networks)).toEqual([expected, told]);
});

test("who hears routers is told to go on before the switch that would make it forget them", () => {
  expect(Object.keys(written(FRESH, network(["fd00::/64"]))[0])).toEqual(Object.keys(V6));
});
