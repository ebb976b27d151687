import type { Cases } from "./cases.fixture.ts";
import type { Judged } from "./condition.ts";
import { child, judged, link, missing, parent, refused } from "./judged.fixture.ts";

/** As long as Docker's. */
const ID = "0123456789abcdef".repeat(4);
const blue = { inode: 4026532001, path: "/run/netns/blue" };

const busy = refused("EBUSY", "Device or resource busy");
const invalid = refused("EINVAL", "Invalid argument");

function portOf(name: string, kind?: string): Judged {
  const master = { ifindex: 9, name, ...(kind === undefined ? {} : { kind }) };
  return judged({ parent: parent({ link: link({ master }), trial: busy }) });
}

function onWifi(change: Partial<Judged> = {}, fourAddress = false): Judged {
  return judged({
    parent: parent({
      link: link({ name: "wlan0", altNames: ["eth0"], wireless: { type: "station", fourAddress } }),
    }),
    ...change,
  });
}

function passthru(change: Partial<Judged> = {}): Judged {
  return judged({ mode: "passthru", ...change });
}

/** Cases of the conditions of parents.ts and occupied.ts. */
export const PARENT_CASES: Readonly<Record<string, Cases>> = {
  "UL-P01": {
    holds: [
      { judged: judged({ parent: missing("eth1", ["enp3s0"]) }), message: "no link is called eth1" },
      {
        judged: judged({ parent: missing("auto") }),
        message: "parent=auto finds no link: this host has no default route",
      },
      {
        judged: judged({ parent: parent({ link: link({ name: "enp3s0" }) }) }),
        message: "eth0 is called enp3s0 now: after the next boot it would be missing",
      },
    ],
    not: [judged(), judged({ parent: parent({ asked: "lan-nic", link: link({ altNames: ["lan-nic"] }) }) })],
  },
  "UL-P02": {
    holds: [
      {
        judged: judged({ parent: parent({ link: link({ up: false }) }) }),
        message: "eth0 is down: no frame passes until it is up",
      },
    ],
    not: [judged(), judged({ parent: missing("eth1") })],
  },
  "UL-P04": {
    holds: [
      {
        judged: judged({
          parent: parent({
            asked: "lo",
            link: link({ name: "lo", hardwareType: 772, loopback: true }),
            trial: invalid,
          }),
        }),
        message: "lo is the loopback link: it cannot carry macvlan",
      },
      {
        judged: judged({
          parent: parent({
            asked: "wg0",
            link: link({ name: "wg0", kind: "wireguard", hardwareType: 65534 }),
            trial: invalid,
          }),
        }),
        message: "wg0 has no Ethernet layer: it cannot carry macvlan",
      },
    ],
    not: [judged()],
  },
  "UL-P05": {
    holds: [
      {
        judged: onWifi(),
        message: "wlan0 is a Wi-Fi station: access points drop frames from other MAC addresses",
      },
    ],
    not: [
      judged(),
      onWifi({}, true),
      judged({ parent: parent({ link: link({ wireless: { type: "other", fourAddress: false } }) }) }),
    ],
  },
  "UL-P06": {
    holds: [
      { judged: portOf("br0", "bridge"), message: "eth0 cannot carry macvlan: it is a port of bridge br0" },
      { judged: portOf("bond0", "bond"), message: "eth0 cannot carry macvlan: it is a member of bond bond0" },
      { judged: portOf("team0", "team"), message: "eth0 cannot carry macvlan: it is a member of team team0" },
      {
        judged: portOf("ovs-system", "openvswitch"),
        message: "eth0 cannot carry macvlan: it is a port of Open vSwitch (ovs-system)",
      },
      { judged: portOf("eth1"), message: "eth0 cannot carry macvlan: it is owned by eth1" },
      { judged: portOf("hsr0", "hsr"), message: "eth0 cannot carry macvlan: it is owned by hsr0 (hsr)" },
    ],
    not: [
      judged(),
      judged({ parent: parent({ link: link({ master: { ifindex: 9, name: "red", kind: "vrf" } }) }) }),
    ],
  },
  "UL-P07": {
    holds: [
      {
        judged: judged({
          parent: parent({
            children: [child({ kind: "ipvlan", name: "iv0", mode: "l2", netns: blue })],
            trial: busy,
          }),
        }),
        message: "eth0 cannot carry macvlan: it carries ipvlan already (iv0 in netns /run/netns/blue)",
      },
      {
        judged: judged({ kind: "ipvlan", mode: "l2", parent: parent({ children: [child()], trial: busy }) }),
        message: "eth0 cannot carry ipvlan: it carries macvlan already (mv0 in this netns)",
      },
      {
        judged: judged({ neighbours: [{ owner: "docker:abc", kind: "ipvlan", mode: "l2" }] }),
        message: "eth0 cannot carry macvlan: it carries ipvlan already (network docker:abc)",
      },
      {
        judged: judged({
          kind: "ipvlan",
          mode: "l2",
          parent: { ...missing("eth0"), link: link(), children: [child({ ours: true, netns: blue })] },
        }),
        message: "eth0 cannot carry ipvlan: it carries macvlan already (mv0 in netns /run/netns/blue)",
      },
    ],
    not: [
      judged({ parent: parent({ children: [child({ kind: "ipvlan" })] }) }),
      judged({ parent: parent({ children: [child({ kind: "macvtap" })] }) }),
      judged({
        kind: "ipvlan",
        mode: "l2",
        parent: parent({ children: [child({ kind: "ipvtap", mode: "l2" })] }),
      }),
    ],
  },
  "UL-P08": {
    holds: [
      {
        judged: passthru({ parent: parent({ children: [child()], trial: invalid }) }),
        message: "passthru needs eth0 alone, but it carries mv0 in this netns",
      },
      {
        judged: judged({
          parent: parent({ children: [child({ mode: "passthru", netns: blue })], trial: invalid }),
        }),
        message: "eth0 belongs to a passthru link alone: mv0 in netns /run/netns/blue",
      },
      {
        judged: passthru({ neighbours: [{ owner: `docker:${ID}`, kind: "macvlan", mode: "bridge" }] }),
        message: "passthru needs eth0 alone, but it carries network docker:0123456789ab",
      },
      {
        judged: judged({ neighbours: [{ owner: "docker:abc", kind: "macvlan", mode: "passthru" }] }),
        message: "eth0 belongs to a passthru link alone: network docker:abc",
      },
      {
        judged: passthru({ parent: parent({ children: [child({ ours: true })], trial: invalid }) }),
        message: "passthru needs eth0 alone, but it carries mv0 in this netns",
      },
    ],
    not: [
      passthru(),
      judged({ parent: parent({ children: [child({ mode: "private" })] }) }),
      judged({ neighbours: [{ owner: "docker:abc", kind: "macvlan", mode: "private" }] }),
      // A network that exists, and its own link.
      passthru({
        parent: {
          asked: "eth0",
          link: link(),
          candidates: [],
          children: [child({ mode: "passthru", ours: true })],
          routers: [],
          routesElsewhere: [],
        },
      }),
    ],
  },
  "UL-P09": {
    holds: [
      {
        judged: judged({
          kind: "ipvlan",
          mode: "l3",
          parent: parent({ children: [child({ kind: "ipvlan", mode: "l2" })] }),
        }),
        message: "ipvlan mode is per parent: eth0 runs l2, not l3 (mv0 in this netns)",
      },
      {
        judged: judged({
          kind: "ipvlan",
          mode: "l2",
          neighbours: [{ owner: "docker:abc", kind: "ipvlan", mode: "l3s" }],
        }),
        message: "ipvlan mode is per parent: eth0 runs l3s, not l2 (network docker:abc)",
      },
      {
        judged: judged({
          kind: "ipvlan",
          mode: "l2",
          flag: "bridge",
          neighbours: [{ owner: "docker:abc", kind: "ipvlan", mode: "l2", flag: "private" }],
        }),
        message: "ipvlan flag is per parent: eth0 runs private, not bridge (network docker:abc)",
      },
    ],
    not: [
      judged({
        kind: "ipvlan",
        mode: "l2",
        parent: parent({ children: [child({ kind: "ipvlan", mode: "l2" })] }),
      }),
      judged({
        kind: "ipvlan",
        mode: "l2",
        flag: "vepa",
        neighbours: [{ owner: "docker:abc", kind: "ipvlan", mode: "l2", flag: "vepa" }],
      }),
      judged({ parent: parent({ children: [child({ mode: "private" })] }) }),
    ],
  },
  "UL-P12": {
    holds: [
      { judged: judged({ mtu: 9000 }), message: "mtu 9000 is more than the 1500 of eth0" },
      {
        judged: judged({ parent: parent({ children: [child({ ours: true, mtu: 1400, netns: blue })] }) }),
        message: "a container link on eth0 kept an MTU below 1500",
      },
    ],
    not: [
      judged(),
      judged({ mtu: 1500 }),
      judged({ mtu: 1400, parent: parent({ children: [child({ ours: true, mtu: 1400 })] }) }),
      judged({ parent: parent({ children: [child({ mtu: 1400 })] }) }),
    ],
  },
  "UL-P17": {
    holds: [
      {
        judged: judged({ mode: "vepa" }),
        message: "vepa: containers of this host reach each other only if the switch sends frames back",
      },
      {
        judged: judged({ kind: "ipvlan", mode: "l2", flag: "vepa" }),
        message: "vepa: containers of this host reach each other only if the switch sends frames back",
      },
    ],
    not: [judged(), judged({ mode: "private" }), judged({ kind: "ipvlan", mode: "l2", flag: "bridge" })],
  },
};
