import { describe, expect, test } from "bun:test";
import { UnderlayError } from "../lib/errors.ts";
import { formatIp } from "../lib/ip.ts";
import { createNetwork, parseMessage } from "./messages.ts";
import { networkRequest } from "./network.ts";

const V4 = { AddressSpace: "LocalDefault", Pool: "10.60.0.0/24" };
const V6 = { AddressSpace: "LocalDefault", Pool: "fd60::/64" };

interface Given {
  readonly options?: Readonly<Record<string, unknown>>;
  readonly generic?: unknown;
  readonly v4?: unknown;
  readonly v6?: unknown;
}

function read({ options = {}, generic = {}, v4 = [V4], v6 = [] }: Given) {
  const message = {
    NetworkID: "n1",
    Options: { "com.docker.network.generic": generic, ...prefixed(options) },
    IPv4Data: v4,
    IPv6Data: v6,
  };
  return networkRequest(parseMessage(createNetwork, message), "macvlan");
}

function prefixed(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).map(([key, value]) => [`com.docker.network.${key}`, value]),
  );
}

function refusal(given: Given): string[] {
  try {
    read(given);
  } catch (thrown) {
    if (thrown instanceof UnderlayError && thrown.code === "invalid_option")
      return thrown.problems.map((problem) => problem.message);
    throw thrown;
  }
  return [];
}

const EMPTY4 = "ipv4 pool is empty: give --subnet, --ipv4=false or --ipam-driver null";
const EMPTY6 = "ipv6 pool is empty: give --subnet or --ipv6=false";
const v6on = { enable_ipv6: true };

describe("a network's subnets are refused", () => {
  const rows: readonly [what: string, given: Given, says: readonly string[]][] = [
    ["no IPv4 subnet", { v4: [] }, [EMPTY4]],
    ["none at all in the message", { v4: null }, [EMPTY4]],
    ["no subnet, IPv4 said to be on", { v4: [], options: { enable_ipv4: true } }, [EMPTY4]],
    ["an empty pool", { v4: [{ Pool: "" }] }, [EMPTY4]],
    ["0.0.0.0/0 of a real IPAM", { v4: [{ AddressSpace: "LocalDefault", Pool: "0.0.0.0/0" }] }, [EMPTY4]],
    ["IPv6 on without a subnet", { options: v6on }, [EMPTY6]],
    ["::/0 of a real IPAM", { options: v6on, v6: [{ Pool: "::/0" }] }, [EMPTY6]],
    ["text", { v4: [{ Pool: "lan" }] }, ['subnet "lan" is not an address with a prefix length']],
    [
      "no prefix",
      { v4: [{ Pool: "10.0.0.0" }] },
      ['subnet "10.0.0.0" is not an address with a prefix length'],
    ],
    [
      "a long prefix",
      { v4: [{ Pool: "10.0.0.0/33" }] },
      ['subnet "10.0.0.0/33" is not an address with a prefix length'],
    ],
    ["IPv6 as IPv4", { v4: [V6] }, ["subnet fd60::/64 is IPv6, but was given as IPv4"]],
    ["IPv4 as IPv6", { v6: [V4], options: v6on }, ["subnet 10.60.0.0/24 is IPv4, but was given as IPv6"]],
    [
      "host bits",
      { v4: [{ Pool: "10.60.0.7/24" }] },
      ["subnet 10.60.0.7/24 has host bits set, it should be 10.60.0.0/24"],
    ],
    [
      "a gateway elsewhere",
      { v4: [{ ...V4, Gateway: "10.61.0.1/24" }] },
      ["gateway 10.61.0.1 is not in subnet 10.60.0.0/24"],
    ],
    [
      "a gateway of the other family",
      { v4: [{ ...V4, Gateway: "fd60::1/64" }] },
      ["gateway fd60::1 is not in subnet 10.60.0.0/24"],
    ],
    [
      "a gateway that is none",
      { v4: [{ ...V4, Gateway: "router" }] },
      ['gateway "router" is not an address'],
    ],
    [
      "an aux address elsewhere",
      { v4: [{ ...V4, AuxAddresses: { nas: "10.61.0.5/24" } }] },
      ["aux-address nas 10.61.0.5 is not in subnet 10.60.0.0/24"],
    ],
    [
      "an aux address that is none",
      { v4: [{ ...V4, AuxAddresses: { nas: "" } }] },
      ['aux-address nas "" is not an address'],
    ],
    [
      "all of it at once",
      { v4: [{ Pool: "10.60.0.7/24" }, { ...V4, Gateway: "x" }], v6: [V4], options: v6on },
      [
        "subnet 10.60.0.7/24 has host bits set, it should be 10.60.0.0/24",
        'gateway "x" is not an address',
        "subnet 10.60.0.0/24 is IPv4, but was given as IPv6",
      ],
    ],
  ];

  test.each(rows)("%s", (_, given, says) => {
    expect(refusal(given)).toEqual([...says]);
  });
});

