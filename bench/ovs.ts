import { readFileSync } from "node:fs";
import { join } from "node:path";
import { portRows } from "../src/links/ovs/rows.ts";
import type { PrivateHost } from "../test/ground/host.ts";
import { startSwitch } from "../test/ground/ovs.ts";
import { startScene } from "../test/ground/scene.ts";
import { startLoneDaemon } from "../test/live/lone-daemon.ts";
import { BRIDGE, makeOvsScene, portOf } from "../test/live/ovs-scene.ts";
import { type Connection, keptConnection } from "./connection.ts";
import { type Figure, median, milliseconds, report } from "./figures.ts";

/**
 * Networks on Open vSwitch, with its userspace datapath: against Docker's own bridge, behind the same dockerd in turns;
 * one port against ovs-vsctl, in turns; and 500 endpoints on one bridge.
 */

const ROUNDS = 20;
const PORTS = 40;
const MANY = 500;
/** Of the many, at either end. */
const EDGE = 100;
/** Where `processes.c` is on a switch's host. */
const TIMER = "/tmp/processes";
const PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";

const DRIVERS = ["underlay-ovs", "bridge"] as const;
type Driver = (typeof DRIVERS)[number];
const OPERATIONS = ["network create", "connect", "disconnect", "network rm"] as const;
type Operation = (typeof OPERATIONS)[number];

/** As users have them: dockerd with its bridge and its rules of iptables, networks of mode nat. */
async function docker(): Promise<Figure[]> {
  await using scene = await startScene("newest");
  await using _ovs = await startSwitch({ age: "newest", host: scene.host });
  await scene.dockerd.stop();
  await scene.dockerd.start({ firewall: true });
  const unix = scene.host.outside("/run/docker.sock");
  const api = async (method: string, path: string, body?: object) => {
    const headers = { "content-type": "application/json" };
    const response = await fetch(`http://docker${path}`, {
      ...{ unix, method, headers },
      ...(body && { body: JSON.stringify(body) }),
    });
    const answer = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${answer}`);
  };

  const none = (): Record<Operation, number[]> => ({
    ...{ "network create": [], connect: [], disconnect: [], "network rm": [] },
  });
  const times: Record<Driver, Record<Operation, number[]>> = { "underlay-ovs": none(), bridge: none() };
  const oneRound = async (driver: Driver) => {
    const network = {
      ...{ Name: "bench", Driver: driver },
      Options: driver === "bridge" ? {} : { datapath: "netdev" },
      IPAM: { Config: [{ Subnet: "10.99.0.0/24", Gateway: "10.99.0.1" }] },
    };
    const one = { Container: "one", Force: true };
    const calls: Record<Operation, () => Promise<void>> = {
      "network create": () => api("POST", "/networks/create", network),
      connect: () => api("POST", "/networks/bench/connect", one),
      disconnect: () => api("POST", "/networks/bench/disconnect", one),
      "network rm": () => api("DELETE", "/networks/bench"),
    };
    for (const operation of OPERATIONS) times[driver][operation].push(await milliseconds(calls[operation]));
  };

  await scene.container("one", "--network", "none");
  await api("POST", "/networks/none/disconnect", { Container: "one", Force: true });
  for (let round = 0; round < ROUNDS; round++)
    for (const driver of round % 2 === 0 ? DRIVERS : DRIVERS.toReversed()) await oneRound(driver);
  await scene.clear();
  return OPERATIONS.map((operation) => ({
    what: `docker ${operation}, mode nat`,
    ours: median(times["underlay-ovs"][operation]),
    unit: "ms",
    peer: { name: "built-in bridge", value: median(times.bridge[operation]) },
    ...(operation === "connect" && { limit: 1.2 }),
  }));
}

/** Veth pairs with these names at one end; nobody uses the other. */
async function spareLinks(ip: (words: string) => Promise<string>, names: readonly string[]): Promise<void> {
  for (const name of names) await ip(`link add ${name} type veth peer name ${name}-`);
}

function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}`);
}

/** Milliseconds of whole ovs-vsctl processes on the switch's host, from posix_spawn to waitpid. */
async function vsctlTimes(host: PrivateHost, calls: readonly (readonly string[])[]): Promise<number[]> {
  const lines = calls.map((words) =>
    ["ovs-vsctl", "/usr/bin/ovs-vsctl", "/dev/null", PATH, ...words].join("\t"),
  );
  const said = await host.must([TIMER], { input: `${lines.join("\n")}\n`, timeoutMs: 120_000 });
  return said
    .trim()
    .split("\n")
    .map((line) => Number(line.split("\t")[1]) / 1000);
}

