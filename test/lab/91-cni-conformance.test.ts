import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { LATEST, VERSIONS } from "../../src/cni/versions.ts";
import type { CniConf, CniResult } from "../ground/cni.ts";
import { HOST, IFNAME, inHost, POD, prepare, type Said, type Step } from "./cni.ts";
import { type Lab, scenariosIn } from "./scenario.ts";

/**
 * What the reference's suite asserts of its plugins ipvlan, vlan and dummy, of ours: the built program, the versions that it
 * names, the parent on the host and in the container. Titles as in plugins/main/*_test.go.
 */

const scenario = scenariosIn("newest");

interface Case {
  readonly cniVersion: string;
  readonly linkInContainer: boolean;
}

const WHERE = [false, true] as const;
const casesOf = (versions: readonly string[]): Case[] =>
  versions.flatMap((cniVersion) => WHERE.map((linkInContainer) => ({ cniVersion, linkInContainer })));

/** A call takes half a second: each version in one place. */
const VLAN_CASES: readonly Case[] = VERSIONS.map((cniVersion, i) => ({
  cniVersion,
  linkInContainer: i % 2 === 1,
}));
const IPVLAN_CASES = [...casesOf(["1.0.0"]), { cniVersion: LATEST, linkInContainer: false }];
const DUMMY_VERSIONS = ["0.2.0", "1.1.0"] as const;

const master = ({ linkInContainer }: Case) => (linkInContainer ? POD : HOST).master;
const netnsOf = ({ linkInContainer }: Case) => (linkInContainer ? POD : HOST).netns;
const HOST_LOCAL = { type: "host-local", subnet: "10.1.2.0/24", dataDir: "/tmp/networks" };
const STATIC = { type: "static", addresses: [{ address: "10.1.2.5/24" }] };

const LINK: Step = { look: `ip -n ${POD.netns} -j -d link show dev ${IFNAME}` };
const ADDRESSES: Step = { look: `ip -n ${POD.netns} -j -4 address show dev ${IFNAME}` };
const GONE = expect.stringContaining("does not exist");
/** Takes no half second, unlike a DEL. */
const REMOVE: Step = { look: `ip -n ${POD.netns} link del ${IFNAME}` };

const call = (verb: "ADD" | "DEL" | "STATUS", conf: CniConf): Step => ({ verb, conf });
const statusAndAdd = (conf: CniConf): Step[] => [
  ...(String(conf["cniVersion"]) >= "1.1.0" ? [call("STATUS", conf)] : []),
  call("ADD", conf),
];
const after = (verb: "CHECK" | "DEL", conf: CniConf): Step => ({ verb, conf, afterAdd: true });

/** Each case has a script of steps; what they say is asserted case by case, and told with the case. */
async function inEach<C>(
  { guest }: Lab,
  cases: readonly C[],
  stepsOf: (one: C) => readonly Step[],
  assert: (said: readonly Said[], one: C) => void,
): Promise<void> {
  const said = await inHost(guest, cases.map(stepsOf));
  for (const [i, one] of cases.entries()) {
    try {
      assert(said[i] ?? [], one);
    } catch (cause) {
      throw new Error(`${JSON.stringify(one)}: ${JSON.stringify(said[i])}`, { cause });
    }
  }
}

function succeeded(said: readonly Said[]): void {
  expect(said.flatMap(({ failure }) => failure ?? [])).toEqual([]);
}

function linkIn({ text = "[]" }: Partial<Said> = {}): Record<string, unknown> {
  const [link] = JSON.parse(text);
  return link;
}

const resultIn = (said: readonly Said[]): CniResult | undefined => said.find(({ result }) => result)?.result;

/** STATUS, ADD, two looks, CHECK, DEL, a look, and more. */
const life = (conf: CniConf, ...more: readonly Step[]): Step[] => [
  ...statusAndAdd(conf),
  LINK,
  ADDRESSES,
  after("CHECK", conf),
  after("DEL", conf),
  LINK,
  ...more,
];

