import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import { PARENT_STEPS, STEPS } from "../../src/engine/steps.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { type Switch, startSwitch } from "../ground/ovs.ts";
import { until } from "../ground/until.ts";
import { type DockerCall, deleteNetwork, done, idOf, jsonOf, statusOf } from "./docker-calls.ts";
import { type LoneDaemon, startLoneDaemon } from "./lone-daemon.ts";
import { speakingOvs } from "./ovs-calls.ts";
import { type Sandbox, startSandbox } from "./sandbox.ts";

/**
 * The daemon dies at every step while a network on Open vSwitch, with a gateway and a published port, comes and goes;
 * Docker repeats the call that had no answer. Nothing stays: not in the kernel, not in the switch, not in nftables.
 */

const things = disposedAfterAll();
let daemon: LoneDaemon;
let ovs: Switch;
let sandbox: Sandbox;

beforeAll(async () => {
  sandbox = things.use(await startSandbox());
  await sandbox.end();
  const lone = things.use(await startLoneDaemon());
  ovs = things.use(await startSwitch({ age: "newest", netns: lone.netns }));
  await lone.stop();
  daemon = speakingOvs(lone);
}, 600_000);
afterEach(async () => {
  await daemon.kill9();
});

const start = (env: Readonly<Record<string, string>> = {}) =>
  daemon.start({ env, flags: [`--ovsdb=unix:${ovs.socket}`] });

const NETWORK = idOf(1);
const CREATE: DockerCall = [
  "CreateNetwork",
  {
    NetworkID: NETWORK,
    Options: { "com.docker.network.generic": { datapath: "netdev", bridge: "br7" } },
    IPv4Data: [{ AddressSpace: "LocalDefault", Pool: "10.60.0.0/24", Gateway: "10.60.0.1/24" }],
    IPv6Data: [],
  },
];

function life(endpoint: string, host: number) {
  const ids = { NetworkID: NETWORK, EndpointID: endpoint };
  const Interface = { Address: `10.60.0.${host}/24`, AddressIPv6: "", MacAddress: "" };
  const port = { Proto: 6, IP: "", Port: 80, HostIP: "", HostPort: 8080, HostPortEnd: 8080 };
  const Options = { "com.docker.network.portmap": [port] };
  return {
    create: ["CreateEndpoint", { ...ids, Interface, Options }],
    join: ["Join", { ...ids, SandboxKey: sandbox.key, Options: {} }],
    leave: ["Leave", ids],
    remove: ["DeleteEndpoint", ids],
  } as const satisfies Readonly<Record<string, DockerCall>>;
}

/** A call, and what dockerd does with the link after it or before it, whether or not it was answered. */
async function say(call: DockerCall): Promise<void> {
  if (call[0] === "DeleteEndpoint") await sandbox.giveBack(daemon);
  await done(daemon, call);
  if (call[0] === "Join") await sandbox.take(daemon);
}

/** Lets it die at the step; answers the calls that are to be repeated. */
async function dieAt(step: string): Promise<readonly DockerCall[]> {
  await start({ UNDERLAY_FAULT: `${step}:kill` });
  const { create, join: joining, leave, remove } = life(idOf(2), 7);
  const walk: readonly DockerCall[] = [CREATE, create, joining, leave, remove, deleteNetwork(NETWORK)];
  for (const [i, call] of walk.entries()) {
    const answered = await say(call).then(
      () => true,
      () => false,
    );
    if (answered) continue;
    expect([step, await daemon.ended()]).toEqual([step, "SIGKILL"]);
    return walk.slice(i);
  }
  throw new Error(`step ${step} was never reached`);
}

async function expectNothing(): Promise<void> {
  expect(await statusOf(daemon)).toMatchObject({
    networks: { total: 0, degraded: 0 },
    endpoints: { total: 0, provisioned: 0 },
    parents: [],
    findings: [],
  });
  expect((await jsonOf<{ actions: unknown[] }>(daemon, "gc", "--dry-run")).actions).toEqual([]);
  expect(await ovs.vsctl("list-br")).toBe("");
  expect(await ovs.vsctl("--format=csv", "--no-headings", "--columns=name", "list", "Port")).toBe("");
  await until("no link of ours is left", async () => {
    // ovs-vswitchd takes the bridge's own away when it hears of it.
    const names = (await daemon.links()).map(({ ifname }) => ifname);
    return !names.some((name) => /^(ul|br7)/.test(name));
  });
  expect(await ovs.host.must(["nft", "list", "tables"])).not.toContain("underlay");
}

