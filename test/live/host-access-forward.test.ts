import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { must, run } from "../ground/run.ts";
import { createNetwork, deleteNetwork, done, endpointLife, idOf } from "./docker-calls.ts";
import { type LoneDaemon, startLoneDaemon } from "./lone-daemon.ts";
import { type Sandbox, startSandbox } from "./sandbox.ts";

/**
 * A machine behind the host, which forwards for it, and a container on the LAN. The way there is the host's; the way
 * back is the container's own business, whose default route goes to the LAN's router.
 */

const NETWORK = idOf(1);
const HOST = "10.60.0.2";
const OWN = "10.60.0.9";
const CONTAINER = "10.60.0.7";
const ROUTER = "10.60.0.1";
const BEHIND = { net: "10.99.5.0/24", host: "10.99.5.1", machine: "10.99.5.2" } as const;

const things = disposedAfterAll();
let daemon: LoneDaemon;
let router: Sandbox;
let machine: Sandbox;

const inHost = (argv: readonly string[]) => must(["nsenter", `--net=${daemon.netns}`, ...argv]);
const forwards = (netns: string, value: 0 | 1) =>
  must(["nsenter", `--net=${netns}`, "sysctl", "-qw", `net.ipv4.ip_forward=${value}`]);

beforeAll(async () => {
  daemon = things.use(await startLoneDaemon());
  router = things.use(await startSandbox());
  machine = things.use(await startSandbox());
  for (const [name, other, where, address, peer] of [
    ["lan0", "lan1", router, `${HOST}/16`, `${ROUTER}/16`],
    ["behind0", "behind1", machine, `${BEHIND.host}/24`, `${BEHIND.machine}/24`],
  ] as const) {
    await daemon.ip(`link add ${name} type veth peer name ${other}`);
    await daemon.ip(`link set ${other} netns ${where.key}`);
    await daemon.ip(`address add ${address} dev ${name}`);
    await daemon.ip(`link set ${name} up`);
    await where.ip(`address add ${peer} dev ${other}`);
    await where.ip(`link set ${other} up`);
  }
  await machine.ip(`route add default via ${BEHIND.host}`);
  await forwards(daemon.netns, 1);
  await forwards(router.key, 1);
});

const pings = async (box: Sandbox, address: string) =>
  (await run(["nsenter", `--net=${box.key}`, "busybox", "ping", "-c1", "-W1", address])).code === 0;

/** Both ways, as a machine and a container see it. */
const reachEachOther = async (container: Sandbox) =>
  (await pings(machine, CONTAINER)) && (await pings(container, BEHIND.machine));

describe.each([
  { what: "the parent's own address", options: {}, host: HOST },
  { what: "an address of the host's own", options: { host_address: OWN }, host: OWN },
])("by $what", ({ options, host }) => {
  let container: Sandbox;

  beforeAll(async () => {
    container = await startSandbox();
    const life = endpointLife(NETWORK, idOf(11), 7);
    await done(daemon, createNetwork(NETWORK, { host_access: "true", ...options }));
    await done(daemon, life.create);
    await done(daemon, life.join);
    await container.take(daemon);
    await container.ip(`address add ${CONTAINER}/16 dev eth0`);
    await container.ip(`route add default via ${ROUTER}`);
  });
  afterAll(async () => {
    await done(daemon, endpointLife(NETWORK, idOf(11), 7).remove);
    await done(daemon, deleteNetwork(NETWORK));
    await container[Symbol.asyncDispose]();
  });

  test("without a route back only the host reaches it", async () => {
    expect(await inHost(["busybox", "ping", "-c1", "-W2", CONTAINER])).toContain("1 packets received");
    expect(await pings(machine, CONTAINER)).toBe(false);
  });

  test("with a route in the container", async () => {
    await container.ip(`route add ${BEHIND.net} via ${host}`);
    expect(await reachEachOther(container)).toBe(true);
    await container.ip(`route del ${BEHIND.net}`);
    expect(await pings(machine, CONTAINER)).toBe(false);
  });

  test("with a route in the LAN's router, to the host's address on the LAN", async () => {
    await router.ip(`route add ${BEHIND.net} via ${HOST}`);
    expect(await reachEachOther(container)).toBe(true);
    await router.ip(`route del ${BEHIND.net}`);
  });

  test("not when the host does not forward", async () => {
    await container.ip(`route add ${BEHIND.net} via ${host}`);
    await forwards(daemon.netns, 0);
    expect(await pings(machine, CONTAINER)).toBe(false);
    await forwards(daemon.netns, 1);
    expect(await pings(machine, CONTAINER)).toBe(true);
  });
});
