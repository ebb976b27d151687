import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { must, run } from "../ground/run.ts";
import { until } from "../ground/until.ts";
import { addLan, createNetwork, done, endpointLife, idOf, statusOf } from "./docker-calls.ts";
import { type LoneDaemon, startLoneDaemon } from "./lone-daemon.ts";
import { startManager } from "./manager.ts";

/** The daemon as a service: what it tells a manager, how it ends, and who may come near it. */

const things = disposedAfterAll();
let daemon: LoneDaemon;
let folder = "";
let sockets: readonly string[] = [];

beforeAll(async () => {
  daemon = things.use(await startLoneDaemon());
  folder = dirname(daemon.stateDir);
  sockets = [daemon.socket, join(daemon.runDir, "underlay.sock")];
  await addLan(daemon);
  await daemon.stop();
});
afterEach(async () => {
  await daemon.kill9();
});

const inside = (...argv: string[]) => ["nsenter", `--net=${daemon.netns}`, ...argv];

describe("a service manager", () => {
  const names = [
    ["a path", () => join(folder, "notify")],
    ["an abstract name", () => "@underlay/notify"],
  ] as const;
  test.each(names)(
    "at %s hears READY=1 when all sockets accept, and STOPPING=1 at SIGTERM",
    async (_, name) => {
      const NOTIFY_SOCKET = name();
      await using manager = await startManager(daemon, NOTIFY_SOCKET, sockets);
      await daemon.start({ env: { NOTIFY_SOCKET } });
      const ready = await manager.first("READY=1");
      expect(ready.lines).toEqual(["READY=1", `MAINPID=${daemon.pid()}`, "accepts=True", "accepts=True"]);
      expect(await daemon.stop()).toBe(0);
      await manager.first("STOPPING=1");
      expect(manager.heard.map(({ lines }) => lines[0])).toEqual(["READY=1", "STOPPING=1"]);
    },
  );

  test("hears WATCHDOG=1 more often than it asks for", async () => {
    const NOTIFY_SOCKET = "@underlay/watchdog";
    await using manager = await startManager(daemon, NOTIFY_SOCKET);
    await daemon.start({ env: { NOTIFY_SOCKET, WATCHDOG_USEC: "1000000" } });
    const beats = () => manager.heard.filter(({ lines }) => lines[0] === "WATCHDOG=1");
    await until("three signs of life", () => beats().length >= 3);
    const times = [await manager.first("READY=1"), ...beats()].map(({ at }) => at);
    const gaps = times.slice(1).map((at, i) => at - (times[i] ?? 0));
    expect(Math.max(...gaps)).toBeLessThan(1000);
    expect(Math.min(...gaps)).toBeGreaterThan(250);
    await daemon.stop();
    expect(manager.heard.at(-1)?.lines).toEqual(["STOPPING=1"]);
  });

  test("that watches another process hears no sign of life", async () => {
    const NOTIFY_SOCKET = "@underlay/other";
    await using manager = await startManager(daemon, NOTIFY_SOCKET);
    await daemon.start({ env: { NOTIFY_SOCKET, WATCHDOG_USEC: "40000", WATCHDOG_PID: "1" } });
    await manager.first("READY=1");
    for (let i = 0; i < 20; i++) await statusOf(daemon);
    await daemon.stop();
    expect(manager.heard.map(({ lines }) => lines[0])).toEqual(["READY=1", "STOPPING=1"]);
  });

  const unheard = [
    ["nobody listens on", () => join(folder, "nobody"), "ENOENT"],
    ["is no socket", () => daemon.stateDir, "ECONNREFUSED"],
    ["is an abstract name without a listener", () => "@underlay/nobody", "ECONNREFUSED"],
    ["is no path", () => "notify", "NOTIFY_SOCKET is no path"],
    ["is too long", () => `/${"n".repeat(200)}`, "NOTIFY_SOCKET is no path"],
  ] as const;
  test.each(unheard)(
    "whose socket %s does not keep it from serving, and is logged once",
    async (_, name, why) => {
      const before = daemon.lines().length;
      await daemon.start({ env: { NOTIFY_SOCKET: name(), WATCHDOG_USEC: "20000" } });
      for (let i = 0; i < 5; i++) await statusOf(daemon);
      expect(await daemon.stop()).toBe(0);
      const told = daemon
        .lines()
        .slice(before)
        .filter((line) => line.includes("service manager cannot be told"));
      expect(told).toHaveLength(1);
      expect(told[0]).toContain(why);
    },
  );

  test("that does not read is not waited for", async () => {
    const NOTIFY_SOCKET = "@underlay/stuck";
    await using manager = await startManager(daemon, NOTIFY_SOCKET);
    manager.pause();
    await daemon.start({ env: { NOTIFY_SOCKET, WATCHDOG_USEC: "10000" } });
    const before = daemon.lines().length;
    await until("its queue is full", async () => {
      await statusOf(daemon);
      return daemon
        .lines()
        .slice(before - 5)
        .some((line) => line.includes("cannot be told"));
    });
    await statusOf(daemon);
    expect(await daemon.stop()).toBe(0);
  });
});

