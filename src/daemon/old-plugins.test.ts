import { describe, expect, test } from "bun:test";
import { UnderlayError } from "../lib/errors.ts";
import { oldPluginArgs, oldPluginKind } from "./old-plugins.ts";

test.each([
  ["/usr/local/bin/macvlan-docker-plugin", "macvlan"],
  ["ipvlan-docker-plugin", "ipvlan"],
  ["docker-ovs-plugin", "ovs"],
  ["underlay", undefined],
  ["macvlan", undefined],
  ["constructor", undefined],
] as const)("called as %s", (argv0, kind) => {
  expect(oldPluginKind(argv0)).toBe(kind);
});

describe("flags", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["", ""],
    ["-d", "--log-level=debug"],
    ["--d", "--log-level=debug"],
    ["-debug", "--log-level=debug"],
    ["--debug", "--log-level=debug"],
    ["--debug=true", "--log-level=debug"],
    ["--debug=false", ""],
    ["--host-interface=eth1", "--macvlan-parent=eth1"],
    ["-host-interface eth1", "--macvlan-parent=eth1"],
    [
      "--host-interface eth1 -mode=bridge -d",
      "--macvlan-parent=eth1 --macvlan-mode=bridge --log-level=debug",
    ],
    ["-mode private", "--macvlan-mode=private"],
    ["--state-dir=/x --host-interface=eth1", "--state-dir=/x --macvlan-parent=eth1"],
    ["--state-dir /x", "--state-dir /x"],
    ["--constructor", "--constructor"],
  ];
  test.each(cases)("%j", (old, ours) => {
    const words = (text: string) => text.split(" ").filter((part) => part !== "");
    expect(oldPluginArgs("macvlan", words(old))).toEqual(["daemon", ...words(ours)]);
  });

  test("of the ovs plugin set its defaults, one dash or two", () => {
    const old =
      "--gateway=10.9.0.1 -bridge-subnet 10.9.0.0/24 -mode=flat --mtu 1400 -bridge-name=br9 -d".split(" ");
    expect(oldPluginArgs("ovs", old)).toEqual([
      "daemon",
      "--ovs-gateway=10.9.0.1",
      "--ovs-subnet=10.9.0.0/24",
      "--ovs-mode=flat",
      "--ovs-mtu=1400",
      "--ovs-bridge=br9",
      "--log-level=debug",
    ]);
    expect(oldPluginArgs("ovs", ["--host-interface=eth1"])).toEqual(["daemon", "--host-interface=eth1"]);
  });

  test("of the ipvlan plugin set the ipvlan defaults", () => {
    expect(oldPluginArgs("ipvlan", ["--mode=l2"])).toEqual(["daemon", "--ipvlan-mode=l2"]);
  });

  test.each([
    ["--host-interface", "--host-interface needs a value: --host-interface=…"],
    ["--host-interface=", "--host-interface= needs a value: --host-interface=…"],
    ["--debug=maybe", '-debug is on or off, not "maybe"'],
    [
      "--gateway=192.168.1.1",
      "--gateway is a matter of each network now: docker network create --gateway 192.168.1.1 -d underlay-macvlan NAME",
    ],
    [
      "--macvlan-subnet=192.168.1.0/24",
      '--macvlan-subnet is a matter of each network now: docker network create --subnet "192.168.1.0/24" -d underlay-macvlan NAME',
    ],
  ])("%j is refused", (old, message) => {
    expect(() => oldPluginArgs("macvlan", [old])).toThrow(new UnderlayError("invalid_option", message));
  });
});