/** The transaction of one port and the wait for ovs-vswitchd: on our connection, and by a process of ovs-vsctl. */
async function database(): Promise<Figure[]> {
  await using scene = await makeOvsScene({ age: "newest" });
  const { host } = scene.ovs;
  await Bun.$`cc -O2 -static -o ${host.outside(TIMER)} bench/processes.c`;
  await scene.ovs.vsctl("add-br", BRIDGE, "--", "set", "bridge", BRIDGE, "datapath_type=netdev");
  const [puts, adds]: [number[], number[]] = [[], []];
  const [ours, theirs] = [names("ours", PORTS), names("theirs", PORTS)];
  await spareLinks(scene.ip, [...ours, ...theirs]);
  for (const [i, name] of ours.entries()) {
    const other = theirs[i] ?? "";
    const turns = [
      async () => {
        const rows = portRows({ ...portOf(name), name });
        puts.push(await milliseconds(() => scene.ports.put(rows)));
        await scene.ports.remove(name);
        // Else ovs-vsctl would wait for the end of this, too.
        await scene.ovsdb.applied([], []);
      },
      async () => {
        adds.push(...(await vsctlTimes(host, [["add-port", BRIDGE, other]])));
        await scene.ovs.vsctl("del-port", BRIDGE, other);
      },
    ];
    for (const turn of i % 2 === 0 ? turns : turns.toReversed()) await turn();
  }
  const peer = { name: "ovs-vsctl", value: median(adds) };
  const what = "a port put into the database, and taken by vswitchd";
  return [{ what, ours: median(puts), unit: "ms", peer, limit: 0.5 }];
}

const NETWORK = "1".repeat(64);
/** Of ovs-vsctl, with no ports and with all. */
const SAMPLES = 12;
/** The last hundred may take so many times what the first take. */
const LINEAR = 1.5;

/** Endpoints after which a daemon is as quick as it gets. */
const WARM_UP = 40;

interface Endpoint {
  readonly ids: { readonly NetworkID: string; readonly EndpointID: string };
  readonly address: string;
}

function endpoints(from: number, count: number): Endpoint[] {
  return Array.from({ length: count }, (_, i) => ({
    ids: { NetworkID: NETWORK, EndpointID: (from + i).toString(16).padStart(64, "0") },
    address: `10.60.${1 + ((from + i) >> 8)}.${(from + i) & 255}/16`,
  }));
}

/** Milliseconds for one endpoint, by the clock and of CPU by each who works on it. */
interface Cost {
  readonly clock: number;
  readonly daemon: number;
  readonly vswitchd: number;
}

/**
 * Endpoints in a daemon of its own, by the socket that dockerd would call and one after another. ovs-vswitchd goes over
 * all ports for each change, so what has to stay is told apart from what is its: CPU, and what ovs-vsctl waits for.
 */
