import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { KindDefaults } from "../on-parent.ts";
import { type MacvlanSpec, parseMacvlan } from "./spec.ts";

const V4 = { ipv6: false };

function specOf(options: Record<string, string>, defaults: KindDefaults = {}): MacvlanSpec {
  const parsed = parseMacvlan(options, defaults, V4);
  if ("problems" in parsed) throw new Error(parsed.problems.map((problem) => problem.message).join("; "));
  return parsed.spec;
}

function refusalOf(options: Record<string, string>, families = V4, defaults: KindDefaults = {}) {
  const parsed = parseMacvlan(options, defaults, families);
  if ("spec" in parsed) throw new Error("was accepted");
  return { code: parsed.code, messages: parsed.problems.map((problem) => problem.message) };
}

describe("accepted", () => {
  test("Docker's own names", () => {
    const options = { parent: "eth0", macvlan_mode: "private", "com.docker.network.driver.mtu": "1400" };
    expect(specOf(options)).toEqual({
      kind: "macvlan",
      parent: { how: "name", name: "eth0" },
      mode: "private",
      mtu: 1400,
    });
  });

  test("the short and the old names", () => {
    expect(specOf({ host_iface: "eth0", mode: "vepa", mtu: "68" })).toEqual({
      kind: "macvlan",
      parent: { how: "name", name: "eth0" },
      mode: "vepa",
      mtu: 68,
    });
  });

  test("nothing given: a dummy in bridge mode, of the parent's MTU", () => {
    expect(specOf({})).toEqual({ kind: "macvlan", parent: { how: "dummy" }, mode: "bridge" });
  });

  test("the configuration's defaults, which options override", () => {
    const defaults = { parent: "auto", mode: "private" };
    expect(specOf({}, defaults)).toEqual({ kind: "macvlan", parent: { how: "auto" }, mode: "private" });
    expect(specOf({ parent: "eth1", mode: "bridge" }, defaults)).toEqual({
      kind: "macvlan",
      parent: { how: "name", name: "eth1" },
      mode: "bridge",
    });
  });

  test("a name and its alias with one value", () => {
    expect(specOf({ parent: "eth0", host_iface: "eth0" }).parent).toEqual({ how: "name", name: "eth0" });
  });

  test("options that Docker reads itself", () => {
    const options = {
      parent: "eth0",
      "com.docker.network.advertise_addr_nmsgs": "0",
      "com.docker.network.advertise_addr_ms": "100",
      "com.docker.network.enable_ipv4": "false",
      "com.docker.network.enable_ipv6": "true",
    };
    expect(specOf(options).parent).toEqual({ how: "name", name: "eth0" });
  });

  test("ids to allow, as a list without repeats", () => {
    expect(parseMacvlan({ parent: "eth0", allow: "UL-P05, UL-P17,UL-P05" }, {}, V4)).toMatchObject({
      allow: ["UL-P05", "UL-P17"],
    });
  });

  test("the least MTU of each family", () => {
    expect(parseMacvlan({ mtu: "1280" }, {}, { ipv6: true })).toMatchObject({ spec: { mtu: 1280 } });
  });
});

