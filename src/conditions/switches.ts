import type { HostFacts } from "../lib/host-facts.ts";
import type { SwitchBridge, SwitchFacts, SwitchListener, SwitchState } from "../lib/switch-facts.ts";
import type { Condition, Fix, Judgement, Skipped, Subject } from "./condition.ts";
import { shellWord } from "./say.ts";

/** Whether Open vSwitch does what networks on it need. Asked only where there is one, or a network on one. */

const SWITCH: Subject = { kind: "host", name: "Open vSwitch" };

const notServing: Condition = {
  id: "UL-O01",
  title: "Open vSwitch does not serve",
  severity: "fail",
  refuses: false,
  confidence: "certain",
  explain:
    "Open vSwitch is two programs: ovsdb-server keeps what is wanted, and ovs-vswitchd makes it so. Without the first one " +
    "networks and endpoints on it cannot be made; without the second one they are written down and nothing comes of it, " +
    "and in time the call fails.",
  judgeHost({ ovs, boot }) {
    if (ovs === undefined) return [];
    const { database, target } = ovs;
    const used = [...ovs.bridges, ...("known" in database ? database.known.bridges : [])];
    // Nobody waits for a switch that no network is on.
    const severity = used.length > 0 ? "fail" : "warn";
    if ("unread" in database) return { skipped: database.unread };
    if ("dead" in database) {
      return [
        {
          subject: SWITCH,
          severity,
          message: "ovsdb-server does not answer",
          evidence: [{ source: target, value: database.dead }],
          fix: [
            service(boot, "start", "ovsdb-server"),
            { say: "where it is asked is the setting ovsdb", run: "underlay config show" },
          ],
        },
      ];
    }
    const { state, source, value } = database.known.vswitchd;
    if (state === "runs" || state === "unknown") return [];
    const isGone = state === "gone";
    return [
      {
        subject: SWITCH,
        severity,
        message: isGone ? "ovs-vswitchd does not run" : "ovs-vswitchd does not follow its database",
        evidence: [{ source, value }],
        fix: [service(boot, isGone ? "start" : "restart", "ovs-vswitchd")],
      },
    ];
  },
};

function service(boot: HostFacts["boot"], verb: "start" | "restart", name: string): Fix {
  const say = `${verb} ${name}`;
  return "unread" in boot ? { say } : { say, run: `systemctl ${verb} ${name}.service` };
}

const secureAlone: Condition = {
  id: "UL-O04",
  title: "a bridge waits for a controller",
  severity: "fail",
  refuses: false,
  confidence: "likely",
  explain:
    "A bridge whose fail_mode is secure forwards nothing but what flows allow, and a controller has to bring these. Where none is " +
    "connected the ports are there and no frame passes; flows that are in it from before, or by hand, are lost when " +
    "ovs-vswitchd starts again.",
  hiddenBy: ["UL-O01"],
  judgeHost: onBridges(({ bridges }) => bridges.flatMap(ofSecure)),
};

function ofSecure({ name, isSecure, isControlled, controllers, flows }: SwitchBridge): Judgement[] {
  if (!isSecure || isControlled) return [];
  const has = controllers.length > 0 ? `${controllers.join(", ")}, not connected` : "none";
  const passes = flows !== undefined && flows > 0;
  return [
    {
      subject: { kind: "parent", name },
      ...(passes && { severity: "warn", confidence: "possible" }),
      ...(flows === 0 && { confidence: "certain" }),
      message: passes
        ? `bridge ${name} is secure without a controller: it forwards until its flows are lost`
        : `bridge ${name} forwards nothing: it is secure, and no controller is connected`,
      evidence: [
        { source: `Bridge ${name} fail_mode`, value: "secure" },
        { source: `Bridge ${name} controller`, value: has },
        ...(flows === undefined ? [] : [{ source: `OpenFlow of ${name}`, value: `${flows} flows` }]),
      ],
      fix: [
        {
          say: "let it forward as a switch does while there is no controller",
          run: `ovs-vsctl set-fail-mode ${shellWord(name)} standalone`,
        },
        ...(controllers.length > 0 ? [{ say: "or start the controller" }] : []),
      ],
    },
  ];
}

