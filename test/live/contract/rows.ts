import { ATTACH_STEPS, PAIR_STEPS, PARENT_STEPS, STEPS, type StepName } from "../../../src/engine/steps.ts";
import { HOST_LOCAL_STEPS } from "../../../src/store/host-local/steps.ts";
import { AGES, type Age } from "../../ground/engines.ts";
import { cniSubject } from "./cni.ts";
import { dockerSubject } from "./docker.ts";
import type { Ground, Host } from "./host.ts";
import { netavarkSubject } from "./netavark.ts";
import type { Row, Subject } from "./subject.ts";

/** Every driver that this kernel can have, by every protocol that reaches it. A new one is one more row. */

const bridgeOf = (name: string) => `add-br ${name} -- set Bridge ${name} datapath_type=netdev`.split(" ");
const vsctl =
  (...args: string[]) =>
  async (host: Host) =>
    void (await host.vsctl(...args));
const ip =
  (...commands: string[]) =>
  async (host: Host) => {
    for (const words of commands) host.ip(words);
  };

const LAN: Ground = {
  make: ip("link add lan0 type veth peer name lan1", "link set lan1 up", "link set lan0 up"),
  take: ip("link del lan0"),
};
const BRIDGE: Ground = {
  make: ip("link add br0 mtu 1400 type bridge", "link set br0 up"),
  take: ip("link del br0"),
};
/** The plugin makes it, and it stays. */
const BRIDGE_WHEN_NEEDED: Ground = { take: ip("link del br0"), stays: ["br0"] };
/** What ovs-vswitchd makes for itself. */
const stays = ["ovs-netdev"];
const switched = (age: Age): Ground => ({
  ...{ age, stays },
  make: vsctl(...bridgeOf("br0")),
  take: vsctl("del-br", "br0"),
});
const switchedWhenNeeded = (age: Age): Ground => ({ age, stays, take: vsctl("del-br", "br7") });

/** The verb in which a step is reached: the first whose pattern fits. */
const stepsBy = (steps: readonly StepName[], detach: RegExp, close = /^$/) => ({
  attach: steps.filter((step) => !detach.test(step) && !close.test(step)),
  detach: steps.filter((step) => detach.test(step)),
  close: steps.filter((step) => close.test(step)),
});

const docker = (steps: readonly StepName[]) => ({
  protocol: "Docker" as const,
  steps: stepsBy(steps, /^endpoint\.(unprovision|forget)\./, /^(network\.remove|parent\.drop)\./),
  sequels: { attach: ["again", "next"], detach: ["again", "next"], close: ["again"] } as const,
  takesMac: true,
});
/** Those of host-local are the same whatever asks it for addresses: `own` has them once for each way of attaching. */
const cni = (own: readonly StepName[]) => {
  const { attach, detach, close } = stepsBy(own, /^(detach|unpair|address\.release)\./);
  // Written by both verbs.
  const index = attach.filter((step) => step.startsWith("address.index."));
  return {
    protocol: "CNI" as const,
    steps: { attach, detach: [...detach, ...index], close },
    sequels: {
      attach: ["again", "removed", "removed when it is gone", "next"],
      detach: ["again"],
      close: [],
    } as const,
    takesMac: true,
  };
};
const netavark = (own: readonly StepName[]) => ({
  protocol: "netavark" as const,
  steps: stepsBy(own, /^(detach|unpair)\./),
  sequels: { attach: ["again", "removed"], detach: ["again", "attached"], close: [] } as const,
  takesMac: true,
});

/** Whatever the kind of link: a pool that is used up, and a route that leads nowhere. */
const REFUSED_BY_CNI = [
  { ipam: { ranges: [[{ subnet: "10.60.0.0/30", rangeStart: "10.60.0.1", rangeEnd: "10.60.0.1" }]] } },
  { ipam: { routes: [{ dst: "192.0.2.0/24", gw: "198.51.100.1" }] } },
];

const OVS_ROWS = AGES.flatMap((age): Row[] => [
  {
    // The daemon does the same whatever the age of the switch.
    ...docker(age === "newest" ? [...STEPS, ...PARENT_STEPS] : []),
    name: `ovs (${age}), Docker`,
    type: "underlay-ovs",
    ground: switchedWhenNeeded(age),
    keys: (net) => ({ datapath: "netdev", bridge: "br7", ...(net === "two" && { mode: "flat" }) }),
    refused: [{ bridge: "lo" }, { mode: "nats" }, { vlan: "4095" }, { mode: "flat", uplink: "none0" }],
    publishes: true,
  },
  {
    ...cni(PAIR_STEPS),
    name: `ovs (${age}), CNI`,
    type: "ovs",
    ground: switched(age),
    keys: (net) => ({ bridge: "br0", vlan: net === "one" ? 5 : 6 }),
    refused: [{ bridge: "br9" }, { vlan: 4095 }, ...REFUSED_BY_CNI],
  },
]);

export const ROWS: readonly Row[] = [
  {
    ...docker(STEPS),
    name: "macvlan, Docker",
    type: "underlay-macvlan",
    ground: LAN,
    keys: () => ({ parent: "lan0" }),
    refused: [
      { parent: "none0" },
      { parent: "lo" },
      { mode: "bridged" },
      { "com.docker.network.driver.mtu": "9000" },
    ],
  },
  {
    ...cni([...ATTACH_STEPS, ...HOST_LOCAL_STEPS]),
    name: "macvlan, CNI",
    type: "macvlan",
    ground: LAN,
    keys: () => ({ master: "lan0" }),
    refused: [{ master: "none0" }, { master: "lo" }, { mode: "bridged" }, { mtu: 9000 }, ...REFUSED_BY_CNI],
  },
  {
    ...netavark(ATTACH_STEPS),
    name: "macvlan, netavark",
    type: "underlay-macvlan",
    ground: LAN,
    keys: () => ({ parent: "lan0" }),
    refused: [{ parent: "none0" }, { parent: "lo" }, { mode: "bridged" }, { mtu: "9000" }],
  },
  {
    ...cni([...PAIR_STEPS, ...HOST_LOCAL_STEPS]),
    name: "bridge, CNI",
    type: "bridge",
    ground: BRIDGE_WHEN_NEEDED,
    // Its address is of the first network.
    keys: (net) => ({
      bridge: "br0",
      isGateway: net === "one",
      ipMasq: true,
      macspoofchk: true,
      hairpinMode: true,
    }),
    refused: [{ vlan: 5000 }, { mtu: -1 }, ...REFUSED_BY_CNI],
  },
  {
    ...netavark(PAIR_STEPS),
    name: "bridge, netavark",
    type: "underlay-bridge",
    ground: BRIDGE,
    keys: () => ({ bridge: "br0" }),
    refused: [{ bridge: "none0" }, { bridge: "lo" }],
  },
  {
    ...cni(PAIR_STEPS),
    name: "ptp, CNI",
    type: "ptp",
    ground: {},
    keys: () => ({ ipMasq: true }),
    refused: [{ mtu: -1 }, ...REFUSED_BY_CNI],
    takesMac: false,
  },
  ...OVS_ROWS,
];

const PROTOCOLS = { Docker: dockerSubject, CNI: cniSubject, netavark: netavarkSubject } as const;

export const openSubject = (row: Row): Promise<Subject> => PROTOCOLS[row.protocol](row);
