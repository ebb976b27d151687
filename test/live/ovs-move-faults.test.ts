import { afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { MOVE_STEPS, RETURN_STEPS } from "../../src/links/move-steps.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { type TestNetns, testNetnsAt } from "../ground/netns.ts";
import { type Switch, startSwitch } from "../ground/ovs.ts";
import { until } from "../ground/until.ts";
import { type DockerCall, deleteNetwork, done, idOf, statusOf } from "./docker-calls.ts";
import { GATEWAY, HOST_ADDRESS, hostHas, NIC, pings, plugNic } from "./host-nic.ts";
import { type LoneDaemon, startLoneDaemon } from "./lone-daemon.ts";

/**
 * The daemon dies at every step while the host's addresses move to a bridge, and back. Nobody starts it again for a while:
 * the host is reached all the same. Then Docker repeats its call.
 */

const things = disposedAfterAll();
let daemon: LoneDaemon;
let ovs: Switch;
let host: TestNetns;
let lan: TestNetns;
let before: readonly string[];

beforeAll(async () => {
  const lone = things.use(await startLoneDaemon());
  ovs = things.use(await startSwitch({ age: "newest", netns: lone.netns }));
  host = things.use(testNetnsAt(lone.netns));
  Bun.spawnSync(["nsenter", `--net=${host.path}`, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0"]);
  await lone.stop();
  daemon = { ...lone, call: (method, message) => callOvs(lone, method, message) };
}, 600_000);
beforeEach(() => {
  lan = plugNic(host);
  before = hostHas(host, NIC);
});
afterEach(async () => {
  if (!daemon.isRunning()) await start();
  await done(daemon, deleteNetwork(NETWORK));
  await daemon.kill9();
  host.ip("link", "del", NIC);
  lan[Symbol.dispose]();
  expect(await ovs.vsctl("list-br")).toBe("");
});

const start = (env: Readonly<Record<string, string>> = {}) =>
  daemon.start({ env, flags: [`--ovsdb=unix:${ovs.socket}`] });

/** What dockerd says on the socket of the driver for Open vSwitch. */
async function callOvs({ pluginDir }: LoneDaemon, method: string, message?: object) {
  const response = await fetch(`http://plugin/NetworkDriver.${method}`, {
    method: "POST",
    unix: join(pluginDir, "underlay-ovs.sock"),
    keepalive: false,
    body: JSON.stringify(message),
  });
  const body: Record<string, unknown> = JSON.parse(await response.text());
  return { status: response.status, body };
}

const NETWORK = idOf(1);
const BRIDGE = "mv0";
const OPTIONS = { datapath: "netdev", bridge: BRIDGE, mode: "flat", uplink: NIC, uplink_migrate: "true" };
const CREATE: DockerCall = [
  "CreateNetwork",
  {
    NetworkID: NETWORK,
    Options: { "com.docker.network.generic": OPTIONS },
    IPv4Data: [{ AddressSpace: "LocalDefault", Pool: "192.0.2.0/24", Gateway: "192.0.2.254/24" }],
    IPv6Data: [],
  },
];

async function diesOf(call: DockerCall): Promise<void> {
  await daemon.call(...call).then(
    () => undefined,
    () => undefined,
  );
  expect(await daemon.ended()).toBe("SIGKILL");
}

/** Both ways, from the moment on in which nobody is at work. */
function expectReachable(): void {
  expect(pings(host, GATEWAY)).toBe(true);
  expect(pings(lan, HOST_ADDRESS)).toBe(true);
}

async function untilBack(): Promise<void> {
  await until("all is on the NIC again, which is no port", async () => {
    const ports = await ovs.vsctl("--format=csv", "--no-headings", "--columns=name", "list", "Port");
    return Bun.deepEquals(hostHas(host, NIC), before) && !ports.includes(NIC);
  });
}

/** From here on the guard is told that all is well. */
const CONFIRMED: readonly string[] = ["move.after-confirm", "move.after-moved"];

describe.each([...MOVE_STEPS])("killed at %s", (step) => {
  test("the host is reached without a daemon, and with the next one the network is there", async () => {
    await start({ UNDERLAY_FAULT: `${step}:kill` });
    await diesOf(CREATE);
    if (CONFIRMED.includes(step)) expect(hostHas(host, BRIDGE)).toEqual(before);
    else await untilBack();
    expectReachable();
    await start();
    await done(daemon, CREATE);
    expect(hostHas(host, BRIDGE)).toEqual(before);
    expectReachable();
    await done(daemon, deleteNetwork(NETWORK));
    await untilBack();
    expectReachable();
  });
});

describe.each([...RETURN_STEPS])("killed at %s", (step) => {
  test("the host is reached without a daemon, and the next one leaves nothing", async () => {
    await start();
    await done(daemon, CREATE);
    await daemon.stop();
    expectReachable();
    await start({ UNDERLAY_FAULT: `${step}:kill` });
    await diesOf(deleteNetwork(NETWORK));
    if (step !== "return.after-intent") await untilBack();
    expectReachable();
    await start();
    await done(daemon, deleteNetwork(NETWORK));
    await untilBack();
    expectReachable();
    expect(await statusOf(daemon)).toMatchObject({ networks: { total: 0 }, parents: [] });
  });
});

describe("somebody else, and the switch itself", () => {
  test("while the database does not answer, both links have all of it, and it is brought back later", async () => {
    await start({ UNDERLAY_RECONCILE_INTERVAL: "1s" });
    await done(daemon, CREATE);
    expect(await statusOf(daemon)).toMatchObject({ networks: { degraded: 0 }, findings: [] });
    await ovs.killDatabase();
    try {
      await daemon.call(...deleteNetwork(NETWORK));
      // In userspace the switch forwards nothing meanwhile.
      // Of IPv6 `ip` shows a route with a leg over each by neither.
      const shown = before.filter((line) => !/ via \S*:/.test(line));
      expect(hostHas(host, BRIDGE)).toEqual(shown);
      expect(hostHas(host, NIC)).toEqual(shown);
    } finally {
      await ovs.startDatabase();
    }
    await until("all is back", async () => (await ovs.vsctl("list-br")) === "", { withinMs: 30_000 });
    await untilBack();
    expectReachable();
  });

  test("a bridge that somebody deletes with the host's addresses on it comes back with them", async () => {
    await start();
    await done(daemon, CREATE);
    await ovs.vsctl("del-br", BRIDGE);
    await until("the bridge has them again", () => Bun.deepEquals(hostHas(host, BRIDGE), before));
    await until("the NIC is its port", async () => (await ovs.vsctl("list-ports", BRIDGE)) === NIC);
    expectReachable();
  });
});
