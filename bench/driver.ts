import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startLoneDaemon } from "../test/live/lone-daemon.ts";
import { keptConnection } from "./connection.ts";
import { type Figure, median, milliseconds, quantile, report } from "./figures.ts";

/** The driver alone, over its socket, against what the kernel takes for the same in the same run. */

const NETWORK = "1".repeat(64);
/** Each round measures the kernel and us, so many times. The first warms up. */
const ROUNDS = 6;
const TIMES = 40;
/** Milliseconds between two measurements, of the kernel's (`newlink.c`) as of ours. */
const PAUSE = 2;
/** Milliseconds after the last call until what is resident is what stays. */
const SETTLES = 15_000;

await using daemon = await startLoneDaemon(["--log-level=warn"]);
await daemon.ip("link add lan0 type veth peer name lan1");
await daemon.ip("link set lan1 up");
await daemon.ip("link set lan0 up");

type Call = (method: string, message: object) => Promise<void>;

/** On a connection of its own, for calls side by side. */
const call: Call = async (method, message) => {
  const { status, body } = await daemon.call(method, message);
  if (status !== 200 || body["Err"] !== undefined) throw new Error(`${method}: ${JSON.stringify(body)}`);
};

const idOf = (number: number) => number.toString(16).padStart(64, "0");
const about = (number: number) => ({ NetworkID: NETWORK, EndpointID: idOf(number) });

async function make(number: number, by: Call = call): Promise<void> {
  const Address = `10.60.${number >> 8}.${number & 255}/16`;
  const Interface = { Address, AddressIPv6: "", MacAddress: "" };
  await by("CreateEndpoint", { ...about(number), Interface, Options: {} });
  await by("Join", { ...about(number), SandboxKey: "/run/docker/netns/bench", Options: {} });
}

async function drop(number: number, by: Call = call): Promise<void> {
  await by("Leave", about(number));
  await by("DeleteEndpoint", about(number));
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

/** The kernel's own times for one RTM_NEWLINK, in milliseconds. */
async function kernelTimes(program: string): Promise<number[]> {
  const inside = `--net=/proc/${daemon.pid()}/ns/net`;
  const times = await Bun.$`nsenter ${inside} ${program} lan0 ${TIMES}`.text();
  for (const number of numbers(0, TIMES)) await daemon.ip(`link set floor${number} group 77`);
  await daemon.ip("link del group 77");
  return times
    .trim()
    .split("\n")
    .map((microseconds) => Number(microseconds) / 1000);
}

interface Times {
  readonly kernel: number[];
  readonly making: number[];
  readonly dropping: number[];
}

/** What one client waits for, and the kernel beside it, in turns. */
async function oneClient(): Promise<Times> {
  const folder = mkdtempSync(join(tmpdir(), "underlay-bench-"));
  try {
    await Bun.$`cc -O2 -o ${folder}/newlink bench/newlink.c`;
    await using connection = await keptConnection(daemon.socket);
    const all: Times = { kernel: [], making: [], dropping: [] };
    for (let round = 0; round < ROUNDS; round++) {
      const times = {
        kernel: await kernelTimes(`${folder}/newlink`),
        ...(await ours(round, connection.call)),
      };
      if (round === 0) continue;
      all.kernel.push(...times.kernel);
      all.making.push(...times.making);
      all.dropping.push(...times.dropping);
    }
    return all;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function ours(round: number, by: Call): Promise<Omit<Times, "kernel">> {
  const endpoints = numbers(256 + round * TIMES, TIMES);
  const [making, dropping]: [number[], number[]] = [[], []];
  for (const number of endpoints) {
    making.push(await milliseconds(() => make(number, by)));
    await Bun.sleep(PAUSE);
  }
  for (const number of endpoints) {
    dropping.push(await milliseconds(() => drop(number, by)));
    // Else the kernel's wait after a delete would be measured with the next.
    await Bun.sleep(40);
  }
  return { making, dropping };
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
  const { kernel, making, dropping } = await oneClient();
  const floor = { name: "RTM_NEWLINK in C", value: median(kernel) };
  const wide = numbers(1000, 320);
  const made = await milliseconds(() => inParallel(wide, 32, (n) => make(n)));
  await inParallel(wide, 32, (n) => drop(n));
  const hundred = numbers(2000, 100);
  await inParallel(hundred, 32, (n) => make(n));
  const dropped = await milliseconds(() => Promise.all(hundred.map((n) => drop(n))));
  return [
    { what: "CreateEndpoint + Join, one client", ours: median(making), unit: "ms", peer: floor, limit: 4 },
    { what: "Leave + DeleteEndpoint, one client", ours: median(dropping), unit: "ms" },
    { what: "CreateEndpoint + Join, 32 at once, each", ours: made / wide.length, unit: "ms", peer: floor },
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
  await inParallel(thousand, 32, (n) => make(n));
  const busy = memory(daemon.pid());
  await Bun.sleep(SETTLES);
  const full = memory(daemon.pid());
  const files = openFiles(daemon.pid());
  await inParallel(thousand, 100, (n) => drop(n));
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
  await inParallel(thousand, 32, (n) => make(n));
  await daemon.kill9();
  const ours = await milliseconds(() => daemon.start());
  await inParallel(thousand, 100, (n) => drop(n));
  return [{ what: "start with 1,000 endpoints after kill -9", ours, unit: "ms", limit: 1000 }];
}

/** Of a thousand, 200 are deleted, three times: what another client waits for meanwhile. */
async function waiting(): Promise<Figure[]> {
  await inParallel(thousand, 32, (n) => make(n));
  const waits: number[] = [];
  for (const from of [0, 200, 400]) {
    const doomed = thousand.slice(from, from + 200);
    waits.push(...(await waitsDuring(() => Promise.all(doomed.map((n) => drop(n))))));
  }
  await inParallel(thousand.slice(600), 100, (n) => drop(n));
  const what = "a call that writes nothing, while 200 are deleted,";
  return [
    { what: `${what} median`, ours: median(waits), unit: "ms" },
    { what: `${what} p99`, ours: quantile(waits, 0.99), unit: "ms", limit: 50 },
  ];
}

/** In a process of its own: this one is busy with asking for the deletes. */
async function waitsDuring(work: () => Promise<unknown>): Promise<number[]> {
  const waiter = Bun.spawn(
    [process.execPath, "bench/waiter.ts", daemon.socket, JSON.stringify(about(9999))],
    { stdin: "pipe", stdout: "pipe" },
  );
  const lines = waiter.stdout.pipeThrough(new TextDecoderStream()).getReader();
  await lines.read();
  await work();
  waiter.stdin.end();
  let text = "";
  for (let part = await lines.read(); !part.done; part = await lines.read()) text += part.value;
  return JSON.parse(text);
}

/** `bun bench/driver.ts memory waiting` measures these only. */
const PARTS = { calls, memory: memoryOfThousand, recovery, waiting };

const asked = process.argv.slice(2);
const figures: Figure[] = [];
for (const [name, measure] of Object.entries(PARTS)) {
  if (asked.length === 0 || asked.includes(name)) figures.push(...(await measure()));
}
await report("driver", figures);
