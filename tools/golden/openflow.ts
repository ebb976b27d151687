import { connect, createServer, type Socket } from "node:net";
import type { Age } from "../../test/ground/engines.ts";
import { type Switch, startSwitch } from "../../test/ground/ovs.ts";
import { until } from "../../test/ground/until.ts";

/**
 * OpenFlow messages of `ovs-ofctl` and of ovs-vswitchd, byte for byte: a socket between the two writes down what passes. No code
 * of src takes part in it.
 */

/** `enum ofp_type` of the specification. */
const OFPT = {
  hello: 0,
  error: 1,
  echoRequest: 2,
  echoReply: 3,
  portStatus: 12,
  flowMod: 14,
  multipartRequest: 18,
  multipartReply: 19,
  barrierRequest: 20,
  barrierReply: 21,
  bundleControl: 33,
  bundleAdd: 34,
} as const;

type Direction = "sent" | "received";

export interface OpenflowCase {
  readonly name: string;
  /** Words of ovs-ofctl; `BRIDGE` stands for the socket. */
  readonly command: readonly string[];
  /** ovs-ofctl fails, because it is refused. */
  readonly fails?: true;
  /** Words of ovs-vsctl before it, and behind it to take that back. */
  readonly around?: readonly [readonly string[], readonly string[]];
  /** ovs-ofctl does not end by itself: words of ovs-vsctl that make it hear something. */
  readonly meanwhile?: readonly string[];
  readonly direction: Direction;
  readonly types: readonly number[];
}

const MAC = "02:00:00:00:00:05";
const OF14 = ["-O", "OpenFlow14"];
const OF13 = ["-O", "OpenFlow13"];

const flow = (name: string, match: string, actions: string, version = OF14): OpenflowCase => ({
  name,
  command: [...version, "add-flow", "BRIDGE", `cookie=0x756e640000000001,${match},actions=${actions}`],
  direction: "sent",
  types: [OFPT.flowMod],
});

/** On a bridge that speaks OpenFlow 1.0 alone. */
const old = (name: string, direction: Direction, type: number): OpenflowCase => ({
  name,
  command: [...OF13, "probe", "BRIDGE"],
  around: [
    ["set", "bridge", "br0", "protocols=OpenFlow10"],
    ["clear", "bridge", "br0", "protocols"],
  ],
  fails: true,
  direction,
  types: [type],
});

