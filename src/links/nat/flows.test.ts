import { expect, test } from "bun:test";
import { parseIp } from "../../lib/ip.ts";
import { changedUdpPorts } from "./flows.ts";
import type { NatNetwork, PublishedPort } from "./rules.ts";

/** `53 10.1.0.2` */
const port = (text: string, protocol: PublishedPort["protocol"] = "udp"): PublishedPort => {
  const [number, address = ""] = text.split(" ");
  const containerAddress = parseIp(address);
  if (!containerAddress) throw new Error(text);
  return { protocol, hostPort: Number(number), containerAddress, containerPort: 53 };
};
const network = (ports: readonly PublishedPort[], internal = false): NatNetwork => ({
  id: "net",
  bridge: "br0",
  subnets: [],
  ports,
  internal,
});
const A = port("53 10.1.0.2");
const MOVED = port("53 10.1.0.3");
const B = port("54 10.1.0.2");
const V6 = port("53 fd00::2");

test.each<[string, PublishedPort[] | undefined, PublishedPort[], (readonly [number, number])[]]>([
  ["published", [], [A], [[4, 53]]],
  ["taken back", [A, B], [A], [[4, 54]]],
  ["moved", [A, B], [MOVED, B], [[4, 53]]],
  ["of one family", [A], [A, V6], [[6, 53]]],
  ["TCP", [], [port("53 10.1.0.2", "tcp")], []],
  [
    "made again as it was",
    [A, B],
    [B, A],
    [
      [4, 54],
      [4, 53],
    ],
  ],
  ["made by one who does not know what was", undefined, [A], [[4, 53]]],
])("%s", (_, before, now, expected) => {
  const changed = changedUdpPorts(before && [network(before)], [network(now)]);
  expect(changed.map(String)).toEqual(expected.map(String));
});

test("an internal network has published nothing", () => {
  expect(changedUdpPorts([], [network([A], true)])).toEqual([]);
});
