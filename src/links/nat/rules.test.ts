import { describe, expect, test } from "bun:test";
import { toHex } from "../../lib/bytes.ts";
import { type Cidr, type Ip, parseCidr, parseIp } from "../../lib/ip.ts";
import { type NatNetwork, type PublishedPort, wantedTable } from "./rules.ts";

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
const network = (more: Partial<NatNetwork> = {}): NatNetwork => ({
  id: "net",
  bridge: "br0",
  subnets: [cidr("10.1.0.1/24")],
  ports: [],
  ...more,
});
const port = (more: Partial<PublishedPort> = {}): PublishedPort => ({
  protocol: "tcp",
  hostPort: 8080,
  containerAddress: ip("10.1.0.2"),
  containerPort: 80,
  ...more,
});

/** What the chains say, without those rules that are there for any network. */
function said(...networks: readonly NatNetwork[]): string[] {
  const rules = wantedTable(networks)?.rules ?? [];
  return rules
    .filter(({ comment }) => comment.includes(": "))
    .map(({ chain, comment }) => `${chain} ${comment}`);
}

describe("what a network is given", () => {
  const FORWARD = ["answers", "published ports", "among its own", "nothing else"];
  const GUARD = ["no way to the host's loopback", "nobody is the host's loopback"];

  test("nothing without networks", () => {
    expect(wantedTable([])).toBeUndefined();
  });

  test.each([
    {
      what: "IPv4",
      subnets: ["10.1.0.1/24"],
      guard: GUARD,
      sources: ["10.1.0.1/24 leaves", "10.1.0.1/24 to its own published ports", "the host by loopback"],
    },
    {
      what: "IPv6",
      subnets: ["fd00:1::1/64"],
      guard: [],
      sources: ["fd00:1::1/64 leaves", "fd00:1::1/64 to its own published ports"],
    },
    {
      what: "both",
      subnets: ["10.1.0.1/24", "fd00:1::1/64"],
      guard: GUARD,
      sources: [
        "10.1.0.1/24 leaves",
        "10.1.0.1/24 to its own published ports",
        "fd00:1::1/64 leaves",
        "fd00:1::1/64 to its own published ports",
        "the host by loopback",
      ],
    },
  ])("$what", ({ subnets, guard, sources }) => {
    expect(said(network({ subnets: subnets.map(cidr) }))).toEqual([
      ...guard.map((text) => `guard net: ${text}`),
      ...FORWARD.map((text) => `forward net: ${text}`),
      ...sources.map((text) => `postrouting net: ${text}`),
    ]);
  });

  test("an internal one: nothing but walls, and no port", () => {
    const wanted = wantedTable([network({ internal: true, ports: [port()] })]);
    expect(wanted?.maps.flatMap(({ elements }) => elements)).toEqual([]);
    expect(said(network({ internal: true, ports: [port()] }))).toEqual([
      "forward net: among its own",
      "forward net: nothing leaves",
      "forward net: nothing comes in",
    ]);
  });

  test("comments fit what nft(8) allows, with the mark that comes behind them", () => {
    const longest = network({
      id: "f".repeat(200),
      subnets: [cidr("1111:2222:3333:4444:5555:6666:7777:8888/128")],
      ports: [port()],
    });
    const wanted = wantedTable([longest]);
    for (const { comment } of wanted?.rules ?? [])
      expect(`${comment} #01234567`.length).toBeLessThanOrEqual(128);
  });
});

describe("where a published port stands", () => {
  const V6 = "fd000001000000000000000000000002";
  test.each([
    [port(), "any4", "06000000.1f900000", "0a010002.00500000"],
    [port({ protocol: "udp" }), "any4", "11000000.1f900000", "0a010002.00500000"],
    [port({ protocol: "sctp" }), "any4", "84000000.1f900000", "0a010002.00500000"],
    [port({ hostAddress: ip("0.0.0.0") }), "any4", "06000000.1f900000", "0a010002.00500000"],
    [port({ hostAddress: ip("192.0.2.1") }), "hosted4", "c0000201.06000000.1f900000", "0a010002.00500000"],
    [port({ containerAddress: ip("fd00:1::2") }), "any6", "06000000.1f900000", `${V6}.00500000`],
    [
      port({ containerAddress: ip("fd00:1::2"), hostAddress: ip("::") }),
      "any6",
      "06000000.1f900000",
      `${V6}.00500000`,
    ],
    [
      port({ containerAddress: ip("fd00:1::2"), hostAddress: ip("2001:db8::1") }),
      "hosted6",
      "20010db8000000000000000000000001.06000000.1f900000",
      `${V6}.00500000`,
    ],
    // Nothing translates between families.
    [port({ hostAddress: ip("2001:db8::1") }), undefined, "", ""],
  ])("%#", (published, map, key, data) => {
    const found = (wantedTable([network({ ports: [published] })])?.maps ?? []).flatMap(
      ({ map: { map: name }, elements }) =>
        elements.map((element) => [name, toHex(element.key), toHex(element.data), element.comment]),
    );
    expect(found).toEqual(
      map === undefined ? [] : [[map, key.replaceAll(".", ""), data.replaceAll(".", ""), "net"]],
    );
  });
});