/** One interface, named as asked, with the MAC of the link; one address; CHECK from 0.4.0 on; and nothing after DEL. */
function expectLife(said: readonly Said[], { cniVersion }: { readonly cniVersion: string }): void {
  const failures = said.flatMap(({ failure }) => failure?.message ?? []);
  expect(failures).toEqual(cniVersion < "0.4.0" ? ["config version does not allow CHECK"] : []);
  const at = said.findIndex(({ result }) => result !== undefined);
  const result = said[at]?.result;
  const link = linkIn(said[at + 1]);
  expect(link).toMatchObject({ ifname: IFNAME });
  expect(result?.cniVersion).toBe(cniVersion);
  if (cniVersion < "0.3.0") expect(result?.ip4?.ip).toMatch(/^10\.1\.2\.\d+\/24$/);
  else {
    expect(result?.interfaces).toMatchObject([{ name: IFNAME, mac: link["address"] }]);
    expect(result?.ips).toHaveLength(1);
  }
  expect(linkIn(said[at + 2])["addr_info"]).toMatchObject([{ family: "inet", prefixlen: 24 }]);
  expect(said[at + 5]?.text).toEqual(GONE);
}

scenario("a host and a container", ({ guest }) => prepare(guest));

// vlan

const vlanOf = (one: Case, more: CniConf): CniConf => ({
  ...one,
  name: "vlanTest",
  type: "vlan",
  master: master(one),
  ipam: STATIC,
  ...more,
});
const SLOW = { timeoutMs: 300_000 };

scenario(
  "creates an vlan link in a non-default namespace with given MTU",
  (lab) =>
    inEach(
      lab,
      VLAN_CASES,
      (one) => [call("ADD", vlanOf(one, { vlanId: 33, mtu: 1500 })), LINK, REMOVE],
      (said) => {
        succeeded(said);
        const vlan = { info_kind: "vlan", info_data: { id: 33, protocol: "802.1Q" } };
        expect(linkIn(said[1])).toMatchObject({ ifname: IFNAME, mtu: 1500, linkinfo: vlan });
      },
    ),
  SLOW,
);

scenario(
  "configures and deconfigures a vlan link with ADD/CHECK/DEL, with master's MTU, and with DEL again",
  async (lab) => {
    const setMtu = (bytes: number): Step[] =>
      [HOST, POD].map(({ netns, master }) => ({ look: `ip -n ${netns} link set ${master} mtu ${bytes}` }));
    await inHost(lab.guest, [setMtu(1200)]);
    await inEach(
      lab,
      [...VLAN_CASES, { cniVersion: LATEST, linkInContainer: true }],
      (one) => {
        const conf = vlanOf(one, { vlanId: 1234, ipam: HOST_LOCAL });
        return life(conf, after("DEL", conf));
      },
      (said, one) => {
        expectLife(said, one);
        const at = said.findIndex(({ result }) => result !== undefined);
        expect(linkIn(said[at + 1])).toMatchObject({ mtu: 1200 });
        if (one.cniVersion === LATEST) expect(resultIn(said)?.interfaces).toMatchObject([{ mtu: 1200 }]);
      },
    );
    await inHost(lab.guest, [setMtu(1500)]);
  },
  SLOW,
);

for (const [title, mtu] of [
  ["fails to create vlan link with MTU greater than master's MTU", 1600],
  ["fails to create vlan link with an invalid MTU", -100],
] as const) {
  scenario(
    title,
    (lab) =>
      inEach(
        lab,
        VLAN_CASES,
        (one) => [call("ADD", vlanOf(one, { vlanId: 1234, mtu })), LINK],
        ([said, link]) => {
          expect(said?.failure?.message).toBe(`invalid MTU ${mtu}, must be [0, master MTU(1500)]`);
          expect(link?.text).toEqual(GONE);
        },
      ),
    SLOW,
  );
}

// ipvlan