describe("SIGTERM", () => {
  /** Connections that wait to be accepted: Recv-Q of a listening socket. */
  async function unaccepted(): Promise<number> {
    const listening = await must(inside("ss", "-xlH", "src", daemon.socket));
    return Number(listening.split(/\s+/)[2]);
  }

  test("is obeyed when all that came is answered, and nothing is lost", async () => {
    await daemon.start();
    const network = idOf(1);
    await done(daemon, createNetwork(network));
    const lives = Array.from({ length: 40 }, (_, i) => endpointLife(network, idOf(100 + i), 10 + i));
    for (const { create } of lives) await done(daemon, create);
    const [joining, leaving] = [lives.slice(0, 20), lives.slice(20)];
    for (const { join: call } of leaving) await done(daemon, call);

    const calls = [...joining.map((life) => life.join), ...leaving.map((life) => life.remove)];
    // While it sleeps all calls come, and then the signal.
    process.kill(daemon.pid(), "SIGSTOP");
    const answers = calls.map((call) => done(daemon, call));
    await until("all have come", async () => (await unaccepted()) === calls.length);
    const stopped = daemon.stop();
    process.kill(daemon.pid(), "SIGCONT");
    expect(await stopped).toBe(0);
    expect(await Promise.all(answers)).toHaveLength(calls.length);
    expect(sockets.filter((path) => existsSync(path))).toEqual([]);
    const ours = async () => (await daemon.links()).filter(({ ifname }) => ifname.startsWith("ul-")).length;
    expect(await ours()).toBe(joining.length);

    await daemon.start();
    expect(await statusOf(daemon)).toMatchObject({
      networks: { total: 1, degraded: 0 },
      endpoints: { total: joining.length, provisioned: joining.length },
    });
    expect(await ours()).toBe(joining.length);
    for (const { remove } of joining) await done(daemon, remove);
    await done(daemon, ["DeleteNetwork", { NetworkID: network }]);
    expect(await ours()).toBe(0);
  });
});

