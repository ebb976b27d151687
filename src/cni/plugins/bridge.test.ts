import { describe, expect, test } from "bun:test";
import type { Problem } from "../../lib/errors.ts";
import { formatCidr, formatIp, parseCidr, parseIp } from "../../lib/ip.ts";
import { callOf } from "../ipam/calls.fixture.ts";
import type { Delegate } from "../plugin.ts";
import { bridge } from "./bridge.ts";
import { withGateways } from "./bridge-gateways.ts";
import { checkVlan, collectVlanTrunk, trunkShape } from "./bridge-vlans.ts";

/** Pure parts of the bridge plugin. The tables of VLAN trunks are those of plugins/main/bridge/bridge_test.go. */

function collected(trunk: unknown): readonly number[] {
  const problems: Problem[] = [];
  const parsed = trunkShape(trunk, "vlanTrunk", problems);
  expect(problems).toEqual([]);
  return collectVlanTrunk(parsed);
}

describe("collectVlanTrunk succeeds", () => {
  test.each([
    ["when provided an empty VLAN trunk configuration", [], []],
    [
      "when provided a VLAN trunk configuration with both min / max range",
      [{ minID: 100, maxID: 105 }],
      [100, 101, 102, 103, 104, 105],
    ],
    ["when provided a VLAN trunk configuration with id only", [{ id: 10 }], [10]],
    [
      "when provided a VLAN trunk configuration with id and range",
      [{ id: 10 }, { minID: 100, maxID: 105 }],
      [10, 100, 101, 102, 103, 104, 105],
    ],
    ["each once, in order", [{ minID: 3, maxID: 4, id: 2 }, { id: 3 }], [2, 3, 4]],
  ])("%s", (_, trunk, vids) => {
    expect(collected(trunk)).toEqual(vids);
  });
});

describe("collectVlanTrunk failed", () => {
  const both = "minID and maxID should be configured simultaneously";
  test.each([
    ["when not passed the maxID", [{ minID: 100 }], `${both}, maxID is missing`],
    ["when not passed the minID", [{ maxID: 101 }], `${both}, minID is missing`],
    ["when the minID is negative", [{ minID: -100, maxID: 101 }], "incorrect trunk minID parameter"],
    ["when the minID is larger than 4094", [{ minID: 5000, maxID: 101 }], "incorrect trunk minID parameter"],
    ["when the maxID is larger than 4094", [{ minID: 100, maxID: 5000 }], "incorrect trunk maxID parameter"],
    ["when the maxID is negative", [{ minID: 100, maxID: -1 }], "incorrect trunk maxID parameter"],
    ["when the ID is larger than 4094", [{ id: 5000 }], "incorrect trunk id parameter"],
    ["when the ID is negative", [{ id: -1 }], "incorrect trunk id parameter"],
    [
      "when the maxID is smaller than minID",
      [{ minID: 101, maxID: 100 }],
      "minID is greater than maxID in trunk parameter",
    ],
  ])("%s", (_, trunk, text) => {
    expect(() => collected(trunk)).toThrow(text);
  });
});

test("check vlan id when loading net conf", () => {
  expect(() => checkVlan(0)).not.toThrow();
  expect(() => checkVlan(4094)).not.toThrow();
  expect(() => checkVlan(-100)).toThrow("invalid VLAN ID -100 (must be between 0 and 4094)");
  expect(() => checkVlan(5000)).toThrow("invalid VLAN ID 5000 (must be between 0 and 4094)");
});

describe("gateways", () => {
  const cidr = (text: string) => {
    const parsed = parseCidr(text);
    if (!parsed) throw new Error(text);
    return parsed;
  };
  const given = {
    interfaces: [],
    ips: [
      { address: cidr("10.1.2.5/24") },
      { address: cidr("10.9.0.5/16"), gateway: parseIp("10.9.0.254") },
      { address: cidr("fd00::ff:5/112") },
    ],
    routes: [],
    dns: {},
  };
  const told = (
    wish: { isGateway: boolean; isDefaultGateway: boolean },
    routes: readonly { dst: string; gw?: string }[] = [],
  ) => {
    const typed = routes.map(({ dst, gw }) => ({ dst: cidr(dst), ...(gw && { gw: parseIp(gw) }) }));
    const { ips, routes: made } = withGateways({ ...given, routes: typed }, wish);
    return [
      ips.map(({ gateway }) => gateway && formatIp(gateway)),
      made.map(({ dst, gw }) => `${formatCidr(dst)}${gw ? ` via ${formatIp(gw)}` : ""}`),
    ];
  };

  test("of nobody: what IPAM gave, and the container's link", () => {
    expect(told({ isGateway: false, isDefaultGateway: false })).toEqual([
      [undefined, "10.9.0.254", undefined],
      [],
    ]);
    expect(withGateways(given, { isGateway: false, isDefaultGateway: false }).ips[0]?.interface).toBe(2);
  });

  test("of the host: the first address of each subnet", () => {
    expect(told({ isGateway: true, isDefaultGateway: false })).toEqual([
      ["10.1.2.1", "10.9.0.254", "fd00::ff:1"],
      [],
    ]);
  });

  test("as the way to everywhere: one of each family, unless there is one", () => {
    const wish = { isGateway: true, isDefaultGateway: true };
    expect(told(wish)[1]).toEqual(["0.0.0.0/0 via 10.1.2.1", "::/0 via fd00::ff:1"]);
    expect(told(wish, [{ dst: "0.0.0.0/0", gw: "10.9.0.254" }])[1]).toEqual([
      "0.0.0.0/0 via 10.9.0.254",
      "::/0 via fd00::ff:1",
    ]);
    expect(told(wish, [{ dst: "::/0" }])[1]).toEqual([
      "::/0",
      "0.0.0.0/0 via 10.1.2.1",
      "::/0 via fd00::ff:1",
    ]);
  });
});

describe("what the kernel would refuse with a number is refused by its name", () => {
  test.each([
    [{ bridge: "a b" }, 'bridge: link name "a b" has a slash, colon, NUL or white space in it'],
    [{ bridge: "a".repeat(16) }, "is longer than 15 bytes"],
    [{ mtu: 999_999 }, "invalid MTU 999999, must be 0 or 68 to 65535"],
    [{ mtu: -5 }, "invalid MTU -5"],
    [{ runtimeConfig: { mac: "01:00:5e:00:00:01" } }, "address 01:00:5e:00:00:01: invalid MAC address"],
    [{ runtimeConfig: { mac: "00:00:00:00:00:00" } }, "invalid MAC address"],
  ])("%j", async (keys, text) => {
    const unasked = () => {
      throw new Error("the engine was asked");
    };
    const plugin = bridge(NO_DELEGATE, () => ({
      attach: unasked,
      detach: unasked,
      verify: unasked,
      collect: unasked,
      requireReady: unasked,
    }));
    await expect(plugin.add(callOf({ name: "n", ...keys }))).rejects.toThrow(text);
  });
});

const refuse = () => Promise.reject(new Error("no plugin was to be asked"));
const NO_DELEGATE: Delegate = { add: refuse, del: refuse, check: refuse, gc: refuse, status: refuse };
