import type { PortHolder, SwitchBridge, SwitchListener, SwitchState } from "../lib/switch-facts.ts";
import { host, openVswitch, switchBridge, switchState } from "./host.fixture.ts";
import type { HostCases } from "./host-cases.fixture.ts";

const state = (change: Partial<SwitchState>) => host({ ovs: openVswitch({ database: switchState(change) }) });
const bridge = (change: Partial<SwitchBridge>) => state({ bridges: [switchBridge(change)] });
const dead = { dead: "there is no such socket" };
const gone = { state: "gone", source: "/run/openvswitch/ovs-vswitchd.9.ctl", value: "ECONNREFUSED" } as const;
const behind = { state: "behind", source: "Open_vSwitch next_cfg, cur_cfg", value: "7, 6" } as const;
const unread = host({ ovs: openVswitch({ database: { unread: "the socket is for root: run as root" } }) });
const noDatabase = host({ ovs: openVswitch({ database: dead }) });
const listening = (target: string, more: Partial<SwitchListener> = {}) =>
  state({ listeners: [{ target, all: [target], ...more }] });
const { ovs: _, ...without } = host();

const lacking = (udpPort?: PortHolder) =>
  state({
    bridges: [
      switchBridge({
        broken: [
          {
            name: "ult1",
            error: "could not add network device ult1 to ofproto (Address already in use)",
            lacksUdpPort: true,
          },
        ],
      }),
    ],
    ...(udpPort && { udpPort }),
  });
const taken = (who: string) => `tunnels of bridge br0 cannot be made: UDP port 4789 is taken by ${who}`;

/** Hosts whose Open vSwitch something is wrong with. */
export const SWITCH_CASES: Readonly<Record<string, HostCases>> = {
  "UL-O01": {
    holds: [
      { host: noDatabase, message: "ovsdb-server does not answer" },
      {
        host: host({
          ovs: openVswitch({ bridges: [], database: dead }),
          boot: { unread: "no systemd" },
          docker: { ...host().docker, networks: 0 },
        }),
        message: "ovsdb-server does not answer",
      },
      { host: state({ vswitchd: gone }), message: "ovs-vswitchd does not run" },
      { host: state({ vswitchd: behind }), message: "ovs-vswitchd does not follow its database" },
      // It is why nothing else works.
      {
        host: state({
          vswitchd: gone,
          bridges: [
            switchBridge({
              works: false,
              isSecure: true,
              broken: [{ name: "ula", error: "no such device" }],
            }),
          ],
        }),
        message: "ovs-vswitchd does not run",
      },
    ],
    not: [host(), without, state({ vswitchd: { ...behind, state: "unknown" } })],
    skipped: [unread],
  },
  "UL-O02": {
    holds: [
      {
        host: bridge({ broken: [{ name: "ulabc", error: "could not open network device ulabc" }] }),
        message: "port ulabc of bridge br0 does not work",
      },
    ],
    not: [host(), without],
    skipped: [unread, noDatabase],
  },
  "UL-O04": {
    holds: [
      {
        host: bridge({ isSecure: true }),
        message: "bridge br0 forwards nothing: it is secure, and no controller is connected",
      },
      {
        host: bridge({ isSecure: true, flows: 0, controllers: ["tcp:192.0.2.7:6653"] }),
        message: "bridge br0 forwards nothing: it is secure, and no controller is connected",
      },
      {
        host: bridge({ isSecure: true, flows: 1 }),
        message: "bridge br0 is secure without a controller: it forwards until its flows are lost",
      },
    ],
    not: [host(), without, bridge({ isSecure: true, controllers: ["tcp:192.0.2.7"], isControlled: true })],
    skipped: [unread, noDatabase],
  },
  "UL-O05": {
    holds: [
      { host: bridge({ works: false }), message: "bridge br0 does not work: it has no datapath" },
      {
        host: bridge({ works: false, datapath: "netdev" }),
        message: "bridge br0 does not work: it has no datapath",
      },
      {
        host: bridge({ datapath: "netdev" }),
        message: "bridge br0 forwards in userspace, which is slower than in the kernel",
      },
    ],
    not: [host(), without],
    skipped: [unread, noDatabase],
  },
  "UL-O11": {
    holds: [
      { host: lacking(), message: taken("another") },
      { host: lacking({ kind: "process", name: "iperf (process 7)" }), message: taken("iperf (process 7)") },
      { host: lacking({ kind: "link", name: "vx0" }), message: taken("VXLAN link vx0") },
      { host: lacking({ kind: "elsewhere" }), message: taken("another namespace's link") },
    ],
    not: [host(), without, bridge({ broken: [{ name: "ulabc", error: "File exists" }] })],
    skipped: [unread, noDatabase],
  },
  "UL-O12": {
    holds: [
      {
        host: bridge({ isFlat: true }),
        message: "bridge br0 has no uplink: its containers reach each other and nobody else",
      },
    ],
    not: [host(), without, bridge({ isFlat: true, ways: ["eth1"] })],
    skipped: [unread, noDatabase],
  },
  "UL-O09": {
    holds: [
      ...["ptcp:6640", "ptcp:", "ptcp:6640:0.0.0.0", "ptcp:6640:[2001:db8::1]"].map((target) => ({
        host: listening(target, { all: ["tcp:192.0.2.7:6640", target] }),
        message: `whoever reaches ${target} may change the switch, without a password`,
      })),
      {
        host: listening("ptcp:6653", { bridge: "br0" }),
        message: "whoever reaches ptcp:6653 may change the flows of br0, without a password",
      },
    ],
    not: [host(), without, listening("ptcp:6640:127.0.0.1"), listening("ptcp:6640:[::1]")],
    skipped: [unread, noDatabase],
  },
};
