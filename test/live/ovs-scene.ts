import { join } from "node:path";
import { systemClock } from "../../src/lib/clock.ts";
import type { Problem } from "../../src/lib/errors.ts";
import { linkNameOf, switchPortNameOf } from "../../src/lib/ifname.ts";
import { deriveMac } from "../../src/lib/mac.ts";
import type { MoveStep } from "../../src/links/move-steps.ts";
import { type RemovedBridge, type SwitchBridges, switchBridges } from "../../src/links/ovs/bridges.ts";
import { type OvsDriver, ovsDriver, type Prepared } from "../../src/links/ovs/driver.ts";
import { type HostMover, hostMover } from "../../src/links/ovs/move/mover.ts";
import type { MoveRecords } from "../../src/links/ovs/move/record.ts";
import {
  bridgeIsSharedGateway,
  type OvsNetwork,
  SHARED_GATEWAY_MAC,
} from "../../src/links/ovs/network-ports.ts";
import { type SwitchPairs, switchPairs } from "../../src/links/ovs/pair.ts";
import { type SwitchPorts, switchPorts } from "../../src/links/ovs/ports.ts";
import { type BridgeWish, type PortWish, portRows } from "../../src/links/ovs/rows.ts";
import { portSecurity } from "../../src/links/ovs/security/port-security.ts";
import { type OvsSpec, parseOvs } from "../../src/links/ovs/spec.ts";
import { switchTunnels } from "../../src/links/ovs/tunnels.ts";
import { switchUplinks } from "../../src/links/ovs/uplink.ts";
import { UNTAGGED } from "../../src/links/ovs/vlans.ts";
import { Conversation } from "../../src/netlink/conversation.ts";
import { type Ethtool, ethtool } from "../../src/netlink/ethtool.ts";
import { NETLINK_GENERIC, NETLINK_ROUTE, openRequestSocket } from "../../src/netlink/open.ts";
import { inlineTransport } from "../../src/netlink/transport.ts";
import { keepOvsdb, type Ovsdb } from "../../src/ovsdb/client.ts";
import { parseTarget } from "../../src/ovsdb/target.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { openLibc } from "../../src/sys/libc.ts";
import { openNetns } from "../../src/sys/netns-path.ts";
import { moveRecords } from "../../src/wiring/guards.ts";
import { openTestNetns, type TestNetns } from "../ground/netns.ts";
import { type Switch, type SwitchOptions, startSwitch } from "../ground/ovs.ts";
import { must } from "../ground/run.ts";
import { until } from "../ground/until.ts";

/** An Open vSwitch of a test's own, and our side of it in the netns that its bridges are in. */
export interface OvsScene extends AsyncDisposable {
  readonly ovs: Switch;
  readonly home: Conversation;
  readonly features: Ethtool;
  readonly ovsdb: Ovsdb;
  readonly pairs: SwitchPairs;
  readonly ports: SwitchPorts;
  readonly bridges: SwitchBridges;
  readonly driver: OvsDriver;
  /** A network on its bridge, which is made where it is missing, and gone again when the network cannot be. */
  open(on: OvsNetwork): Promise<Prepared>;
  /** As its bridge's last. */
  close(on: OvsNetwork): Promise<RemovedBridge>;
  /** What the driver has logged at info, so far. */
  readonly said: readonly string[];
  readonly mover: HostMover;
  /** Of what was moved. Its guard is none. */
  readonly records: MoveRecords;
  /** What happens at the steps of a move. */
  readonly moving: { at?: (step: MoveStep) => void };
  /** Runs `ip` where the bridges are, words parted by blanks. */
  ip(words: string): Promise<string>;
  /** A container with that address whose link is a port of the bridge. */
  plug(name: string, address: string, wish?: Partial<PortWish>): Promise<Plugged>;
}

export interface Plugged {
  readonly inside: TestNetns;
  /** Of its port. */
  readonly name: string;
  reaches(address: string): boolean;
  /** The same in the end: ovs-vswitchd hears a little later that a link came up. */
  comesTo(address: string): Promise<void>;
}

export const BRIDGE = "ovsbr-test";
export const NETWORK = "docker:n1";

export const NEW_BRIDGE: BridgeWish = {
  name: BRIDGE,
  network: NETWORK,
  datapath: "netdev",
  datapathAsked: true,
  mac: deriveMac("test"),
  mtu: 1450,
};

export function endpoint(name: string): string {
  return `${NETWORK}/${name}`;
}

/** The port of an endpoint, without anything special. */
export function portOf(name: string): PortWish {
  const owner = endpoint(name);
  return {
    bridge: BRIDGE,
    name: switchPortNameOf(owner),
    ids: { network: NETWORK, endpoint: owner },
    vlans: UNTAGGED,
    isolate: false,
    rates: {},
  };
}

export function ovsdbAt(socket: string): Ovsdb {
  const problems: Problem[] = [];
  const target = parseTarget(`unix:${socket}`, "ovsdb", problems);
  if (!target) throw new Error(problems.map(({ message }) => message).join("; "));
  return keepOvsdb({ target });
}

