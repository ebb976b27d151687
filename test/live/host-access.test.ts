import { afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { HOST_STEPS } from "../../src/engine/steps.ts";
import { hostLinkNameOf, isHostLinkName } from "../../src/lib/ifname.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { must, run } from "../ground/run.ts";
import { until } from "../ground/until.ts";
import {
  createNetwork,
  type DockerCall,
  deleteNetwork,
  done,
  idOf,
  jsonOf,
  refused,
  statusOf,
} from "./docker-calls.ts";
import { type LoneDaemon, startLoneDaemon } from "./lone-daemon.ts";
import { type Sandbox, startSandbox } from "./sandbox.ts";

/** The host reaches its containers, and the LAN sees nothing of how. 10.60.0.2 is the host's, 10.60.0.3 on the LAN. */

const HOST = { v4: "10.60.0.2", v6: "fd60::2" } as const;
const PEER = { v4: "10.60.0.3", v6: "fd60::3" } as const;
const OWN = { v4: "10.60.0.9", v6: "fd60::9" } as const;

const NETWORK = idOf(1);
const LINK = hostLinkNameOf(`docker:${NETWORK}`);
const SHARED = { host_access: "true" } as const;
const GIVEN = { host_access: "true", host_address: `${OWN.v4},${OWN.v6}` } as const;

const things = disposedAfterAll();
let daemon: LoneDaemon;
let lan: Sandbox;
let boxes: readonly [Sandbox, Sandbox];

beforeAll(async () => {
  daemon = things.use(await startLoneDaemon(["--reconcile-interval=1s"]));
  lan = things.use(await startSandbox());
  boxes = [things.use(await startSandbox()), things.use(await startSandbox())];
});

beforeEach(async () => {
  await daemon.ip("link add lan0 type veth peer name lan1");
  await daemon.ip(`link set lan1 netns ${lan.key}`);
  await daemon.ip("link set lan0 up");
  await lan.ip("link set lan1 up");
  for (const [ip, dev, { v4, v6 }] of [
    [daemon.ip, "lan0", HOST],
    [lan.ip, "lan1", PEER],
  ] as const) {
    await ip(`address add ${v4}/16 dev ${dev}`);
    await ip(`address add ${v6}/64 dev ${dev} nodad`);
  }
  if (!daemon.isRunning()) await daemon.start();
});

afterEach(async () => {
  if (!daemon.isRunning()) await daemon.start();
  for (const network of [idOf(1), idOf(2)]) await done(daemon, deleteNetwork(network));
  for (const box of boxes) {
    for (const name of await box.links()) await box.ip(`link del ${name}`);
  }
  expect(await hostLinks()).toEqual([]);
  await daemon.ip("link del lan0");
});

/** A network of both families. */
function network(options: Readonly<Record<string, string>>, id = NETWORK, pool = "10.60.0.0/16"): DockerCall {
  const [method, message] = createNetwork(id, options, pool);
  const IPv6Data = [{ AddressSpace: "LocalDefault", Pool: "fd60::/64", Gateway: "fd60::1/64" }];
  const Options = {
    "com.docker.network.enable_ipv6": true,
    "com.docker.network.generic": { parent: "lan0", ...options },
  };
  return [method, { ...message, Options, IPv6Data }];
}

function life(serial: number, host: number, id = NETWORK, v6 = true) {
  const ids = { NetworkID: id, EndpointID: idOf(serial) };
  const Interface = {
    Address: `10.60.0.${host}/16`,
    AddressIPv6: v6 ? `fd60::${host}/64` : "",
    MacAddress: "",
  };
  return {
    host,
    v6,
    create: ["CreateEndpoint", { ...ids, Interface, Options: {} }],
    join: ["Join", { ...ids, SandboxKey: "/var/run/docker/netns/x", Options: {} }],
    leave: ["Leave", ids],
    remove: ["DeleteEndpoint", ids],
  } as const;
}

/** Starts a container, with its addresses, as dockerd does. */
async function start(box: Sandbox, container: ReturnType<typeof life>): Promise<void> {
  await done(daemon, container.create);
  await done(daemon, container.join);
  await box.take(daemon);
  await box.ip(`address add 10.60.0.${container.host}/16 dev eth0`);
  if (container.v6) await box.ip(`address add fd60::${container.host}/64 dev eth0 nodad`);
}

async function hostLinks(): Promise<string[]> {
  return (await daemon.links()).map(({ ifname }) => ifname).filter(isHostLinkName);
}

const isAnswered = async (path: string, from: readonly string[], address: string) =>
  (await run(["nsenter", `--net=${path}`, "busybox", "ping", "-c1", "-W2", ...from, address])).code === 0;
const hostPings = (address: string) => isAnswered(daemon.netns, [], address);
const pings = (box: Sandbox, address: string) => isAnswered(box.key, [], address);

async function routes(): Promise<string> {
  return (await daemon.ip("route show")) + (await daemon.ip("-6 route show"));
}

/** MACs that answer the LAN for an address, asked as a neighbour asks. */
async function macsOnLan(address: string): Promise<string[]> {
  const arping = await must([
    "nsenter",
    `--net=${lan.key}`,
    "busybox",
    "arping",
    "-c2",
    "-w3",
    "-I",
    "lan1",
    address,
  ]);
  return [...new Set(arping.match(/[0-9a-f]{2}(:[0-9a-f]{2}){5}/gi) ?? [])];
}

async function macOf(name: string): Promise<string> {
  return (await daemon.links()).find(({ ifname }) => ifname === name)?.address ?? "none";
}

describe("with the parent's own address", () => {
  const create = createNetwork(NETWORK, SHARED);

  test("host and containers reach each other while there is one, and no route of the LAN changes", async () => {
    const before = await routes();
    const toLan = await daemon.ip(`route get ${PEER.v4}`);
    await done(daemon, create);
    expect(await hostLinks()).toEqual([]);
    await start(boxes[0], life(11, 7, NETWORK, false));
    await start(boxes[1], life(12, 8, NETWORK, false));
    expect(await hostLinks()).toEqual([LINK]);
    for (const [box, address] of [
      [boxes[0], "10.60.0.7"],
      [boxes[1], "10.60.0.8"],
    ] as const) {
      expect([address, await hostPings(address), await pings(box, HOST.v4)]).toEqual([address, true, true]);
      expect(await pings(box, PEER.v4)).toBe(true);
    }
    expect(await daemon.ip(`address show dev ${LINK}`)).not.toContain("inet");
    expect(await daemon.ip(`route get ${PEER.v4}`)).toBe(toLan);
    const toContainers = (await daemon.ip(`route show dev ${LINK}`)).split("\n").map((line) => line.trim());
    expect(toContainers).toEqual(
      ["10.60.0.7", "10.60.0.8"].map((ip) => `${ip} proto static scope link src ${HOST.v4}`),
    );
    await done(daemon, life(11, 7).remove);
    expect(await hostPings("10.60.0.8")).toBe(true);
    expect(await daemon.ip(`route show dev ${LINK}`)).not.toContain("10.60.0.7");
    await done(daemon, life(12, 8).remove);
    expect(await hostLinks()).toEqual([]);
    expect(await routes()).toBe(before);
  });

  test("the LAN sees one MAC for it, and keeps it", async () => {
    await done(daemon, create);
    await start(boxes[0], life(11, 7, NETWORK, false));
    // Otherwise the kernel believes no second MAC within a second of the first.
    await must(["nsenter", `--net=${lan.key}`, "sysctl", "-qw", "net.ipv4.neigh.lan1.locktime=0"]);
    expect(await isAnswered(lan.key, [], HOST.v4)).toBe(true);
    expect(await hostPings("10.60.0.7")).toBe(true);
    expect(await pings(boxes[0], HOST.v4)).toBe(true);
    expect(await lan.ip(`neighbour show ${HOST.v4}`)).toContain(await macOf("lan0"));
    expect(await macsOnLan(HOST.v4)).toEqual([await macOf("lan0")]);
    expect(await boxes[0].ip(`neighbour show ${HOST.v4}`)).toContain(await macOf(LINK));
  });

  test("is refused for IPv6, and where the parent has none in the subnet", async () => {
    expect(await refused(daemon, network(SHARED))).toContain("IPv6 address cannot be shared");
    await daemon.ip("address flush dev lan0");
    expect(await refused(daemon, create)).toContain(
      "parent lan0 has no address in the network's IPv4 subnet",
    );
  });
});

describe("with an address of its own", () => {
  test("both families work both ways, on two networks of one parent, and inspect tells", async () => {
    await done(daemon, network(GIVEN));
    await done(daemon, createNetwork(idOf(2), SHARED));
    await start(boxes[0], life(11, 7));
    await start(boxes[1], life(12, 8, idOf(2), false));
    expect(await hostLinks()).toHaveLength(2);
    for (const address of ["10.60.0.7", "fd60::7", "10.60.0.8", PEER.v4, PEER.v6])
      expect([address, await hostPings(address)]).toEqual([address, true]);
    for (const address of [OWN.v4, OWN.v6, PEER.v4, PEER.v6])
      expect([address, await pings(boxes[0], address)]).toEqual([address, true]);
    expect(await pings(boxes[1], HOST.v4)).toBe(true);
    const told = await jsonOf<{ network: { host_access: unknown } }>(daemon, "network", "inspect", NETWORK);
    expect(told.network.host_access).toEqual({ link: LINK, addresses: [OWN.v4, OWN.v6] });
  });

  test("it is no container's and no other network's", async () => {
    await done(daemon, network(GIVEN));
    expect(await refused(daemon, life(11, 9).create)).toContain("--aux-address host=10.60.0.9");
    expect(await refused(daemon, network(GIVEN, idOf(2)))).toContain("that of another network already");
    for (const [address, words] of [
      ["10.61.0.9", "in no subnet"],
      ["10.60.0.1", "the gateway's"],
      [HOST.v4, "the parent's own"],
    ] as const)
      expect(
        await refused(daemon, createNetwork(idOf(2), { host_access: "true", host_address: address })),
      ).toContain(words);
  });
});

describe("by itself", () => {
  const reaches = () => until("the host reaches it", () => hostPings("10.60.0.7"));

  test.each([
    ["the link is deleted", () => daemon.ip(`link del ${LINK}`)],
    [
      "the daemon was not there when it was deleted",
      async () => {
        await daemon.kill9();
        await daemon.ip(`link del ${LINK}`);
        await daemon.start();
      },
    ],
  ] as const)("heals when %s", async (_, harm) => {
    await done(daemon, createNetwork(NETWORK, SHARED));
    await start(boxes[0], life(11, 7, NETWORK, false));
    const mac = await macOf(LINK);
    await harm();
    await reaches();
    expect(await macOf(LINK)).toBe(mac);
    expect(await pings(boxes[0], HOST.v4)).toBe(true);
  });

  test("the routes come back with the parent's address, at the next look", async () => {
    await done(daemon, createNetwork(NETWORK, SHARED));
    await start(boxes[0], life(11, 7, NETWORK, false));
    await daemon.ip(`address del ${HOST.v4}/16 dev lan0`);
    await daemon.ip("address add 10.60.0.4/16 dev lan0");
    await daemon.stop();
    await daemon.start();
    await reaches();
    expect(await daemon.ip(`route get 10.60.0.7`)).toContain("src 10.60.0.4");
  });

  test("a route deleted by hand comes back at the next look, and that is said", async () => {
    await done(daemon, createNetwork(NETWORK, SHARED));
    await start(boxes[0], life(11, 7, NETWORK, false));
    await daemon.ip(`route del 10.60.0.7/32 dev ${LINK}`);
    await reaches();
    const said = () => daemon.lines().some((line) => line.includes("somebody changed the host's own link"));
    await until("it is said", async () => said());
  });

  test("somebody else's route to a container is a finding, told when it begins and ends", async () => {
    await daemon.ip("route add 10.60.0.7/32 dev lan0");
    await done(daemon, createNetwork(NETWORK, SHARED));
    await start(boxes[0], life(11, 7, NETWORK, false));
    const found = async () => (await statusOf(daemon)).findings.filter(({ id }) => id === "UL-R06");
    const [finding] = await found();
    expect(finding?.message).toContain("a route to 10.60.0.7 is there already, by another link");
    expect((await daemon.cli("status")).stdout).toContain("UL-R06");
    await daemon.ip("route del 10.60.0.7/32 dev lan0");
    await reaches();
    await until("it is well", async () => (await found()).length === 0);
    const told = daemon.lines().filter((line) => line.includes("UL-R06"));
    expect(told.map((line) => line.match(/condition (begins|ended)/)?.[1])).toEqual(["begins", "ended"]);
  });

  test("nothing is done again and again", async () => {
    await done(daemon, createNetwork(NETWORK, SHARED));
    await start(boxes[0], life(11, 7, NETWORK, false));
    const monitor = Bun.spawn(["nsenter", `--net=${daemon.netns}`, "ip", "monitor", "link", "route"], {
      stdout: "pipe",
    });
    await Bun.sleep(2500);
    monitor.kill();
    expect(await new Response(monitor.stdout).text()).not.toContain(LINK);
  });
});

describe.each([...HOST_STEPS])("killed at %s", (step) => {
  test("it goes on where it was, and leaves nothing", async () => {
    await daemon.stop();
    await daemon.start({ env: { UNDERLAY_FAULT: `${step}:kill` } });
    const container = life(11, 7, NETWORK, false);
    const walk: readonly DockerCall[] = [
      createNetwork(NETWORK, SHARED),
      container.create,
      container.join,
      container.leave,
      container.remove,
      deleteNetwork(NETWORK),
    ];
    let deaths = 0;
    for (const call of walk) {
      const answered = await done(daemon, call).then(
        () => true,
        () => false,
      );
      if (!answered) {
        expect(await daemon.ended()).toBe("SIGKILL");
        deaths += 1;
        await daemon.start();
        await done(daemon, call);
      }
      if (call === container.join) {
        expect(await hostLinks()).toEqual([LINK]);
        expect(await daemon.ip(`route show dev ${LINK}`)).toContain("10.60.0.7");
      }
    }
    expect(deaths).toBe(1);
    expect(await hostLinks()).toEqual([]);
    expect(await statusOf(daemon)).toMatchObject({ networks: { total: 0 }, endpoints: { total: 0 } });
    expect((await jsonOf<{ actions: unknown[] }>(daemon, "gc", "--dry-run")).actions).toEqual([]);
  });
});