const ipvlanOf = (one: Case, more: CniConf = {}): CniConf => ({
  ...one,
  name: "ipvlanTest",
  type: "ipvlan",
  master: master(one),
  ipam: HOST_LOCAL,
  ...more,
});

scenario("creates an ipvlan link in a non-default namespace", (lab) =>
  inEach(
    lab,
    casesOf(["1.0.0"]),
    (one) => [call("ADD", ipvlanOf(one, { mode: "l2", mtu: 1500, ipam: STATIC })), LINK, REMOVE],
    (said) => {
      succeeded(said);
      const ipvlan = { info_kind: "ipvlan", info_data: { mode: "l2", bridge: true } };
      expect(linkIn(said[1])).toMatchObject({ ifname: IFNAME, mtu: 1500, linkinfo: ipvlan });
    },
  ),
);

scenario("configures and deconfigures an iplvan link with ADD/DEL", (lab) =>
  inEach(lab, IPVLAN_CASES, (one) => life(ipvlanOf(one)), expectLife),
);

scenario("configures and deconfigures an iplvan link with ADD/DEL when chained", (lab) =>
  inEach(
    lab,
    IPVLAN_CASES,
    (one) => {
      const { ipam, ...conf } = ipvlanOf(one);
      const { master: name, ...chained } = conf;
      const prevResult = {
        cniVersion: one.cniVersion,
        interfaces: [{ name }],
        ips: [{ address: "10.1.2.2/24", gateway: "10.1.2.1", interface: 0 }],
        routes: [],
      };
      return [
        call("ADD", { ...chained, prevResult }),
        LINK,
        ADDRESSES,
        after("CHECK", conf),
        after("DEL", conf),
        LINK,
      ];
    },
    (said, one) => {
      expectLife(said, one);
      expect(resultIn(said)?.interfaces).toMatchObject([
        { name: IFNAME, sandbox: `/run/netns/${POD.netns}` },
      ]);
      expect(resultIn(said)?.ips).toMatchObject([{ address: "10.1.2.2/24", interface: 0 }]);
    },
  ),
);

scenario("deconfigures an unconfigured ipvlan link with DEL", (lab) =>
  inEach(lab, casesOf(["1.0.0"]), (one) => [call("DEL", ipvlanOf(one))], succeeded),
);

scenario("configures and deconfigures a ipvlan link with ADD/DEL, without master config", async (lab) => {
  await inEach(
    lab,
    casesOf(["1.0.0"]),
    (one) => {
      const { master: name, ...conf } = ipvlanOf(one);
      const route = `ip -n ${netnsOf(one)} address add 192.168.77.2/24 dev ${name};
        ip -n ${netnsOf(one)} route add default via 192.168.77.1`;
      return [{ look: route }, ...life(conf), { look: `ip -n ${netnsOf(one)} address flush dev ${name}` }];
    },
    expectLife,
  );
});

scenario("an ipvlan has its mode and flag, and no MAC of its own", (lab) =>
  inEach(
    lab,
    [
      { mode: "l3s", flag: "vepa" },
      { mode: "l3", flag: "private" },
    ],
    (keys) => {
      const conf = ipvlanOf({ cniVersion: "1.1.0", linkInContainer: false }, { ...keys, ipam: STATIC });
      return [call("ADD", conf), LINK, REMOVE, call("ADD", { ...conf, mac: "c2:11:22:33:44:55" }), LINK];
    },
    ([added, link, , refused, none], { mode, flag }) => {
      expect(added?.failure).toBeUndefined();
      expect(linkIn(link)).toMatchObject({ linkinfo: { info_data: { mode, [flag]: true } } });
      expect(refused?.failure?.message).toContain("an ipvlan has the MAC address of its parent");
      expect(none?.text).toEqual(GONE);
    },
  ),
);

// dummy

const dummyOf = (cniVersion: string, ipam: CniConf): CniConf => ({
  cniVersion,
  name: "dummyTest",
  type: "dummy",
  ipam,
});
const DUMMIES = DUMMY_VERSIONS.map((cniVersion) => ({ cniVersion }));

