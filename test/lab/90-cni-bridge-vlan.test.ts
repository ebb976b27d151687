import { expect } from "bun:test";
import { LATEST, VERSIONS } from "../../src/cni/versions.ts";
import type { CniConf } from "../ground/cni.ts";
import { HOST, IFNAME, inHost, POD, prepare, type Said, type Step } from "./cni.ts";
import { type Lab, scenariosIn } from "./scenario.ts";

/**
 * What the reference's suite asserts of its bridge plugin where the bridge filters VLANs, of ours: the built program,
 * versions of the protocol in turns. Titles as in plugins/main/bridge/bridge_test.go.
 */

const scenario = scenariosIn("newest");
const SLOW = { timeoutMs: 300_000 };

const BRIDGE = "bridge0";
const VID = 100;
const NO_WORDS = "cannot convert: no valid IP addresses";
const TRUNK = [{ id: 101 }, { minID: 200, maxID: 210 }];
const TRUNK_VIDS = [101, ...Array.from({ length: 11 }, (_, i) => 200 + i)];

const confOf = (cniVersion: string, more: CniConf): CniConf => ({
  cniVersion,
  name: "testConfig",
  type: "bridge",
  bridge: BRIDGE,
  ...more,
});
const isPoor = (version: string) => version < "0.3.0";

const LINKS: Step = { look: `ip -n ${HOST.netns} -j -d link show` };
const VLANS: Step = { look: `bridge -n ${HOST.netns} -j vlan show` };
const ADDRESSES: Step = { look: `ip -n ${HOST.netns} -j address show` };
/** As new, without the half second that a DEL takes. */
const RESET: Step = {
  look: `for name in ${BRIDGE}.${VID} ${BRIDGE}; do ip -n ${HOST.netns} link del $name; done
    ip -n ${POD.netns} link del ${IFNAME}; rm -rf /tmp/networks; true`,
};

interface Row {
  readonly cniVersion: string;
  readonly more: CniConf;
}

type Shown = Readonly<Record<string, unknown>>;
const rowsOf = ({ text }: Said): Shown[] => JSON.parse(text || "[]");

interface Seen {
  /** VLANs of a link, and which of them is that of frames without a tag. */
  vids(link: string): { readonly all: number[]; readonly native: number[] };
  link(name: string): Shown | undefined;
  readonly port: string;
  readonly added: Said;
  readonly addresses: Said;
}

/** ADD, and what is there then; for versions without words for it as well. */
async function inEach(
  { guest }: Lab,
  rows: readonly Row[],
  judge: (seen: Seen, row: Row) => void,
): Promise<void> {
  const said = await inHost(
    guest,
    rows.map(({ cniVersion, more }) => [
      { verb: "ADD", conf: confOf(cniVersion, more) },
      LINKS,
      VLANS,
      ADDRESSES,
      RESET,
    ]),
  );
  for (const [i, row] of rows.entries()) {
    const [added, links, vlans, addresses] = said[i] ?? [];
    if (!added || !links || !vlans || !addresses) throw new Error("a step said nothing");
    const all = rowsOf(links);
    const port = all.find(
      (link) => String(link["ifname"]).startsWith("veth") && link["link_netnsid"] !== undefined,
    );
    const seen: Seen = {
      added,
      addresses,
      port: String(port?.["ifname"]),
      link: (name) => all.find((link) => link["ifname"] === name),
      vids(name) {
        const found = rowsOf(vlans).find((row) => row["ifname"] === name)?.["vlans"];
        const list: { vlan: number; flags?: string[] }[] = Array.isArray(found) ? found : [];
        return {
          all: list.map(({ vlan }) => vlan),
          native: list.filter(({ flags = [] }) => flags.includes("PVID")).map(({ vlan }) => vlan),
        };
      },
    };
    try {
      judge(seen, row);
    } catch (cause) {
      throw new Error(`${JSON.stringify(row)}: ${JSON.stringify(said[i])}`, { cause });
    }
  }
}

scenario("a host and a container", ({ guest }) => prepare(guest));

/** A call takes half a second: an old version without words for it, one from the middle and the last, another for each. */
const versionsOf = (turn: number) =>
  [VERSIONS[turn % 2], VERSIONS[2 + turn], LATEST].filter((version) => version !== undefined);

/** Without an address, in these VLANs. */
const l2 = (
  title: string,
  turn: number,
  more: CniConf,
  wanted: { readonly all: number[]; readonly native: number[] },
) =>
  scenario(
    title,
    (lab) =>
      inEach(
        lab,
        versionsOf(turn).map((cniVersion) => ({ cniVersion, more: { ipam: {}, ...more } })),
        ({ added, vids, port, link }, { cniVersion }) => {
          if (isPoor(cniVersion)) expect(added.failure?.message).toBe(NO_WORDS);
          else expect(added.result?.interfaces).toHaveLength(3);
          expect(link(BRIDGE)).toMatchObject({ linkinfo: { info_data: { vlan_filtering: 1 } } });
          expect(vids(port)).toEqual(wanted);
        },
      ),
    SLOW,
  );

l2(
  "configures and deconfigures a l2 bridge with vlan id 100 using ADD/DEL",
  0,
  { vlan: VID, preserveDefaultVlan: true },
  {
    all: [1, VID],
    native: [VID],
  },
);
l2(
  "configures and deconfigures a l2 bridge with vlanTrunk 101,200~210 using ADD/DEL",
  1,
  { vlanTrunk: TRUNK },
  {
    all: [1, ...TRUNK_VIDS],
    native: [1],
  },
);
l2(
  "configures and deconfigures a l2 bridge with vlan 100, and vlanTrunk 101,200~210 using ADD/DEL",
  2,
  { vlan: VID, vlanTrunk: TRUNK },
  {
    all: [VID, ...TRUNK_VIDS],
    native: [VID],
  },
);
l2(
  "configures and deconfigures a l2 bridge with vlan id 100 and no default vlan using ADD/DEL",
  3,
  { vlan: VID, preserveDefaultVlan: false },
  {
    all: [VID],
    native: [VID],
  },
);