/** One by one, in this order, on a bridge with port 5. */
export const CASES: readonly OpenflowCase[] = [
  {
    name: "hello",
    command: ["-O", "OpenFlow13,OpenFlow14", "probe", "BRIDGE"],
    direction: "sent",
    types: [OFPT.hello],
  },
  { name: "helloReply", command: [...OF14, "probe", "BRIDGE"], direction: "received", types: [OFPT.hello] },
  { name: "echo", command: [...OF14, "probe", "BRIDGE"], direction: "sent", types: [OFPT.echoRequest] },
  {
    name: "echoReply",
    command: [...OF14, "probe", "BRIDGE"],
    direction: "received",
    types: [OFPT.echoReply],
  },
  flow("dropPort", "table=0,priority=40000,in_port=5", "drop"),
  flow("dropPort13", "table=0,priority=40000,in_port=5", "drop", OF13),
  flow("normalMac", `priority=1,in_port=5,dl_src=${MAC},dl_dst=ff:ff:ff:ff:ff:ff`, "NORMAL"),
  flow(
    "arp",
    `priority=40010,in_port=5,dl_src=${MAC},arp,arp_op=1,arp_spa=192.0.2.5,arp_tpa=192.0.2.1,arp_sha=${MAC},arp_tha=00:00:00:00:00:00`,
    "NORMAL",
  ),
  flow("ipv4", `priority=40010,in_port=5,dl_src=${MAC},ip,nw_src=192.0.2.5,nw_dst=192.0.2.1`, "NORMAL"),
  flow("udp", `priority=40010,in_port=5,dl_src=${MAC},udp,nw_src=0.0.0.0,tp_src=68,tp_dst=67`, "NORMAL"),
  flow("tcp", "priority=40010,in_port=5,tcp,tp_src=1024,tp_dst=80", "NORMAL"),
  flow("ipv6", `priority=40010,in_port=5,dl_src=${MAC},ipv6,ipv6_src=fd00::5,ipv6_dst=fd00::1`, "NORMAL"),
  flow("udp6", "priority=40020,in_port=5,udp6,tp_src=547,tp_dst=546", "drop"),
  flow("routerAdvertisement", "priority=40020,in_port=5,icmp6,icmp_type=134,icmp_code=0", "drop"),
  flow(
    "solicitation",
    `priority=40030,in_port=5,dl_src=${MAC},icmp6,ipv6_src=fd00::5,icmp_type=135,nd_target=fd00::1,nd_sll=${MAC}`,
    "NORMAL",
  ),
  flow(
    "advertisement",
    `priority=40030,in_port=5,dl_src=${MAC},icmp6,ipv6_src=fd00::5,icmp_type=136,nd_target=fd00::5,nd_tll=${MAC}`,
    "NORMAL",
  ),
  flow("tagged", "priority=7,dl_vlan=100", "NORMAL"),
  flow("untagged", "priority=7,vlan_tci=0x0000/0x1fff", "NORMAL"),
  flow("gotoTable", "priority=7,in_port=LOCAL", "goto_table:10"),
  flow("resubmit", "priority=8,in_port=LOCAL", "resubmit(,10)"),
  flow("maskedSource", "priority=9,ip,nw_src=192.0.2.0/24", "NORMAL"),
  {
    name: "barrier",
    command: [...OF14, "add-flow", "BRIDGE", "priority=7,in_port=LOCAL,actions=NORMAL"],
    direction: "sent",
    types: [OFPT.barrierRequest],
  },
  {
    name: "barrierReply",
    command: [...OF14, "add-flow", "BRIDGE", "priority=7,in_port=LOCAL,actions=NORMAL"],
    direction: "received",
    types: [OFPT.barrierReply],
  },
  {
    name: "bundle",
    command: [
      ...[...OF14, "--bundle", "add-flow", "BRIDGE"],
      "cookie=0x756e640000000001,priority=40000,in_port=5,actions=drop",
    ],
    direction: "sent",
    types: [OFPT.bundleControl, OFPT.bundleAdd],
  },
  {
    name: "bundleReply",
    command: [...OF14, "--bundle", "add-flow", "BRIDGE", "priority=1,in_port=5,actions=drop"],
    direction: "received",
    types: [OFPT.bundleControl],
  },
  {
    name: "flowsRequest",
    command: [...OF14, "--no-names", "dump-flows", "BRIDGE", "cookie=0x756e640000000000/0xffffff0000000000"],
    direction: "sent",
    types: [OFPT.multipartRequest],
  },
  {
    name: "flows",
    command: [...OF14, "--no-names", "dump-flows", "BRIDGE", "cookie=0x756e640000000000/0xffffff0000000000"],
    direction: "received",
    types: [OFPT.multipartReply],
  },
  {
    name: "noFlows",
    command: [...OF13, "--no-names", "dump-flows", "BRIDGE", "cookie=0x1/-1"],
    direction: "received",
    types: [OFPT.multipartReply],
  },
  {
    name: "portsRequest",
    command: [...OF14, "dump-ports-desc", "BRIDGE"],
    direction: "sent",
    types: [OFPT.multipartRequest],
  },
  {
    name: "ports",
    command: [...OF14, "dump-ports-desc", "BRIDGE"],
    direction: "received",
    types: [OFPT.multipartReply],
  },
  {
    name: "ports13",
    command: [...OF13, "dump-ports-desc", "BRIDGE"],
    direction: "received",
    types: [OFPT.multipartReply],
  },
  {
    name: "portAdded",
    command: [...OF14, "monitor", "BRIDGE", "128"],
    meanwhile: ["--may-exist", "add-port", "br0", "p6", "--", "set", "Interface", "p6", "ofport_request=6"],
    around: [
      ["--if-exists", "del-port", "p6"],
      ["del-port", "p6"],
    ],
    direction: "received",
    types: [OFPT.portStatus],
  },
  {
    name: "deleteByCookie",
    command: [...OF14, "del-flows", "BRIDGE", "cookie=0x756e640000000001/-1"],
    direction: "sent",
    types: [OFPT.flowMod],
  },
  {
    name: "deleteStrictly",
    command: [
      ...[...OF14, "--strict", "del-flows", "BRIDGE"],
      "cookie=0x756e640000000001/-1,table=0,priority=40000,in_port=5",
    ],
    direction: "sent",
    types: [OFPT.flowMod],
  },
  {
    name: "overlap",
    command: [...OF14, "add-flow", "BRIDGE", "check_overlap,priority=0,in_port=5,actions=drop"],
    fails: true,
    direction: "received",
    types: [OFPT.error],
  },
  {
    name: "noSuchGroup",
    command: [...OF14, "add-flow", "BRIDGE", "actions=group:99"],
    fails: true,
    direction: "received",
    types: [OFPT.error],
  },
  old("oldHello", "received", OFPT.hello),
  old("helloFailed", "sent", OFPT.error),
];

export interface Captured {
  readonly name: string;
  /** As a user would type it. */
  readonly command: string;
  readonly direction: Direction;
  /** Hex; xids and durations are zeroed. */
  readonly messages: readonly string[];
}

const PROXY = "/run/golden.sock";

