import { beforeAll, expect, test } from "bun:test";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { type Switch, startSwitch } from "../ground/ovs.ts";
import { until } from "../ground/until.ts";
import { type Box, openBox } from "./contract/box.ts";
import { type DockerCall, deleteNetwork, done, idOf, speakingTo, statusOf } from "./docker-calls.ts";
import { type LoneDaemon, startLoneDaemon } from "./lone-daemon.ts";

/**
 * A hundred containers that start at once on one network of Open vSwitch, whose addresses the driver gives
 * (`--ipam-driver null`), and the daemon that dies meanwhile.
 */

const MANY = 100;
const NETWORK = idOf(1);
const GATEWAY = "172.18.40.1";

const things = disposedAfterAll();
let daemon: LoneDaemon;
let ovs: Switch;
let flags: readonly string[];
let boxes: readonly Box[];

beforeAll(async () => {
  const lone = things.use(await startLoneDaemon());
  ovs = things.use(await startSwitch({ age: "newest", netns: lone.netns }));
  await lone.stop();
  daemon = speakingTo(lone, "underlay-ovs");
  flags = [`--ovsdb=unix:${ovs.socket}`];
  await daemon.start({ flags });
  boxes = await Promise.all(Array.from({ length: MANY }, (_, i) => openBox(i)));
  things.defer(async () => void (await Promise.all(boxes.map((box) => box[Symbol.asyncDispose]()))));
}, 600_000);

const CREATE: DockerCall = [
  "CreateNetwork",
  {
    NetworkID: NETWORK,
    Options: { "com.docker.network.generic": { datapath: "netdev", bridge: "br7" } },
    IPv4Data: [{ AddressSpace: "null", Pool: "0.0.0.0/0" }],
    IPv6Data: [],
  },
];
const idsOf = ({ serial }: Box) => ({ NetworkID: NETWORK, EndpointID: idOf(serial + 16) });

interface Started {
  readonly box: Box;
  readonly link: string;
  /** With its prefix length. */
  readonly address: string;
}

/** What dockerd says of a start, and what it does with the link. */
async function start(box: Box, isJoined: () => void = () => undefined): Promise<Started> {
  const ids = idsOf(box);
  const created = await done(daemon, ["CreateEndpoint", { ...ids, Interface: {}, Options: {} }]);
  const joined = await done(daemon, ["Join", { ...ids, SandboxKey: box.path(), Options: {} }]);
  isJoined();
  const started = { box, link: textIn(joined.body, "SrcName"), address: textIn(created.body, "Address") };
  await daemon.ip(`link set ${started.link} netns ${box.path()}`);
  box.ip(`link set ${started.link} name eth0 up`);
  box.ip(`address add ${started.address} dev eth0`);
  return started;
}

const textIn = (body: object, key: string) =>
  new RegExp(`"${key}":"([^"]*)"`).exec(JSON.stringify(body))?.[1] ?? "";

const end = (box: Box) => done(daemon, ["DeleteEndpoint", idsOf(box)]);

async function expectServed(started: readonly Started[]): Promise<void> {
  expect(new Set(started.map(({ address }) => address)).size).toBe(MANY);
  const ports = (await ovs.vsctl("list-ports", "br7")).split("\n");
  expect([ports.length, new Set(ports).size]).toEqual([MANY, MANY]);
  expect(await statusOf(daemon)).toMatchObject({ endpoints: { total: MANY, provisioned: MANY } });
  for (const { box } of [started.at(0), started.at(-1)].filter((one) => one !== undefined))
    await until("the gateway answers", () => box.pings(GATEWAY));
}

/** All end at once, as they began. */
async function expectAllGo(): Promise<void> {
  await Promise.all(boxes.map(end));
  expect(await ovs.vsctl("list-ports", "br7")).toBe("");
  expect(boxes.flatMap((box) => box.links())).toEqual([]);
  await done(daemon, deleteNetwork(NETWORK));
  expect(await ovs.vsctl("list-br")).toBe("");
  expect(await statusOf(daemon)).toMatchObject({ networks: { total: 0 }, endpoints: { total: 0 } });
}

test("a hundred start at once, each with a port and an address of its own, and none stays", async () => {
  await done(daemon, CREATE);
  await expectServed(await Promise.all(boxes.map((box) => start(box))));
  await expectAllGo();
}, 120_000);

test("the daemon is killed while they start: what had no answer is asked again, and all are served", async () => {
  await done(daemon, CREATE);
  const served: Started[] = [];
  const first = Promise.withResolvers<void>();
  const starting = Promise.allSettled(
    boxes.map(async (box) => void served.push(await start(box, first.resolve))),
  );
  await first.promise;
  await daemon.kill9();
  await daemon.start({ flags });
  await starting;
  const unanswered = boxes.filter((box) => !served.some((one) => one.box === box));
  expect(unanswered.length).toBeGreaterThan(0);
  // Docker gives such a container up, and the user starts it anew.
  await Promise.all(unanswered.map(end));
  await expectServed([...served, ...(await Promise.all(unanswered.map((box) => start(box))))]);
  await expectAllGo();
}, 120_000);