describe.each([...STEPS, ...PARENT_STEPS])("killed at %s", (step) => {
  test("it goes on where it was when the calls are repeated, and leaves nothing", async () => {
    const rest = await dieAt(step);
    await start();
    for (const call of rest) await say(call);
    await expectNothing();
  });

  test("the next container gets the same address and the same port", async () => {
    const [died, ...rest] = await dieAt(step);
    await sandbox.giveBack(daemon);
    await start();
    const [first, second] = [life(idOf(2), 7), life(idOf(3), 7)];
    if (rest.length > 0) {
      // Repeated when the network was not made; a no-op when it was.
      for (const call of [CREATE, second.create, second.join]) await done(daemon, call);
      expect((await ovs.vsctl("list-ports", "br7")).split("\n")).toHaveLength(1);
      for (const call of [second.remove, first.remove, deleteNetwork(NETWORK)]) await done(daemon, call);
    } else {
      expect(died?.[0]).toBe("DeleteNetwork");
      await done(daemon, deleteNetwork(NETWORK));
    }
    await expectNothing();
  });
});

describe("while ovs-vswitchd does not run", () => {
  test("a network is refused in words, in time, and nothing of it is there afterwards", async () => {
    await start();
    await ovs.killVswitchd();
    try {
      const { body } = await daemon.call(...CREATE);
      expect(body["Err"]).toContain("ovs-vswitchd");
      expect(await statusOf(daemon)).toMatchObject({ networks: { total: 0 } });
    } finally {
      await ovs.startVswitchd();
    }
    expect(await ovs.vsctl("list-br")).toBe("");
  });

  test("a container is refused, what runs stays, and it starts when the switch is back", async () => {
    await start();
    const [first, second] = [life(idOf(2), 7), life(idOf(3), 8)];
    for (const call of [CREATE, first.create, first.join]) await done(daemon, call);
    await ovs.killVswitchd();
    try {
      const late = { ...second.create[1], Options: {} };
      await done(daemon, ["CreateEndpoint", late]);
      const { body } = await daemon.call(...second.join);
      expect(body["Err"]).toContain("ovs-vswitchd");
    } finally {
      await ovs.startVswitchd();
    }
    expect((await ovs.vsctl("list-ports", "br7")).split("\n")).toHaveLength(1);
    await done(daemon, second.join);
    expect((await ovs.vsctl("list-ports", "br7")).split("\n")).toHaveLength(2);
    for (const call of [first.remove, second.remove, deleteNetwork(NETWORK)]) await done(daemon, call);
    await expectNothing();
  });
});

describe("while ovsdb-server does not run", () => {
  test("a network and its endpoints go, and the switch is told when it is back", async () => {
    await start({ UNDERLAY_STALE_AFTER: "1s", UNDERLAY_RECONCILE_INTERVAL: "500ms" });
    const first = life(idOf(2), 7);
    for (const call of [CREATE, first.create, first.join]) await done(daemon, call);
    await ovs.killDatabase();
    try {
      for (const call of [first.remove, deleteNetwork(NETWORK)]) await daemon.call(...call);
    } finally {
      await ovs.startDatabase();
    }
    // The call is answered in time, and the work may go on a little longer.
    await until(
      "the records are gone",
      async () => {
        const { networks, endpoints } = await statusOf(daemon);
        return networks.total + endpoints.total === 0;
      },
      { withinMs: 20_000 },
    );
    // The record of the bridge goes after it.
    const isDone = async () => {
      const { actions } = await jsonOf<{ actions: unknown[] }>(daemon, "gc", "--dry-run");
      return actions.length === 0 && (await ovs.vsctl("list-br")) === "";
    };
    await until("the bridge is gone", isDone, { withinMs: 30_000 });
    await expectNothing();
  });
});
