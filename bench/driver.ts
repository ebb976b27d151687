import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LoneDaemon, startLoneDaemon } from "../test/live/lone-daemon.ts";
import { type Figure, median, milliseconds, quantile, report } from "./figures.ts";

/** The driver alone, over its socket, against what the kernel takes for the same in the same run. */

const NETWORK = "1".repeat(64);
const ROUNDS = 60;
/** Milliseconds after the last call until what is resident is what stays. */
const SETTLES = 15_000;

await using daemon = await startLoneDaemon(["--log-level=warn"]);
await daemon.ip("link add lan0 type veth peer name lan1");
await daemon.ip("link set lan1 up");
await daemon.ip("link set lan0 up");

async function call(method: string, message: object): Promise<void> {
  const { status, body } = await daemon.call(method, message);
  if (status !== 200 || body["Err"] !== undefined) throw new Error(`${method}: ${JSON.stringify(body)}`);
}

const idOf = (number: number) => number.toString(16).padStart(64, "0");
const about = (number: number) => ({ NetworkID: NETWORK, EndpointID: idOf(number) });

async function make(number: number): Promise<void> {
  const Address = `10.60.${number >> 8}.${number & 255}/16`;
  const Interface = { Address, AddressIPv6: "", MacAddress: "" };
  await call("CreateEndpoint", { ...about(number), Interface, Options: {} });
  await call("Join", { ...about(number), SandboxKey: "/run/docker/netns/bench", Options: {} });
}

async function drop(number: number): Promise<void> {
  await call("Leave", about(number));
  await call("DeleteEndpoint", about(number));
}

function numbers(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}

/** Runs the work over all numbers, so many at once. */
async function inParallel(
  all: readonly number[],
  width: number,
  work: (n: number) => Promise<void>,
): Promise<void> {
  const left = [...all];
  const worker = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) await work(next);
  };
  await Promise.all(Array.from({ length: width }, worker));
}

/** Median of the kernel's own time for one RTM_NEWLINK, in milliseconds. */
async function floor(lone: LoneDaemon): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "underlay-bench-"));
  try {
    await Bun.$`cc -O2 -o ${folder}/newlink bench/newlink.c`;
    const times =
      await Bun.$`nsenter --net=/proc/${lone.pid()}/ns/net ${folder}/newlink lan0 ${ROUNDS}`.text();
    for (const number of numbers(0, ROUNDS)) await lone.ip(`link set floor${number} group 77`);
    await lone.ip("link del group 77");
    return median(times.trim().split("\n").map(Number)) / 1000;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function memory(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

const openFiles = (pid: number) => readdirSync(`/proc/${pid}/fd`).length;

const generic = { "com.docker.network.generic": { parent: "lan0" } };
const IPv4Data = [{ AddressSpace: "LocalDefault", Pool: "10.60.0.0/16", Gateway: "10.60.0.1/16" }];
await call("CreateNetwork", { NetworkID: NETWORK, Options: generic, IPv4Data, IPv6Data: [] });

/** What one client waits for, and 32 at once, beside the kernel's own time. */
async function calls(): Promise<Figure[]> {
  const kernel = { name: "RTM_NEWLINK in C", value: await floor(daemon) };
  const making: number[] = [];
  const dropping: number[] = [];
  for (const number of numbers(300, ROUNDS)) {
    making.push(await milliseconds(() => make(number)));
    dropping.push(await milliseconds(() => drop(number)));
    // The kernel's wait after a delete would be measured with the next create.
    await Bun.sleep(40);
  }
  const wide = numbers(1000, 320);
  const made = await milliseconds(() => inParallel(wide, 32, make));
  await inParallel(wide, 32, drop);
  const hundred = numbers(2000, 100);
  await inParallel(hundred, 32, make);
  const dropped = await milliseconds(() => Promise.all(hundred.map(drop)));
  return [
    { what: "CreateEndpoint + Join, one client", ours: median(making), unit: "ms", peer: kernel, limit: 4 },
    { what: "Leave + DeleteEndpoint, one client", ours: median(dropping), unit: "ms" },
    { what: "CreateEndpoint + Join, 32 at once, each", ours: made / wide.length, unit: "ms", peer: kernel },
    { what: "100 DeleteEndpoint at once, all", ours: dropped, unit: "ms", limit: 150 },
  ];
}

const thousand = numbers(4096, 1000);

/**
 * A thousand endpoints at once, in a daemon that has had as many calls before, one after another: what they cost, and
 * what stays of it when they are gone.
 */
async function memoryOfThousand(): Promise<Figure[]> {
  for (const number of thousand) {
    await make(number);
    await drop(number);
  }
  await Bun.sleep(SETTLES);
  const warm = memory(daemon.pid());
  await inParallel(thousand, 32, make);
  const busy = memory(daemon.pid());
  await Bun.sleep(SETTLES);
  const full = memory(daemon.pid());
  const files = openFiles(daemon.pid());
  await inParallel(thousand, 100, drop);
  await Bun.sleep(SETTLES);
  const gone = memory(daemon.pid());
  return [
    { what: "resident memory, warm, no endpoint", ours: warm, unit: "MB" },
    { what: "resident memory, 1,000 endpoints just made", ours: busy, unit: "MB" },
    { what: "resident memory with 1,000 endpoints", ours: full, unit: "MB", limit: 70 },
    { what: "open files with 1,000 endpoints", ours: files, unit: "count" },
    { what: "resident memory after they are gone, above warm", ours: gone - warm, unit: "MB", limit: 10 },
  ];
}

async function recovery(): Promise<Figure[]> {
  await inParallel(thousand, 32, make);
  await daemon.kill9();
  const ours = await milliseconds(() => daemon.start());
  await inParallel(thousand, 100, drop);
  return [{ what: "start with 1,000 endpoints after kill -9", ours, unit: "ms", limit: 1000 }];
}

/** Of a thousand, 200 are deleted: what others wait for meanwhile. */
async function waiting(): Promise<Figure[]> {
  await inParallel(thousand, 32, make);
  const waits: number[] = [];
  let deleting = true;
  const gone = Promise.all(thousand.slice(0, 200).map(drop)).then(() => {
    deleting = false;
  });
  while (deleting) waits.push(await milliseconds(() => call("EndpointOperInfo", about(9999))));
  await gone;
  await inParallel(thousand.slice(200), 100, drop);
  const what = "a call that writes nothing, while 200 are deleted, p99";
  return [{ what, ours: quantile(waits, 0.99), unit: "ms", limit: 50 }];
}

/** `bun bench/driver.ts memory waiting` measures these only. */
const PARTS = { calls, memory: memoryOfThousand, recovery, waiting };

const asked = process.argv.slice(2);
const figures: Figure[] = [];
for (const [name, measure] of Object.entries(PARTS)) {
  if (asked.length === 0 || asked.includes(name)) figures.push(...(await measure()));
}
await report("driver", figures);