async function many(): Promise<Figure[]> {
  await using daemon = await startLoneDaemon(["--log-level=warn"]);
  await using ovs = await startSwitch({ age: "newest", netns: daemon.netns });
  const life = { flags: [`--ovsdb=unix:${ovs.socket}`] };
  await daemon.stop();
  await daemon.start(life);
  const vswitchd = await ovs.host.must(["cat", "/run/openvswitch/ovs-vswitchd.pid"]);
  const others = names("other", 2 * SAMPLES);
  await Bun.$`cc -O2 -static -o ${ovs.host.outside(TIMER)} bench/processes.c`;
  await spareLinks(daemon.ip, others);

  const spent = async () => ({
    clock: performance.now(),
    daemon: cpuOf(readFileSync(`/proc/${daemon.pid()}/stat`, "utf8")),
    vswitchd: cpuOf(await ovs.host.must(["cat", `/proc/${vswitchd.trim()}/stat`])),
  });
  const connect = () => keptConnection(join(daemon.pluginDir, "underlay-ovs.sock"));
  /** One cost for each hundred. */
  const costs = async (work: (one: Endpoint, connection: Connection) => Promise<void>): Promise<Cost[]> => {
    await using connection = await connect();
    const found: Cost[] = [];
    for (let from = 0; from < MANY; from += EDGE) {
      const before = await spent();
      for (const one of endpoints(from, EDGE)) await work(one, connection);
      found.push(perEndpoint(before, await spent()));
    }
    return found;
  };
  const vsctl = (links: readonly string[]) =>
    vsctlTimes(
      ovs.host,
      links.map((name) => ["add-port", BRIDGE, name]),
    );

  {
    await using connection = await connect();
    await connection.call("CreateNetwork", {
      NetworkID: NETWORK,
      Options: { "com.docker.network.generic": { datapath: "netdev", bridge: BRIDGE } },
      IPv4Data: [{ AddressSpace: "LocalDefault", Pool: "10.60.0.0/16", Gateway: "10.60.0.1/16" }],
      IPv6Data: [],
    });
  }
  const atNone = await vsctl(others.slice(0, SAMPLES));
  const make = async ({ ids, address: Address }: Endpoint, { call }: Connection) => {
    const Interface = { Address, AddressIPv6: "", MacAddress: "" };
    await call("CreateEndpoint", { ...ids, Interface, Options: {} });
    await call("Join", { ...ids, SandboxKey: "/run/docker/netns/bench", Options: {} });
  };
  const drop = async ({ ids }: Endpoint, { call }: Connection) => {
    await call("Leave", ids);
    await call("DeleteEndpoint", ids);
  };
  /** A daemon that has just started is slower than it will be. */
  const warmUp = async () => {
    await using connection = await connect();
    for (const one of endpoints(MANY, WARM_UP)) {
      await make(one, connection);
      await drop(one, connection);
    }
  };
  await warmUp();
  const made = await costs(make);
  const atMany = await vsctl(others.slice(SAMPLES));
  const reconciles: number[] = [];
  const admin = join(daemon.runDir, "underlay.sock");
  for (let i = 0; i < 5; i++) reconciles.push(await milliseconds(() => reconcile(admin)));
  await daemon.kill9();
  const start = await milliseconds(() => daemon.start(life));
  await warmUp();
  const dropped = await costs(drop);
  return [
    ...growth("CreateEndpoint + Join", made),
    { what: "  ovs-vsctl add-port", ours: median(atMany), unit: "ms", peer: first(median(atNone)) },
    ...growth("Leave + DeleteEndpoint", dropped.toReversed()),
    { what: `a reconcile, ${MANY} ports on record`, ours: median(reconciles), unit: "ms", limit: 1000 },
    { what: `start after kill -9, ${MANY} ports on record`, ours: start, unit: "ms" },
  ];
}

/** Milliseconds of CPU by `/proc/PID/stat`, whose ticks are of 10 ms. */
function cpuOf(stat: string): number {
  const [, user, kernel] = /\) (?:\S+ ){11}(\d+) (\d+)/.exec(stat) ?? [];
  return 10 * (Number(user) + Number(kernel));
}

function perEndpoint(before: Cost, after: Cost): Cost {
  return {
    clock: (after.clock - before.clock) / EDGE,
    daemon: (after.daemon - before.daemon) / EDGE,
    vswitchd: (after.vswitchd - before.vswitchd) / EDGE,
  };
}

function first(value: number) {
  return { name: `first ${EDGE}`, value };
}

/** With most ports, against with fewest: `costs` are in that order. */
function growth(what: string, costs: readonly Cost[]): Figure[] {
  const [fewest, most] = [costs[0], costs.at(-1)];
  if (!fewest || !most) return [];
  const at = `the last ${EDGE} of ${MANY} ports`;
  return [
    { what: `${what}, ${at}`, ours: most.clock, unit: "ms", peer: first(fewest.clock), limit: LINEAR },
    { what: "  CPU of our daemon", ours: most.daemon, unit: "ms", peer: first(fewest.daemon), limit: LINEAR },
    { what: "  CPU of ovs-vswitchd", ours: most.vswitchd, unit: "ms", peer: first(fewest.vswitchd) },
  ];
}

async function reconcile(unix: string): Promise<void> {
  const body = JSON.stringify({ dry_run: false });
  const response = await fetch("http://underlay/v1/gc", { unix, method: "POST", body });
  if (!response.ok) throw new Error(await response.text());
}

/** `bun bench/ovs.ts database many` measures these only. */
const PARTS = { docker, database, many };

const asked = process.argv.slice(2);
const figures: Figure[] = [];
for (const [name, measure] of Object.entries(PARTS))
  if (asked.length === 0 || asked.includes(name)) figures.push(...(await measure()));
await report("ovs", figures);