export async function makeOvsScene(options: SwitchOptions): Promise<OvsScene> {
  await using undo = new AsyncDisposableStack();
  const ovs = undo.use(await startSwitch(options));
  const libc = openLibc();
  const netns = undo.adopt(openNetns(ovs.netns), (each) => each.close());
  const open = (protocol: number) =>
    undo.adopt(new Conversation(inlineTransport(openRequestSocket(libc, protocol, netns))), (each) =>
      each.close(),
    );
  const home = open(NETLINK_ROUTE);
  const features = ethtool(open(NETLINK_GENERIC));
  const ovsdb = undo.use(ovsdbAt(ovs.socket));
  const pairs = switchPairs(home, features);
  const ports = switchPorts(ovsdb);
  const bridges = switchBridges(ovsdb, home);
  const said: string[] = [];
  const security = undo.use(portSecurity({ rundir: ovs.rundir, clock: systemClock, log: () => undefined }));
  const moving: OvsScene["moving"] = {};
  const records = moveRecords(memoryStore().table("moves"));
  const mover = hostMover({
    ...{ home, database: ovsdb, ports, bridges, records, bootId: "now" },
    step: (name) => moving.at?.(name),
    postGuard: async () => ({ standDown: async () => undefined, leave: () => undefined }),
    awaitGuards: async () => undefined,
    pause: (milliseconds) => Bun.sleep(milliseconds),
    log: () => undefined,
  });
  const uplinks = switchUplinks(home, ports, mover);
  const driver = ovsDriver({
    ...{ security, home, database: ovsdb, pairs, ports, bridges, defaults: {} },
    tunnels: switchTunnels(ovsdb, ports, async () => undefined),
    uplinks,
    log: (level, message) => {
      if (level === "info") said.push(message);
    },
  });
  const ip = (words: string) => must(["nsenter", `--net=${ovs.netns}`, "ip", ...words.split(" ")]);
  const kept = undo.move();

  return {
    ...{ ovs, home, features, ovsdb, pairs, ports, bridges, driver, said, mover, records, moving, ip },
    async open(on) {
      const { bridge: name, network, spec } = on;
      const mac = bridgeIsSharedGateway(spec) ? SHARED_GATEWAY_MAC : deriveMac("scene", name);
      await using failed = new AsyncDisposableStack();
      const wasThere = (await bridges.find(name)) !== undefined;
      const { datapath = "netdev", mtu = 1450 } = spec;
      await bridges.ensure({ name, network, datapath, mtu, mac, datapathAsked: true, macIsShared: false });
      failed.defer(async () => {
        if (!wasThere) await bridges.remove(name, []);
      });
      const prepared = await driver.prepare(on);
      failed.move();
      return prepared;
    },
    async close(on) {
      await driver.dismantle(on);
      await uplinks.removeAll(on.bridge);
      return bridges.remove(on.bridge, []);
    },
    async plug(name, address, wish = {}) {
      const owner = endpoint(name);
      const { port } = await pairs.make({ owner, mtu: 1450, finishesChecksums: true });
      await ports.put(portRows({ ...portOf(name), ...wish }));
      const inside = kept.use(openTestNetns());
      await moveInto(ip, inside, linkNameOf(owner), address);
      return pluggedOf(inside, port.name, name);
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** As a container runtime does it. */
export async function moveInto(
  ip: OvsScene["ip"],
  inside: TestNetns,
  link: string,
  address: string,
): Promise<void> {
  await ip(`link set ${link} netns ${inside.path}`);
  inside.ip("link", "set", link, "name", "eth0");
  inside.ip("address", "add", address, "dev", "eth0");
  inside.ip("link", "set", "eth0", "up");
}

export function pluggedOf(inside: TestNetns, name: string, who: string): Plugged {
  return {
    inside,
    name,
    reaches: (other) => pings(inside, other),
    async comesTo(other) {
      await until(`${who} reaches ${other}`, () => pings(inside, other));
    },
  };
}

/** A network's spec, of options that parse. */
export function specOf(options: Readonly<Record<string, string>>): OvsSpec {
  const parsed = parseOvs({ datapath: "netdev", ...options }, {}, { ipv6: false });
  if ("problems" in parsed) throw new Error(parsed.problems.map(({ message }) => message).join("; "));
  return parsed.spec;
}

function pings(from: TestNetns, address: string): boolean {
  const ping = ["busybox", "ping", "-c1", "-W1", address];
  return Bun.spawnSync(["nsenter", `--net=${from.path}`, ...ping]).exitCode === 0;
}

const TRAFFIC = join(import.meta.dir, "ovs-traffic.fixture.ts");

/** Sends a TCP stream and a datagram to the address of the second; answers what of them came back. */
export async function exchange(from: string, to: string, address: string): Promise<string> {
  const server = Bun.spawn(["nsenter", `--net=${to}`, process.execPath, TRAFFIC, "serve"], {
    stdin: "pipe",
    stdout: "pipe",
  });
  try {
    const reader = server.stdout.getReader();
    await until("the server of the other end listens", async () => (await reader.read()).value);
    return await must(["nsenter", `--net=${from}`, process.execPath, TRAFFIC, "ask", address]);
  } finally {
    server.stdin.end();
    await server.exited;
  }
}

/** What `exchange` answers when all passes. */
export const ALL_PASSED = "tcp 2000000 udp 1200";
