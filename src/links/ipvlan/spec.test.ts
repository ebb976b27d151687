import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { KindDefaults } from "../on-parent.ts";
import { IPVLAN_FLAGS, IPVLAN_MODES, type IpvlanSpec, parseIpvlan } from "./spec.ts";

const V4 = { ipv6: false };

function specOf(options: Record<string, string>, defaults: KindDefaults = {}): IpvlanSpec {
  const parsed = parseIpvlan(options, defaults, V4);
  if ("problems" in parsed) throw new Error(parsed.problems.map((problem) => problem.message).join("; "));
  return parsed.spec;
}

function refusalOf(options: Record<string, string>, defaults: KindDefaults = {}) {
  const parsed = parseIpvlan(options, defaults, V4);
  if ("spec" in parsed) throw new Error("was accepted");
  return { code: parsed.code, messages: parsed.problems.map((problem) => problem.message) };
}

describe("accepted", () => {
  const parent = { how: "name", name: "eth0" } as const;

  test("nothing but a parent: l2 and bridge, of the parent's MTU", () => {
    expect(specOf({ parent: "eth0" })).toEqual({ kind: "ipvlan", parent, mode: "l2", flag: "bridge" });
  });

  test("no parent: a dummy", () => {
    expect(specOf({}).parent).toEqual({ how: "dummy" });
  });

  for (const mode of IPVLAN_MODES) {
    for (const flag of IPVLAN_FLAGS) {
      test(`Docker's own names: ${mode}, ${flag}`, () => {
        const options = { parent: "eth0", ipvlan_mode: mode, ipvlan_flag: flag };
        expect(specOf(options)).toEqual({ kind: "ipvlan", parent, mode, flag });
      });
    }
  }

  test("the short and the old names, and an MTU", () => {
    const spec = { kind: "ipvlan", parent, mode: "l3", flag: "bridge", mtu: 1400 } as const;
    expect(specOf({ host_iface: "eth0", mode: "l3", mtu: "1400" })).toEqual(spec);
  });

  test("the configuration's defaults, which options override", () => {
    const defaults = { parent: "eth0", mode: "l3s" };
    expect(specOf({}, defaults)).toMatchObject({ parent, mode: "l3s" });
    expect(specOf({ parent: "auto", mode: "l2" }, defaults)).toMatchObject({
      parent: { how: "auto" },
      mode: "l2",
    });
  });

  test("host access, with the addresses in the text of RFC 5952", () => {
    const spec = specOf({ host_access: "true", host_address: "10.0.0.9,FD00::0009" });
    expect(spec.hostAccess).toEqual({ addresses: ["10.0.0.9", "fd00::9"] });
    expect(specOf({ host_access: "false" })).not.toHaveProperty("hostAccess");
  });

  test("ids to allow", () => {
    expect(parseIpvlan({ parent: "eth0", allow: "UL-P05" }, {}, V4)).toMatchObject({ allow: ["UL-P05"] });
  });
});

describe("refused", () => {
  const cases: readonly (readonly [Record<string, string>, string])[] = [
    [{ ipvlan_mod: "l2" }, "unknown option ipvlan_mod, did you mean ipvlan_mode?"],
    [{ ipvlan_flags: "private" }, "unknown option ipvlan_flags, did you mean ipvlan_flag?"],
    [{ macvlan_mode: "bridge" }, "unknown option macvlan_mode, did you mean ipvlan_mode?"],
    [{ ipvlan_mode: "l4" }, 'ipvlan_mode: "l4" is none of l2, l3, l3s, did you mean l2?'],
    [{ ipvlan_mode: "L3" }, 'ipvlan_mode: "L3" is none of l2, l3, l3s, did you mean l3?'],
    [{ mode: "bridge" }, 'mode: "bridge" is none of l2, l3, l3s'],
    [{ ipvlan_mode: "" }, 'ipvlan_mode: "" is none of l2, l3, l3s'],
    [{ ipvlan_flag: "" }, 'ipvlan_flag: "" is none of bridge, private, vepa'],
    [{ ipvlan_flag: "passthru" }, 'ipvlan_flag: "passthru" is none of bridge, private, vepa'],
    [{ mtu: "67" }, 'mtu: "67" is no MTU from 68 to 65535'],
    [
      { ipvlan_mode: "l2", mode: "l3" },
      "ipvlan_mode=l2 and mode=l3 are the same option with different values; give one of them",
    ],
  ];
  test.each(cases)("%j", (options, message) => {
    expect(refusalOf(options)).toEqual({ code: "invalid_option", messages: [message] });
  });

  test("a default of the configuration that is wrong says where it stands", () => {
    expect(refusalOf({}, { mode: "bridge" }).messages).toEqual([
      'default mode: "bridge" is none of l2, l3, l3s (configuration, [ipvlan])',
    ]);
  });

  test.each([
    ["private", "links with flag private hear no other link on their parent"],
    ["vepa", "go through the switch"],
  ])("host access with flag %s", (ipvlan_flag, words) => {
    const { code, messages } = refusalOf({ ipvlan_flag, host_access: "true", host_address: "10.0.0.9" });
    expect([code, messages]).toEqual(["invalid_option", [expect.stringContaining(words)]]);
  });

  test("an address of the host's without host access", () => {
    expect(refusalOf({ host_address: "10.0.0.9" }).messages).toEqual([
      "host_address: has a use with host_access=true only",
    ]);
  });
});

test("any options give a spec or problems, each in one line", () => {
  const key = fc.oneof(fc.string(), fc.constantFrom("parent", "mode", "ipvlan_flag", "mtu", "__proto__"));
  fc.assert(
    fc.property(fc.dictionary(key, fc.string()), (options) => {
      const parsed = parseIpvlan(options, {}, V4);
      if ("spec" in parsed) return;
      expect(parsed.problems.length).toBeGreaterThan(0);
      for (const problem of parsed.problems) expect(problem.message).not.toContain("\n");
    }),
  );
});