/** All cases on an Open vSwitch of an age, or those of one direction. */
export async function captureOpenflow(
  age: Age,
  only: (wanted: OpenflowCase) => boolean = () => true,
): Promise<{ readonly version: string; readonly captured: readonly Captured[] }> {
  await using ovs = await startSwitch({ age });
  await setUp(ovs);
  const captured: Captured[] = [];
  for (const wanted of CASES) {
    if (!only(wanted)) continue;
    const { command, messages } = await capture(ovs, wanted);
    if (messages.length === 0) throw new Error(`${command}: no such message passed`);
    captured.push({ name: wanted.name, command, direction: wanted.direction, messages });
  }
  return { version: (await ovs.vsctl("--version")).split("\n")[0] ?? "", captured };
}

async function setUp(ovs: Switch): Promise<void> {
  const { host } = ovs;
  for (const [name, peer, mac] of [
    ["p5", "q5", MAC],
    ["p6", "q6", "02:00:00:00:00:06"],
  ] as const) {
    await host.must(["ip", "link", "add", name, "address", mac, "type", "veth", "peer", "name", peer]);
    await host.must(["ip", "link", "set", name, "up"]);
    await host.must(["ip", "link", "set", peer, "up"]);
  }
  await ovs.vsctl(
    ...["add-br", "br0", "--", "set", "Bridge", "br0", "datapath_type=netdev"],
    ...["other-config:hwaddr=02:00:00:00:00:0a"],
  );
  await ovs.vsctl("add-port", "br0", "p5", "--", "set", "Interface", "p5", "ofport_request=5");
}

async function capture(ovs: Switch, wanted: OpenflowCase) {
  const [before, behind] = wanted.around ?? [];
  if (before) await ovs.vsctl(...before);
  const { server, passed } = await listen(ovs);
  try {
    const argv = wanted.command.map((word) => (word === "BRIDGE" ? `unix:${PROXY}` : word));
    const taken = () =>
      messagesOf(Buffer.concat(passed[wanted.direction])).filter((message) =>
        wanted.types.includes(message[1] ?? -1),
      );
    if (wanted.meanwhile) {
      const monitor = await ovs.host.start(["ovs-ofctl", ...argv]);
      // SET_CONFIG, by which it asks to be told, then a barrier.
      await until("the monitor listens", () =>
        messagesOf(Buffer.concat(passed.received)).some((message) => message[1] === OFPT.barrierReply),
      );
      await ovs.vsctl(...wanted.meanwhile);
      await until("it is told", () => taken().length > 0);
      monitor.kill("SIGKILL");
      await monitor.exited;
    } else {
      const { code, stderr } = await ovs.host.run(["ovs-ofctl", "--timeout=10", ...argv]);
      if ((code !== 0) !== (wanted.fails === true)) throw new Error(`${argv.join(" ")}: ${code}: ${stderr}`);
    }
    const typed = wanted.command.map((word) => (word === "BRIDGE" ? "br0" : word)).join(" ");
    const messages = taken().map((message) => Buffer.from(withoutXids(message)).toString("hex"));
    return { command: `ovs-ofctl ${typed}`, messages };
  } finally {
    server.close();
    if (behind) await ovs.vsctl(...behind);
  }
}

async function listen(ovs: Switch) {
  const passed: Record<Direction, Buffer[]> = { sent: [], received: [] };
  const join = (from: Socket, to: Socket, direction: Direction) => {
    from.on("data", (bytes: Buffer) => {
      passed[direction].push(Buffer.from(bytes));
      to.write(bytes);
    });
    from.on("close", () => to.end());
    from.on("error", () => to.destroy());
  };
  const server = createServer((client) => {
    const bridge = connect(`${ovs.rundir}/br0.mgmt`);
    join(client, bridge, "sent");
    join(bridge, client, "received");
  });
  const path = ovs.host.outside(PROXY);
  await ovs.host.run(["rm", "-f", PROXY]);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return { server, passed };
}

function messagesOf(stream: Buffer): Buffer[] {
  const messages: Buffer[] = [];
  for (let at = 0; at + 8 <= stream.length; ) {
    const length = stream.readUInt16BE(at + 2);
    messages.push(stream.subarray(at, at + length));
    at += length;
  }
  return messages;
}

/** In a bundle another message follows, with the same xid; in an error, what it complains of. */
function withoutXids(message: Buffer): Buffer {
  const bytes = Buffer.from(message);
  bytes.writeUInt32BE(0, 4);
  if (bytes[1] === OFPT.bundleAdd) bytes.writeUInt32BE(0, 20);
  // OFPET_HELLO_FAILED has text there.
  if (bytes[1] === OFPT.error && bytes.readUInt16BE(8) !== 0) bytes.writeUInt32BE(0, 16);
  if (bytes[1] === OFPT.multipartReply && bytes.readUInt16BE(8) === 1) withoutDurations(bytes);
  return bytes;
}

/** `struct ofp_flow_stats`: length, table, then seconds and nanoseconds. */
function withoutDurations(reply: Buffer): void {
  for (let at = 16; at < reply.length; at += reply.readUInt16BE(at)) reply.fill(0, at + 4, at + 12);
}
