import { describe, expect, test } from "bun:test";
import { UnderlayError } from "../lib/errors.ts";
import { endpointRequest } from "./endpoint.ts";
import { createEndpoint, parseMessage } from "./messages.ts";

const PREFIX = "com.docker.network.";
const IFNAME = `${PREFIX}endpoint.ifname`;
const SYSCTLS = `${PREFIX}endpoint.sysctls`;

function read(Interface: unknown, Options: unknown = {}, ofKind: readonly string[] = []) {
  const message = { NetworkID: "n1", EndpointID: "e1", Interface, Options };
  return endpointRequest(parseMessage(createEndpoint, message), ofKind);
}

function refusal(Interface: unknown, options: unknown = {}): string[] {
  try {
    read(Interface, options);
  } catch (thrown) {
    if (thrown instanceof UnderlayError && thrown.code === "invalid_option")
      return thrown.problems.map((problem) => problem.message);
    throw thrown;
  }
  return [];
}

describe("an endpoint is refused for", () => {
  const v4 = "is not an IPv4 address with a prefix length";
  const v6 = "is not an IPv6 address with a prefix length";
  const rows: readonly [what: string, given: object, options: object, says: readonly string[]][] = [
    ["an address without prefix", { Address: "10.0.0.5" }, {}, [`address "10.0.0.5" ${v4}`]],
    ["an address of the wrong family", { Address: "fd60::5/64" }, {}, [`address "fd60::5/64" ${v4}`]],
    ["and the other way round", { AddressIPv6: "10.0.0.5/24" }, {}, [`address "10.0.0.5/24" ${v6}`]],
    ["the unspecified address", { Address: "0.0.0.0/0" }, {}, [`address "0.0.0.0/0" ${v4}`]],
    [
      "a malformed MAC",
      { MacAddress: "02:11:22:33:44" },
      {},
      ['MAC address "02:11:22:33:44" is not six pairs of hex digits with colons'],
    ],
    [
      "an EUI-64",
      { MacAddress: "02:11:22:33:44:55:66:77" },
      {},
      ['MAC address "02:11:22:33:44:55:66:77" is not six pairs of hex digits with colons'],
    ],
    [
      "a multicast MAC",
      { MacAddress: "01:00:5E:00:00:01" },
      {},
      ["MAC address 01:00:5e:00:00:01 is a multicast address: the lowest bit of its first byte must be 0"],
    ],
    [
      "the broadcast MAC",
      { MacAddress: "ff:ff:ff:ff:ff:ff" },
      {},
      ["MAC address ff:ff:ff:ff:ff:ff is a multicast address: the lowest bit of its first byte must be 0"],
    ],
    ["a zero MAC", { MacAddress: "00:00:00:00:00:00" }, {}, ["MAC address 00:00:00:00:00:00 is all zero"]],
    [
      "a long link name",
      {},
      { [IFNAME]: "abcdefghijklmnop" },
      ['link name "abcdefghijklmnop" is longer than 15 bytes'],
    ],
    [
      "an odd link name",
      {},
      { [IFNAME]: "a/b" },
      ['link name "a/b" has a slash, colon, NUL or white space in it'],
    ],
    ["a dotted link name", {}, { [IFNAME]: ".." }, ['".." is not a link name']],
    [
      "a misspelt option",
      {},
      { [`${PREFIX}endpoint.ifnam`]: "x" },
      [`unknown endpoint option ${PREFIX}endpoint.ifnam, did you mean ${IFNAME}?`],
    ],
    [
      "the last word of an option",
      {},
      { ifname: "x", sysctl: "y" },
      [
        `unknown endpoint option ifname, did you mean ${IFNAME}?`,
        `unknown endpoint option sysctl, did you mean ${SYSCTLS}?`,
      ],
    ],
    [
      "an option of somebody else",
      {},
      { foo: "bar" },
      [`unknown endpoint option foo; there are ${IFNAME} and ${SYSCTLS}`],
    ],
    [
      "a value that no user can give",
      {},
      { ifname: 5 },
      [`unknown endpoint option ifname, did you mean ${IFNAME}?`],
    ],
    [
      "all of it at once",
      { Address: "x", AddressIPv6: "y", MacAddress: "z" },
      { [IFNAME]: "a b", q: "" },
      [
        `address "x" ${v4}`,
        `address "y" ${v6}`,
        'MAC address "z" is not six pairs of hex digits with colons',
        'link name "a b" has a slash, colon, NUL or white space in it',
        `unknown endpoint option q; there are ${IFNAME} and ${SYSCTLS}`,
      ],
    ],
  ];

  test.each(rows)("%s", (_, given, options, says) => {
    expect(refusal(given, options)).toEqual([...says]);
  });
});