describe("refused", () => {
  const cases: readonly (readonly [Record<string, string>, string])[] = [
    [{ parnet: "eth0" }, "unknown option parnet, did you mean parent?"],
    [{ macvlan_mod: "bridge" }, "unknown option macvlan_mod, did you mean macvlan_mode?"],
    [
      { "com.docker.network.driver.mtuu": "1500" },
      "unknown option com.docker.network.driver.mtuu, did you mean com.docker.network.driver.mtu?",
    ],
    [{ colour: "blue" }, "unknown option colour"],
    [{ "a\nb": "" }, 'unknown option "a\\nb"'],
    [
      { macvlan_mode: "bridged" },
      'macvlan_mode: "bridged" is none of bridge, private, vepa, passthru, did you mean bridge?',
    ],
    [{ mode: "source" }, 'mode: "source" is none of bridge, private, vepa, passthru'],
    [{ mode: "" }, 'mode: "" is none of bridge, private, vepa, passthru'],
    [{ mtu: "67" }, 'mtu: "67" is no MTU from 68 to 65535'],
    [{ mtu: "65536" }, 'mtu: "65536" is no MTU from 68 to 65535'],
    [{ mtu: "1.5k" }, 'mtu: "1.5k" is no MTU from 68 to 65535'],
    [{ mtu: "-1500" }, 'mtu: "-1500" is no MTU from 68 to 65535'],
    [{ mtu: "01500" }, 'mtu: "01500" is no MTU from 68 to 65535'],
    [{ mtu: "" }, 'mtu: "" is no MTU from 68 to 65535'],
    [{ parent: "" }, "parent: a link name cannot be empty"],
    [{ parent: "eth0/1" }, 'parent: link name "eth0/1" has a slash, colon, NUL or white space in it'],
    [{ allow: "UL-P05,,UL-P06" }, 'allow: "UL-P05,,UL-P06" has an empty word in its list'],
    [
      { parent: "eth0", host_iface: "eth1" },
      "parent=eth0 and host_iface=eth1 are the same option with different values; give one of them",
    ],
    [{ host_access: "yes" }, 'host_access: "yes" is none of false, true'],
  ];
  test.each(cases)("%j", (options, message) => {
    expect(refusalOf(options)).toEqual({ code: "invalid_option", messages: [message] });
  });

  test("an MTU below 1280 with IPv6", () => {
    const { messages } = refusalOf({ parent: "eth0", mtu: "1279" }, { ipv6: true });
    expect(messages).toEqual(['mtu: "1279" is no MTU (with IPv6) from 1280 to 65535']);
  });

  test("everything at once", () => {
    const { code, messages } = refusalOf({ parnet: "eth0", mode: "fast", mtu: "9", host_access: "maybe" });
    expect(code).toBe("invalid_option");
    expect(messages).toHaveLength(4);
  });

  test.each(["private", "vepa", "passthru"])("host access in mode %s, with the reason", (mode) => {
    const { messages } = refusalOf({ parent: "eth0", mode, host_access: "true" });
    expect(messages).toHaveLength(1);
    expect(messages[0]).toMatch(/^host_access: .*mode .*; use mode bridge$/);
  });

  test.each([
    ["10.0.0.1/24", "is not an address of a host"],
    ["0.0.0.0", "is not an address of a host"],
    ["10.0.0.1,10.0.0.2", "two addresses of one family"],
    ["10.0.0.1,", "an empty word"],
  ])("host_address %p", (host_address, words) => {
    expect(refusalOf({ parent: "eth0", host_access: "true", host_address }).messages[0]).toContain(words);
  });

  test("host_address without host_access", () => {
    expect(refusalOf({ parent: "eth0", host_address: "10.0.0.1" }).messages).toEqual([
      "host_address: has a use with host_access=true only",
    ]);
  });

  test("a default of the configuration that is wrong says where it stands", () => {
    expect(refusalOf({}, V4, { mode: "fast" }).messages).toEqual([
      'default mode: "fast" is none of bridge, private, vepa, passthru (configuration, [macvlan])',
    ]);
  });
});

test("host_access=true, with addresses or the parent's own", () => {
  const options = { parent: "eth0", host_access: "true" };
  expect(specOf(options).hostAccess).toEqual({ addresses: [] });
  expect(specOf({ ...options, host_address: "10.0.0.1, FD00::1" }).hostAccess).toEqual({
    addresses: ["10.0.0.1", "fd00::1"],
  });
});

test("host_access=false asks for nothing that is missing", () => {
  expect(specOf({ parent: "eth0", host_access: "false" }).mode).toBe("bridge");
});

test("any options give a spec or problems, each in one line", () => {
  const key = fc.oneof(
    fc.string(),
    fc.constantFrom("parent", "host_iface", "mode", "mtu", "allow", "__proto__"),
  );
  fc.assert(
    fc.property(fc.dictionary(key, fc.string()), (options) => {
      const parsed = parseMacvlan(options, {}, V4);
      if ("spec" in parsed) return;
      expect(parsed.problems.length).toBeGreaterThan(0);
      for (const problem of parsed.problems) expect(problem.message).not.toContain("\n");
    }),
  );
});
