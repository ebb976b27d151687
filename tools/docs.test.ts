import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { CONDITIONS } from "../src/conditions/registry.ts";
import { flagOf, SETTING_KEYS } from "../src/daemon/settings.ts";
import { parseIpvlan } from "../src/links/ipvlan/spec.ts";
import { parseMacvlan } from "../src/links/macvlan/spec.ts";
import { parseOvs } from "../src/links/ovs/spec.ts";
import { referencePages } from "./reference.ts";

/** Pages do not drift from the program. */

const root = join(import.meta.dir, "..");
const read = (path: string) => readFileSync(join(root, path), "utf8");
const PAGES = ["README.md", "CONTRIBUTING.md", ...new Bun.Glob("docs/**/*.md").scanSync(root)];

describe("docs/reference", () => {
  for (const [path, text] of Object.entries(referencePages())) {
    test(`${path} is what \`bun tools/reference.ts\` writes`, () => expect(read(path)).toBe(text));
  }
});

describe.each(PAGES)("%s", (page) => {
  const text = read(page);

  test("links to files that exist", () => {
    const targets = [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, target = ""]) => target);
    const missing = targets.filter((target) => !existsSync(join(root, dirname(page), target)));
    expect(missing).toEqual([]);
  });

  test("names conditions that exist", () => {
    const known = CONDITIONS.map(({ id }) => id);
    expect([...text.matchAll(/UL-[A-Z]\d\d/g)].map(([id]) => id).filter((id) => !known.includes(id))).toEqual(
      [],
    );
  });

  test("names verbs of make that exist", () => {
    const verbs = [...text.matchAll(/(?:^|`)make ([a-z]+)/gm)].map(([, verb]) => verb);
    const makefile = read("Makefile");
    expect(verbs.filter((verb) => !new RegExp(`^${verb}:`, "m").test(makefile))).toEqual([]);
  });
});

describe("README.md", () => {
  const readme = read("README.md");

  test("has settings that exist, with their flags", () => {
    const flags = [...readme.matchAll(/^\| `(--[a-z-]+)`/gm)].map(([, flag]) => flag);
    expect(flags.length).toBeGreaterThan(3);
    const known = SETTING_KEYS.map(flagOf);
    expect(flags.filter((flag) => flag !== "--config" && !known.includes(flag ?? ""))).toEqual([]);
  });

  const [ofMacvlan = "", ofIpvlan = "", ofOvs = ""] = readme.split(
    /`docker network create -d underlay-(?:ipvlan` has|ovs`)/,
  );
  const SAMPLES = {
    allow: "UL-P05",
    mtu: "1400",
    macvlan_mode: "bridge",
    ipvlan_mode: "l3",
    flag: "vepa",
    protocol: "802.1ad",
    host_access: "true",
    host_address: "192.0.2.9,fd00::9",
  };
  test.each([
    ["macvlan", ofMacvlan, { ...SAMPLES, mode: "bridge" }, parseMacvlan, 7],
    ["ipvlan", ofIpvlan, { ...SAMPLES, mode: "l2" }, parseIpvlan, 2],
  ] as const)(
    "has options that the %s driver takes, under both their names",
    (_, text, samples, parse, many) => {
      const rows = [...text.matchAll(/^\| `-o ([a-z_.]+)=`(?: \(also `([a-z_]+)`\))?/gm)];
      expect(rows.length).toBe(many);
      for (const [, name = "", alias] of rows) {
        for (const option of alias === undefined ? [name] : [name, alias]) {
          const value = Object.entries(samples).find(([part]) => option.endsWith(part))?.[1] ?? "eth0";
          const parent = {
            ...(option === "vlan_protocol" && { parent: "eth0.10" }),
            ...(option === "host_address" && { host_access: "true" }),
          };
          expect([option, parse({ ...parent, [option]: value }, {}, { ipv6: false })]).toMatchObject([
            option,
            { spec: {} },
          ]);
        }
      }
    },
  );

  const FLAT = { mode: "flat" };
  const ON_OVS: Readonly<
    Record<string, readonly [value: string, beside?: Readonly<Record<string, string>>]>
  > = {
    bridge: ["br0"],
    mode: ["flat"],
    uplink: ["eth1", FLAT],
    uplink_migrate: ["true", { ...FLAT, uplink: "eth1" }],
    vlan: ["20", FLAT],
    trunks: ["20-30", FLAT],
    native_vlan: ["5", { ...FLAT, trunks: "20" }],
    vni: ["7"],
    peers: ["192.0.2.1", { vni: "7" }],
    gateway: ["none"],
    datapath: ["netdev"],
    isolate: ["true"],
    port_security: ["true"],
    rx_rate: ["10mbit"],
    tx_rate: ["10mbit"],
    "com.docker.network.driver.mtu": ["1400"],
  };

  test("has options that the ovs driver takes", () => {
    const [table = ""] = ofOvs.split("An option given under both");
    const names = [...table.matchAll(/`-o ([a-z_.]+)=`/g)].map(([, name = ""]) => name);
    expect(names.sort()).toEqual(Object.keys(ON_OVS).sort());
    for (const name of names) {
      const [value = "", beside = {}] = ON_OVS[name] ?? [];
      const parsed = parseOvs({ ...beside, [name]: value }, {}, { ipv6: false });
      expect([name, parsed]).toMatchObject([name, { spec: {} }]);
    }
  });
});
