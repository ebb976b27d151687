import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { NetworkRecord, ParentRecord } from "../src/engine/records.ts";
import { layersOf } from "../src/links/parent/plan.ts";
import { parseParent } from "../src/links/parent/ref.ts";
import { openStore } from "../src/store/sqlite.ts";
import { startLoneDaemon } from "../test/live/lone-daemon.ts";
import { keptConnection } from "./connection.ts";
import { type Figure, median, milliseconds, report } from "./figures.ts";

/**
 * A trunk full of VLANs, a network on each. The kernel of an ordinary CI machine has no 802.1Q, so there are two halves:
 *
 * - `recorded`: a daemon starts with the records of another boot, whose links are not there and cannot be made. Every
 *   network is degraded and has a finding: the most that can be held and said of each.
 * - `there`: links of another kind bear the VLANs' names, which are used as they are. A daemon starts with them, and makes
 *   networks over the plugin's socket when there are few and when there are many. What the kernel takes to make the VLANs
 *   is left out. A kernel of which no modules.builtin tells what it has lists all links for each create.
 */

const SIZES = [1024, 2048, 4094] as const;
const FULL = 4094;
/** How often a verb is run, and how many networks are made one after another. */
const TIMES = 11;
const SAMPLE = 64;
/** Milliseconds after the last call until what is resident is what stays. */
const SETTLES = 15_000;

const idOf = (vid: number) => vid.toString(16).padStart(64, "0");
const parentOf = (vid: number) => `lan0.${vid}`;
const vidsTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

function createBody(vid: number): object {
  return {
    NetworkID: idOf(vid),
    Options: { "com.docker.network.generic": { parent: parentOf(vid) } },
    IPv4Data: [
      { AddressSpace: "LocalDefault", Pool: poolOf(vid), Gateway: poolOf(vid).replace("0/24", "1/24") },
    ],
    IPv6Data: [],
  };
}

function poolOf(vid: number): string {
  return `10.${100 + (vid >> 8)}.${vid & 255}.0/24`;
}

type Daemon = Awaited<ReturnType<typeof startLoneDaemon>>;

async function trunk(daemon: Daemon): Promise<void> {
  await daemon.ip("link add lan0 type veth peer name lan1");
  await daemon.ip("link set lan1 up");
  await daemon.ip("link set lan0 up");
}

/** Links by the names of VLANs. An ifb is the cheapest that is Ethernet and can carry a macvlan. */
async function standIns(daemon: Daemon, vids: readonly number[]): Promise<void> {
  const lines = vids.flatMap((vid) => [
    `link add ${parentOf(vid)} type ifb`,
    `link set ${parentOf(vid)} arp on up`,
  ]);
  const file = join(daemon.stateDir, "..", "links");
  writeFileSync(file, lines.map((line) => `${line}\n`).join(""));
  await daemon.ip(`-batch ${file}`);
}

/** What a boot before this one left: copies of the record that the daemon wrote of a first network. */
async function record(daemon: Daemon, vids: readonly number[]): Promise<void> {
  const store = openStore(daemon.stateDir);
  const networks = store.table<NetworkRecord>("networks");
  const parents = store.table<ParentRecord>("parents");
  const model = networks.list()[0]?.body;
  if (model === undefined) throw new Error("the first network is not recorded");
  const bootId = "00000000-0000-0000-0000-000000000000";
  for (const vid of vids) {
    const name = parentOf(vid);
    const owner = model.owner.replace(/[0-9a-f]{64}/, idOf(vid));
    const reading = parseParent(name);
    if ("problem" in reading) throw new Error(reading.problem);
    const parent = reading.value;
    const body: NetworkRecord = {
      ...model,
      owner,
      options: { parent: name },
      spec: { ...model.spec, parent },
      parent: { ...model.parent, name, ifindex: 10 + vid, bootId },
      subnets: [{ pool: poolOf(vid), gateway: poolOf(vid).replace("0/24", "1"), aux: {} }],
    };
    await networks.put(owner, body, networks.get(owner)?.version ?? 0);
    for (const layer of layersOf(parent, owner)) {
      const made = { owner: layer.name, layer, state: "made", bootId, ifindex: 10 + vid } as const;
      const known = parents.get(layer.name)?.version ?? 0;
      await parents.put(layer.name, { ...made, createdAt: model.createdAt }, known);
    }
  }
  store.close();
}

function residentMegabytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

/** The whole program, as typed: its start, what it asks, and what it prints. */
async function verb(daemon: Daemon, ...words: readonly string[]): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < TIMES; i++) {
    times.push(
      await milliseconds(async () => {
        const { code, stderr } = await daemon.cli(...words);
        if (code !== 0) throw new Error(`${words.join(" ")}: ${stderr}`);
      }),
    );
  }
  return median(times);
}