const POOLS: readonly (readonly [subnets: readonly string[], gateways: readonly string[]])[] = [
  [["10.1.2.0/24"], ["10.1.2.1/24"]],
  [["2001:db8::0/64"], ["2001:db8::1/64"]],
  [
    ["192.168.0.0/24", "fd00::0/64"],
    ["192.168.0.1/24", "fd00::1/64"],
  ],
  [
    ["192.168.0.0/24", "fd00::0/64", "2001:db8::0/64"],
    ["192.168.0.1/24", "fd00::1/64", "2001:db8::1/64"],
  ],
];

const l3 = (title: string, preserveDefaultVlan: boolean) =>
  scenario(
    title,
    (lab) =>
      inEach(
        lab,
        VERSIONS.flatMap((cniVersion, i) =>
          // A call takes half a second: each version with one of them, the last with all.
          POOLS.filter((_, at) => cniVersion === LATEST || at === i % POOLS.length).map(([subnets]) => ({
            cniVersion,
            more: {
              vlan: VID,
              preserveDefaultVlan,
              isDefaultGateway: true,
              ipam: {
                type: "host-local",
                dataDir: "/tmp/networks",
                ranges: subnets.map((subnet) => [{ subnet }]),
              },
            },
          })),
        ),
        (seen, { cniVersion, more }) => {
          const { ranges } = Object(more["ipam"]);
          const [, gateways = []] =
            POOLS.find(
              ([subnets]) => subnets.length === ranges.length && subnets[0] === ranges[0][0].subnet,
            ) ?? [];
          expect(seen.added.failure).toBeUndefined();
          judgeRouter(seen, preserveDefaultVlan, gateways);
          if (isPoor(cniVersion)) return;
          const names = seen.added.result?.interfaces?.map(({ name }) => name);
          expect(names).toEqual([BRIDGE, seen.port, IFNAME, `${BRIDGE}.${VID}`]);
        },
      ),
    SLOW,
  );

function judgeRouter(
  { vids, link, port, addresses }: Seen,
  keepDefault: boolean,
  gateways: readonly string[],
): void {
  const vlanLink = link(`${BRIDGE}.${VID}`);
  expect(vlanLink).toMatchObject({ linkinfo: { info_kind: "veth" } });
  // The other end is made first.
  const peer = String(vlanLink?.["link"]);
  expect(link(peer)).toMatchObject({ ifindex: Number(vlanLink?.["ifindex"]) - 1, master: BRIDGE });
  const wanted = { all: keepDefault ? [1, VID] : [VID], native: [VID] };
  expect([vids(port), vids(peer)]).toEqual([wanted, wanted]);
  const own = rowsOf(addresses).find((row) => row["ifname"] === `${BRIDGE}.${VID}`)?.["addr_info"];
  const list: { local: string; prefixlen: number; scope: string }[] = Array.isArray(own) ? own : [];
  expect(
    list
      .filter(({ scope }) => scope === "global")
      .map(({ local, prefixlen }) => `${local}/${prefixlen}`)
      .sort(),
  ).toEqual(gateways.toSorted());
}

l3("configures and deconfigures a bridge, veth with default route and vlanID 100 with ADD/DEL", true);
l3(
  "configures and deconfigures a bridge, veth with default route and vlanID 100 and no default vlan with ADD/DEL",
  false,
);

const GATEWAY = { type: "host-local", subnet: "10.1.2.0/24", dataDir: "/tmp/networks" };

scenario(
  "CHECK sees a VLAN that is gone; ADD again mends it; DEL leaves the bridge alone; the gateway answers",
  async ({ guest }) => {
    const conf = confOf("1.1.0", {
      vlan: VID,
      vlanTrunk: TRUNK,
      isDefaultGateway: true,
      macspoofchk: true,
      ipam: GATEWAY,
    });
    const [said = []] = await inHost(guest, [
      [
        { verb: "STATUS", conf },
        { verb: "ADD", conf },
        { look: `ip netns exec ${POD.netns} busybox ping -c1 -W2 10.1.2.1` },
        { verb: "CHECK", conf, afterAdd: true },
        {
          look: `for port in $(ip -n ${HOST.netns} -o link show master ${BRIDGE} | cut -d' ' -f2 | cut -d@ -f1); do bridge -n ${HOST.netns} vlan del dev $port vid 205; done; true`,
        },
        { verb: "CHECK", conf, afterAdd: true },
        { verb: "ADD", conf },
        { verb: "CHECK", conf, afterAdd: true },
        { verb: "DEL", conf, afterAdd: true },
        { look: `ip -n ${HOST.netns} -j link show` },
        { verb: "GC", conf: { ...conf, "cni.dev/valid-attachments": [] } },
      ],
    ]);
    const failures = said.flatMap(({ failure }) => failure?.message ?? []);
    expect(failures).toEqual([
      expect.stringMatching(/^bridge bridge0 of the host: its port veth\w+ is not in VLAN 205$/),
    ]);
    expect(said[2]?.text).toContain("1 packets received");
    const left = JSON.parse(said[9]?.text ?? "[]").map((link: Shown) => link["ifname"]);
    expect(left.filter((name: string) => !name.startsWith("veth")).sort()).toEqual(
      [BRIDGE, `${BRIDGE}.${VID}`, HOST.master, "lo"].sort(),
    );
    expect(left).toHaveLength(5);
  },
  SLOW,
);
