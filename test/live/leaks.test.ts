import { expect, test } from "bun:test";
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { isOurLinkName } from "../../src/lib/ifname.ts";
import { until } from "../ground/until.ts";
import {
  addLan,
  createNetwork,
  deleteNetwork,
  done,
  endpointLife,
  idOf,
  jsonOf,
  statusOf,
} from "./docker-calls.ts";
import { startLoneDaemon } from "./lone-daemon.ts";

/** Whether a daemon keeps what an endpoint needed after its life. */

const FEW = 100;
const MANY = 2000;
/** Megabytes that the heap may grow until its size has settled: 45 were measured, and no more after 8,000. */
const GROWTH = 80;
/** Containers that start and stop side by side. */
const AT_ONCE = 25;

/** Passes over all namespaces; with 20 containers that is a thousand sockets in theirs. */
const LOOKS = 50;

/** Where the file descriptors of a process lead, without the numbers that are new each time. */
function openFiles(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder)
    .flatMap((fd) => {
      try {
        return [readlinkSync(`${folder}/${fd}`).replace(/^socket:.*/, "socket")];
      } catch {
        return [];
      }
    })
    .sort();
}

/** Inodes of the network namespaces that a process keeps alive, by its files and by its threads. */
function heldNetns(pid: number): number[] {
  const files = readdirSync(`/proc/${pid}/fd`).map((fd) => `/proc/${pid}/fd/${fd}`);
  const threads = readdirSync(`/proc/${pid}/task`).map((task) => `/proc/${pid}/task/${task}/ns/net`);
  const inodes = [...files, ...threads].flatMap((path) => {
    try {
      return readlinkSync(path).startsWith("net:") ? [statSync(path).ino] : [];
    } catch {
      return [];
    }
  });
  return [...new Set(inodes)].sort();
}

/** Megabytes. */
function resident(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes) / 1024;
}

test("2,000 endpoints later the daemon has the files, namespaces and memory that it had after 100", async () => {
  await using daemon = await startLoneDaemon(["--log-level=warn", "--reconcile-interval=200ms"]);
  await addLan(daemon);
  const network = idOf(1);
  await done(daemon, createNetwork(network));
  const serial = { next: 0 };

  const live = async () => {
    const number = ++serial.next;
    const life = endpointLife(network, idOf(1000 + number), 10 + number);
    for (const call of [life.create, life.join, life.leave, life.remove]) await done(daemon, call);
  };
  const liveAll = async (last: number) => {
    while (serial.next < last) await Promise.all(Array.from({ length: AT_ONCE }, live));
  };
  /** A pass over the namespaces may be under way, and a connection be about to close. */
  const settled = async (files: readonly string[]) =>
    until("its files are those of before", () => Bun.deepEquals(openFiles(daemon.pid()), files), {
      withinMs: 5000,
    }).catch(() => false);

  await liveAll(FEW);
  const files = await quiet(() => openFiles(daemon.pid()));
  const namespaces = heldNetns(daemon.pid());
  const before = resident(daemon.pid());
  await liveAll(MANY);
  if (!(await settled(files))) expect(openFiles(daemon.pid())).toEqual(files);
  await until("no thread is left elsewhere", () => Bun.deepEquals(heldNetns(daemon.pid()), namespaces));
  expect((await daemon.links()).map(({ ifname }) => ifname).filter(isOurLinkName)).toEqual([]);
  expect((await statusOf(daemon)).endpoints.total).toBe(0);
  process.stdout.write(
    `leaks: ${files.length} files, ${namespaces.length} ns, ${before} -> ${resident(daemon.pid())} MB\n`,
  );
  expect(resident(daemon.pid()) - before).toBeLessThan(GROWTH);
  await done(daemon, deleteNetwork(network));
}, 120_000);

test("a container's namespace is gone with the container, however often the daemon looked into it", async () => {
  await using daemon = await startLoneDaemon();
  const holders = Array.from({ length: 20 }, () =>
    Bun.spawn(["unshare", "--net", "cat"], { stdin: "pipe", stdout: "ignore", stderr: "inherit" }),
  );
  const own = statSync("/proc/self/ns/net").ino;
  const inodes = await Promise.all(
    holders.map(({ pid }) =>
      until("it has a netns of its own", () => {
        const { ino } = statSync(`/proc/${pid}/ns/net`);
        return ino !== own && ino;
      }),
    ),
  );
  for (let pass = 0; pass < LOOKS; pass++) await jsonOf(daemon, "gc", "--dry-run");
  for (const { stdin } of holders) stdin.end();
  await Promise.all(holders.map(({ exited }) => exited));
  expect(heldNetns(daemon.pid()).filter((inode) => inodes.includes(inode))).toEqual([]);
});

/** The answer that the probe gives ten times in a row. */
async function quiet<T>(probe: () => T): Promise<T> {
  let last = probe();
  let same = 0;
  return until("it is quiet", () => {
    const now = probe();
    same = Bun.deepEquals(now, last) ? same + 1 : 0;
    last = now;
    return same >= 10 && { now };
  }).then(({ now }) => now);
}