const datapath: Condition = {
  id: "UL-O05",
  title: "a bridge does not forward in the kernel",
  severity: "fail",
  refuses: false,
  confidence: "certain",
  explain:
    "Frames are forwarded by the kernel's module openvswitch, or, with datapath=netdev, by ovs-vswitchd itself. That costs processor " +
    "time for each frame and ends with ovs-vswitchd. A bridge for which neither can be had exists in name alone.",
  hiddenBy: ["UL-O01"],
  judgeHost: onBridges(({ bridges }, { module }) =>
    bridges.flatMap(({ name, datapath: type, works }): Judgement[] => {
      if (type === "system" && works) return [];
      const has = ["loaded", "built in", "loadable"].includes(module.state);
      const load: Fix[] = has
        ? [
            { say: "load the module", run: "modprobe openvswitch" },
            { say: "and restart ovs-vswitchd, which has looked for it once" },
          ]
        : [{ say: "use a kernel that has the module openvswitch" }];
      const evidence = [
        { source: `Bridge ${name} datapath_type`, value: type },
        { source: module.source, value: `openvswitch: ${module.state}` },
      ];
      const subject: Subject = { kind: "parent", name };
      if (works) {
        const say = "for more speed make the bridge anew with datapath=system, on a kernel with openvswitch";
        const message = `bridge ${name} forwards in userspace, which is slower than in the kernel`;
        return [{ subject, severity: "info", message, evidence, fix: [{ say }] }];
      }
      const needs = "give ovs-vswitchd /dev/net/tun and the capabilities NET_ADMIN and NET_RAW";
      return [
        {
          subject,
          message: `bridge ${name} does not work: it has no datapath`,
          evidence: [{ source: `Bridge ${name} datapath_id`, value: "none" }, ...evidence],
          fix:
            type === "netdev" ? [{ say: needs }] : [...load, { say: "or make it anew with datapath=netdev" }],
        },
      ];
    }),
  ),
};

const brokenPort: Condition = {
  id: "UL-O02",
  title: "a port does not work",
  severity: "warn",
  refuses: false,
  confidence: "certain",
  explain:
    "ovs-vswitchd could not take a link that a port names: mostly the link is gone, because a container or the host " +
    "ended without a farewell, and the port stayed in the database. It harms nobody until its name is wanted again.",
  hiddenBy: ["UL-O01", "UL-O05"],
  judgeHost: onBridges(({ bridges }) =>
    bridges.flatMap(({ name: bridge, broken }) =>
      broken
        .filter(({ lacksUdpPort: lacks }) => !lacks)
        .map(({ name, error }) => ({
          subject: { kind: "parent", name: bridge } as const,
          message: `port ${name} of bridge ${bridge} does not work`,
          evidence: [{ source: `Interface ${name} error`, value: error }],
          fix: [
            { say: "remove what endpoints have left, and see again", run: "underlay gc" },
            { say: "or start its container anew" },
          ],
        })),
    ),
  ),
};

const open: Condition = {
  id: "UL-O09",
  title: "the switch listens to the network",
  severity: "warn",
  refuses: false,
  confidence: "likely",
  explain:
    "Open vSwitch was told to listen on TCP at an address that is not loopback. Neither OVSDB nor OpenFlow over plain TCP has a " +
    "password: whoever reaches the port makes bridges, ports and mirrors, or flows. Underlay needs no such port. " +
    "A firewall may stand before it, which is not looked at.",
  judgeHost: onBridges(({ listeners }) =>
    listeners.filter(({ target }) => !isLoopback(target)).map(ofListener),
  ),
};

/** `ptcp:[PORT][:ADDRESS]` of ovsdb(7); without an address it is all of them. */
function isLoopback(target: string): boolean {
  const [, address = ""] = /^ptcp:\d*:\[?([^\]]*)\]?$/.exec(target) ?? [];
  return address.startsWith("127.") || address === "::1";
}

function ofListener({ bridge, target, all }: SwitchListener): Judgement {
  const [, port = ""] = /^ptcp:(\d*)/.exec(target) ?? [];
  const private_ = `ptcp:${port || (bridge === undefined ? 6640 : 6653)}:127.0.0.1`;
  const rest = all.map((one) => shellWord(one === target ? private_ : one)).join(" ");
  return {
    subject: bridge === undefined ? SWITCH : { kind: "parent", name: bridge },
    message:
      bridge === undefined
        ? `whoever reaches ${target} may change the switch, without a password`
        : `whoever reaches ${target} may change the flows of ${bridge}, without a password`,
    evidence: [{ source: bridge === undefined ? "Manager" : `Controller of ${bridge}`, value: target }],
    fix: [
      {
        say: "let it listen on loopback alone",
        run: `ovs-vsctl ${bridge === undefined ? "set-manager" : `set-controller ${shellWord(bridge)}`} ${rest}`,
      },
    ],
  };
}

export const SWITCH_CONDITIONS: readonly Condition[] = [notServing, datapath, secureAlone, brokenPort, open];

/** Nothing where there is no Open vSwitch; skipped where its database is not read, which UL-O01 tells. */
export function onBridges(
  judge: (state: SwitchState, facts: SwitchFacts) => readonly Judgement[],
): (host: HostFacts) => readonly Judgement[] | Skipped {
  return ({ ovs }) => {
    if (ovs === undefined) return [];
    const { database } = ovs;
    if ("unread" in database) return { skipped: database.unread };
    if ("dead" in database) return { skipped: `ovsdb-server does not answer at ${ovs.target}` };
    return judge(database.known, ovs);
  };
}