/** 1 where the time grows as the number does. */
function linearity(times: ReadonlyMap<number, number>): number {
  const [least, most] = [times.get(SIZES[0]) ?? Number.NaN, times.get(FULL) ?? Number.NaN];
  return most / FULL / (least / SIZES[0]);
}

async function started(daemon: Daemon): Promise<number> {
  return milliseconds(() => daemon.start());
}

function scaled(what: string, times: ReadonlyMap<number, number>, limit?: number): Figure[] {
  return [
    ...[...times].map(([size, ours]): Figure => {
      const isLimited = size === FULL && limit !== undefined;
      return { what: `${what}, ${size}`, ours, unit: "ms", ...(isLimited && { limit }) };
    }),
    {
      what: `${what}: each of ${FULL} to each of ${SIZES[0]}`,
      ours: linearity(times),
      unit: "ratio",
      limit: 1.5,
    },
  ];
}

async function listed(daemon: Daemon, state: string): Promise<Figure[]> {
  return [
    {
      what: `network ls, ${FULL} ${state}`,
      ours: await verb(daemon, "network", "ls"),
      unit: "ms",
      limit: 200,
    },
    {
      what: `network ls -o json, ${FULL} ${state}`,
      ours: await verb(daemon, "network", "ls", "-o", "json"),
      unit: "ms",
    },
    { what: `status, ${FULL} ${state}`, ours: await verb(daemon, "status"), unit: "ms" },
  ];
}

async function rested(daemon: Daemon, state: string): Promise<Figure> {
  await Bun.sleep(SETTLES);
  const what = `resident memory, ${FULL} ${state}`;
  return { what, ours: residentMegabytes(daemon.pid()), unit: "MB", limit: 100 };
}

async function recorded(): Promise<Figure[]> {
  await using daemon = await startLoneDaemon(["--log-level=error"]);
  await trunk(daemon);
  await standIns(daemon, [1]);
  const { body } = await daemon.call("CreateNetwork", createBody(1));
  if (body["Err"] !== undefined) throw new Error(JSON.stringify(body));
  await daemon.stop();
  await daemon.ip(`link del ${parentOf(1)}`);
  const starts = new Map<number, number>();
  for (const size of SIZES) {
    await record(daemon, vidsTo(size).slice(starts.size === 0 ? 0 : (SIZES[starts.size - 1] ?? 0)));
    starts.set(size, await started(daemon));
    if (size !== FULL) await daemon.stop();
  }
  return [
    ...scaled("start, recorded", starts, 5000),
    await rested(daemon, "recorded"),
    ...(await listed(daemon, "recorded")),
  ];
}

/** Milliseconds that each of these networks takes to be made. */
async function made(daemon: Daemon, vids: readonly number[]): Promise<number[]> {
  await using connection = await keptConnection(daemon.socket);
  const each: number[] = [];
  for (const vid of vids) {
    each.push(await milliseconds(() => connection.call("CreateNetwork", createBody(vid))));
  }
  return each;
}

async function there(): Promise<Figure[]> {
  await using daemon = await startLoneDaemon(["--log-level=error"]);
  await trunk(daemon);
  const vids = vidsTo(FULL);
  const [first, last] = [vids.slice(0, SAMPLE), vids.slice(-SAMPLE)];
  await standIns(daemon, first);
  const few = median(await made(daemon, first));
  await daemon.stop();
  await standIns(daemon, vids.slice(SAMPLE));
  await record(daemon, vids.slice(SAMPLE, -SAMPLE));
  const booted = await started(daemon);
  const many = median(await made(daemon, last));
  const resting = await rested(daemon, "there");
  const listing = await listed(daemon, "there");
  await daemon.kill9();
  const again = await started(daemon);
  return [
    { what: "create, one of the first", ours: few, unit: "ms" },
    {
      what: `create among ${FULL}`,
      ours: many,
      unit: "ms",
      peer: { name: "the first", value: few },
    },
    { what: `start in another boot, ${FULL} there`, ours: booted, unit: "ms", limit: 5000 },
    { what: `start after kill -9, ${FULL} there`, ours: again, unit: "ms", limit: 5000 },
    resting,
    ...listing,
  ];
}

/** `bun bench/vlans.ts recorded` measures this half only. */
const PARTS = { recorded, there };

const asked = process.argv.slice(2);
const figures: Figure[] = [];
for (const [name, measure] of Object.entries(PARTS)) {
  if (asked.length === 0 || asked.includes(name)) figures.push(...(await measure()));
}
await report("vlans", figures);