scenario("configures and deconfigures a dummy link with ADD/CHECK/DEL, and with DEL again", (lab) =>
  inEach(
    lab,
    DUMMIES,
    ({ cniVersion }) => {
      const conf = dummyOf(cniVersion, HOST_LOCAL);
      return life(conf, after("DEL", conf));
    },
    (said, one) => {
      expectLife(said, one);
      const at = said.findIndex(({ result }) => result !== undefined);
      const link = linkIn(said[at + 1]);
      expect(link).toMatchObject({ linkinfo: { info_kind: "dummy" } });
      expect(link["flags"]).toContain("UP");
    },
  ),
);

scenario("a dummy needs an address, and is checked to be up", (lab) =>
  inEach(
    lab,
    [{ cniVersion: "1.1.0" }],
    ({ cniVersion }) => {
      const conf = dummyOf(cniVersion, STATIC);
      const down: Step = { look: `ip -n ${POD.netns} link set ${IFNAME} down` };
      return [call("ADD", dummyOf(cniVersion, {})), call("ADD", conf), down, after("CHECK", conf), REMOVE];
    },
    ([poor, added, , checked]) => {
      expect(poor?.failure?.message).toBe("dummy interface requires an IPAM configuration");
      expect(added?.failure).toBeUndefined();
      expect(checked?.failure?.message).toContain("its state is down, not up");
    },
  ),
);

// The configuration that all began with, of ipvlan

scenario(
  "20-lannet.conf of ipvlan: two pods ping each other, the gateway is kept back, no default route",
  async ({ guest }) => {
    const seed = readFileSync(join(import.meta.dir, "../live/net.d/20-lannet.conf"), "utf8");
    const conf = JSON.parse(seed.replace('"macvlan"', '"ipvlan"'));
    expect(conf).toMatchObject({ type: "ipvlan", master: "eth0" });
    await guest.must("ip netns add pod1; ip netns add pod2; mkdir -p /var/lib/cni");
    const envOf = (pod: number, more: Readonly<Record<string, string>> = {}) => ({
      CNI_CONTAINERID: `pod${pod}`,
      CNI_NETNS: `/run/netns/pod${pod}`,
      CNI_IFNAME: "eth0",
      ...more,
    });
    const ping = (pod: number, to: string): Step => ({
      look: `ip netns exec pod${pod} busybox ping -c1 -W5 ${to} | grep received`,
    });
    const [said = []] = await inHost(guest, [
      [
        { verb: "ADD", conf, env: envOf(1) },
        // As libcni hands it on: the version that it lacks is there, and empty.
        { verb: "ADD", conf: { ...conf, cniVersion: "" }, env: envOf(2) },
        ping(1, "20.1.1.3"),
        ping(2, "20.1.1.2"),
        { look: "ip -n pod1 route show default; ip -n pod2 route show default" },
        { look: "ls /var/lib/cni/networks/lannet" },
        { verb: "DEL", conf, env: envOf(1, { CNI_NETNS: "" }) },
        { verb: "DEL", conf, env: envOf(2) },
        { look: "ls /var/lib/cni/networks/lannet; ip -n pod2 link show dev eth0" },
      ],
    ]);
    succeeded(said);
    const [first, second, there, back, routes, kept, , , left] = said;
    const gateway = "20.1.1.1";
    expect([first?.result?.ip4, second?.result?.ip4]).toEqual([
      { ip: "20.1.1.2/24", gateway },
      { ip: "20.1.1.3/24", gateway },
    ]);
    for (const pinged of [there, back]) expect(pinged?.text).toContain("1 packets received");
    expect(routes?.text).toBe("");
    expect(kept?.text.split("\n")).toEqual(
      expect.arrayContaining(["20.1.1.2", "20.1.1.3", "last_reserved_ip.0"]),
    );
    expect(left?.text).not.toMatch(/20\.1\.1\.[23]$/m);
    expect(left?.text).toContain("does not exist");
  },
);