describe("an endpoint is accepted", () => {
  test("with nothing given at all", () => {
    expect(read(null, null)).toEqual({
      owner: "docker:n1/e1",
      network: "docker:n1",
      addresses: [],
      publishes: [],
    });
  });

  test("with options of Docker's own, also ones that are newer than we are", () => {
    const options = {
      [SYSCTLS]: "net.ipv4.conf.IFNAME.log_martians=1",
      [`${PREFIX}endpoint.dnsservers`]: ["9.9.9.9"],
      [`${PREFIX}endpoint.exposedports`]: null,
      [`${PREFIX}something_new`]: { a: 1 },
    };
    expect(refusal({}, options)).toEqual([]);
  });

  test("with a MAC in any spelling", () => {
    expect(read({ MacAddress: "02-AB-22-33-44-55" }).mac as string).toBe("02:ab:22:33:44:55");
  });
});

test.each([
  [{ Proto: 6, Port: 80, HostPort: 8080, HostPortEnd: 8080 }, "8080:80/tcp"],
  [{ Proto: 17, Port: 53, HostIP: "127.0.0.1", HostPort: 53, HostPortEnd: 53 }, "127.0.0.1:53:53/udp"],
  [{ Proto: 6, Port: 80, HostIP: "::1", HostPort: 80, HostPortEnd: 90 }, "[::1]:80-90:80/tcp"],
  [{ Proto: 132, Port: 9, HostPort: 0, HostPortEnd: 0 }, "9/sctp"],
  [{ Proto: 132, Port: 9, HostIP: "10.0.0.1" }, "10.0.0.1:9/sctp"],
  [{ Proto: 200, Port: 9, HostPort: 7 }, "7:9/200"],
])("the port binding %j is said as %s", (binding, says) => {
  expect(read({}, { [`${PREFIX}portmap`]: [binding] }).publishes).toEqual([says]);
});

test("wrong types are all told", () => {
  const options = {
    [IFNAME]: 5,
    [`${PREFIX}portmap`]: [{ Proto: -1, Port: 65536, HostPort: 1.5, HostPortEnd: "80" }],
    [`${PREFIX}endpoint.exposedports`]: { Port: 1 },
  };
  expect(() => read([], options)).toThrow(
    "Interface must be an object, not a list; " +
      `Options.${PREFIX}portmap[0].Proto must be a whole number from 0 to 255, not -1; ` +
      `Options.${PREFIX}portmap[0].Port must be a whole number from 0 to 65535, not 65536; ` +
      `Options.${PREFIX}portmap[0].HostPort must be a whole number from 0 to 65535, not 1.5; ` +
      `Options.${PREFIX}portmap[0].HostPortEnd must be a whole number from 0 to 65535, not a string; ` +
      `Options.${PREFIX}endpoint.exposedports must be a list, not an object; ` +
      `Options.${IFNAME} must be a string, not 5`,
  );
});

describe("options of the network's kind", () => {
  const kind = ["vlan", "trunks", "rx_rate"];

  test("are handed on, in whichever case an older docker writes them", () => {
    const given = { vlan: "7", Trunks: "8,9", [SYSCTLS]: "" };
    expect(read({}, given, kind).options).toEqual({ vlan: "7", trunks: "8,9" });
    expect(read({}, {}, kind).options).toBeUndefined();
  });

  test("are named beside Docker's own when one is misspelt, or is no string", () => {
    expect(() => read({}, { vlna: "7" }, kind)).toThrow("unknown endpoint option vlna, did you mean vlan?");
    expect(() => read({}, { colour: "red" }, kind)).toThrow(`there are vlan, trunks, rx_rate, ${IFNAME} and`);
    expect(() => read({}, { vlan: 7 }, kind)).toThrow("unknown endpoint option vlan");
    expect(() => read({}, { vlan: "7" })).toThrow("unknown endpoint option vlan");
  });
});