describe("a second daemon", () => {
  const others = [
    ["run_dir", (own: string) => [`--state-dir=${own}/state`, `--plugin-dir=${own}/plugins`]],
    ["state_dir", (own: string) => [`--run-dir=${own}/run`, `--plugin-dir=${own}/plugins`]],
    ["plugin_dir", (own: string) => [`--run-dir=${own}/run`, `--state-dir=${own}/state`]],
  ] as const;
  test.each(others)(
    "with the same %s is refused in words, and the first one is not disturbed",
    async (setting, flags) => {
      await daemon.start();
      await done(daemon, createNetwork(idOf(2)));
      const links = await daemon.links();
      const own = join(folder, `second-${setting}`);
      const { code, stderr } = await daemon.startInVain({ flags: flags(own) });
      expect(code).toBe(5);
      expect(stderr).toContain(
        setting === "plugin_dir" ? "another process serves" : `another underlay daemon runs with ${setting} `,
      );
      expect(stderr).not.toContain("internal");
      expect(existsSync(join(own, "run/underlay.sock"))).toBe(false);
      expect((await statusOf(daemon)).networks.total).toBe(1);
      expect(await daemon.links()).toEqual(links);
      await done(daemon, ["DeleteNetwork", { NetworkID: idOf(2) }]);
    },
  );

  test("may start when the first one is dead, whatever that left", async () => {
    await daemon.start();
    await daemon.kill9();
    expect(sockets.filter((path) => existsSync(path))).toHaveLength(2);
    await daemon.start();
    expect(await daemon.stop()).toBe(0);
  });

  test("leaves nothing in a state directory that is somebody else's", async () => {
    const foreign = join(folder, "foreign");
    mkdirSync(foreign);
    writeFileSync(join(foreign, "diary"), "");
    chmodSync(foreign, 0o755);
    const { code, stderr } = await daemon.startInVain({ flags: [`--state-dir=${foreign}`] });
    expect([code, stderr]).toEqual([1, expect.stringContaining("holds diary, which is not ours")]);
    expect(readdirSync(foreign)).toEqual(["diary"]);
    expect(statSync(foreign).mode & 0o777).toBe(0o755);
  });

  test("that may not write where it should says so", async () => {
    for (const flag of ["--run-dir=/proc/none", "--state-dir=/proc/none"]) {
      const { code, stderr } = await daemon.startInVain({ flags: [flag] });
      expect([flag, code]).toEqual([flag, 1]);
      expect(stderr).toContain("/proc/none");
      expect(stderr).not.toContain("internal");
    }
  });
});

describe("other users", () => {
  const NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  /** Python, because whoever loses his rights may not reach an interpreter in root's home. */
  const connects = (path: string, uid: number) =>
    run(
      inside(
        "python3",
        "-c",
        `import os, socket; os.setgroups([]); os.setgid(${uid}); os.setuid(${uid})
socket.socket(socket.AF_UNIX).connect(${JSON.stringify(path)})`,
      ),
    );

  test("can open neither sockets, nor state, nor locks", async () => {
    await daemon.start();
    // The folder around all is the test's own; what is below must protect itself.
    chmodSync(folder, 0o755);
    for (const path of [daemon.runDir, daemon.pluginDir]) chmodSync(path, 0o755);
    const files = [daemon.stateDir, join(daemon.runDir, "lock")].flatMap((path) =>
      readdirSync(path).map((name) => join(path, name)),
    );
    expect(files.map((path) => path.slice(folder.length))).toEqual(
      expect.arrayContaining(["/state/underlay.db", "/state/underlay.db-wal", "/run/lock/daemon"]),
    );
    for (const path of [...files, ...sockets])
      expect([path, (statSync(path).mode & 0o777).toString(8)]).toEqual([path, "600"]);
    for (const path of [daemon.stateDir, join(daemon.runDir, "lock")])
      expect([path, (statSync(path).mode & 0o777).toString(8)]).toEqual([path, "700"]);

    for (const path of files) {
      const read = await run([...NOBODY, "cat", path]);
      expect([path, read.code, read.stderr]).toEqual([path, 1, expect.stringContaining("Permission denied")]);
    }
    for (const path of sockets) {
      const asked = await connects(path, 65534);
      expect([path, asked.code, asked.stderr]).toEqual([path, 1, expect.stringContaining("PermissionError")]);
      expect((await connects(path, 0)).code).toBe(0);
    }
  });

  test("are told that they lack the permission, not that there is no daemon", async () => {
    await daemon.start();
    for (const path of [folder, daemon.runDir]) chmodSync(path, 0o755);
    const program = join(import.meta.dir, "../../dist/underlay");
    const { code, stderr } = await run([...NOBODY, program, "status", `--run-dir=${daemon.runDir}`]);
    expect([code, stderr]).toEqual([
      6,
      expect.stringContaining("may not be opened by this user: run as root"),
    ]);
  });
});