describe("a network is accepted", () => {
  test("without IPv4 when that is off", () => {
    expect(read({ v4: [], options: { enable_ipv4: false } }).subnets).toEqual([]);
  });

  test("with IPv6 only", () => {
    const request = read({ v4: [], v6: [V6], options: { enable_ipv4: false, enable_ipv6: true } });
    expect(request.subnets.map((subnet) => subnet.pool.ip.family)).toEqual([6]);
    expect(request.ipv6).toBe(true);
  });

  test("with the null IPAM in both families", () => {
    const v4 = [{ AddressSpace: "null", Pool: "0.0.0.0/0" }];
    const v6 = [{ AddressSpace: "null", Pool: "::/0" }];
    expect(read({ v4, v6, options: v6on }).subnets).toEqual([]);
  });

  test("with several subnets of a family, in their order", () => {
    const v4 = [V4, { Pool: "10.61.0.0/16", Gateway: "10.61.255.254/16" }];
    expect(read({ v4 }).subnets.map(({ gateway }) => gateway && formatIp(gateway))).toEqual([
      undefined,
      "10.61.255.254",
    ]);
  });

  test("with aux addresses as CIDR or plain; the ones that Go could not print are left out", () => {
    const aux = { nas: "10.60.0.5/24", tv: "10.60.0.6", gone: "<nil>", __proto__x: "10.60.0.7" };
    const { subnets } = read({ v4: [{ ...V4, AuxAddresses: aux }] });
    expect(Object.keys(subnets[0]?.aux ?? {})).toEqual(["nas", "tv", "__proto__x"]);
  });

  test("with point-to-point and single-address subnets", () => {
    const v4 = [{ Pool: "10.0.0.2/31", Gateway: "10.0.0.2/31" }, { Pool: "10.0.0.9/32" }];
    expect(refusal({ v4 })).toEqual([]);
  });

  test("with nulls where Go has nil maps and slices", () => {
    const message = {
      NetworkID: "n1",
      Options: null,
      IPv4Data: [{ ...V4, AuxAddresses: null }],
      IPv6Data: null,
    };
    expect(networkRequest(parseMessage(createNetwork, message), "macvlan").options).toEqual({});
  });
});

describe("options", () => {
  test("are handed on as they were typed", () => {
    expect(read({ generic: { Parent: "eth0", allow: "UL-P05" } }).options).toEqual({
      Parent: "eth0",
      allow: "UL-P05",
    });
  });

  test("named like a prototype's keys are options like all others", () => {
    const { options } = read({ generic: JSON.parse('{"__proto__":"x","constructor":"y"}') });
    expect(Object.entries(options)).toEqual([
      ["__proto__", "x"],
      ["constructor", "y"],
    ]);
  });

  test("must be strings and flags", () => {
    const message = {
      networkid: "n1",
      OPTIONS: {
        "com.docker.network.generic": { parent: 5, mode: ["bridge"] },
        "com.docker.network.internal": "true",
      },
      ipv4data: {},
    };
    expect(() => parseMessage(createNetwork, message)).toThrow(
      "Options.com.docker.network.generic.parent must be a string, not 5; " +
        "Options.com.docker.network.generic.mode must be a string, not a list; " +
        "Options.com.docker.network.internal must be true or false, not a string; " +
        "IPv4Data must be a list, not an object",
    );
  });
});

test.each([
  [undefined, "NetworkID is missing"],
  ["", "NetworkID is missing"],
  ["a/b", 'NetworkID is not an id of Docker\'s: "a/b"'],
  ["../x", "NetworkID is not an id of Docker's"],
  ["é", "NetworkID is not an id of Docker's"],
  ["x".repeat(129), "NetworkID is not an id of Docker's"],
  [7, "NetworkID must be a string, not 7"],
])("network id %p is refused", (NetworkID, says) => {
  expect(() => parseMessage(createNetwork, { NetworkID })).toThrow(says);
});

test.each([[[]], ["x"], [5]])("%j is no message, and no field of it is missed", (value) => {
  expect(() => parseMessage(createNetwork, value)).toThrow(
    /^the message must be an object, not (a list|a string|5)$/,
  );
});
