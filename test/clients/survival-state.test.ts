import { afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { PLUGIN_SOCKET, prepareUnderlay, RUN_DIR, STATE_DIR, type Underlay } from "../ground/daemon.ts";
import { type Dockerd, IMAGE, startDockerd } from "../ground/dockerd.ts";
import { AGES, findEngine } from "../ground/engines.ts";
import { type PrivateHost, startHost } from "../ground/host.ts";
import { collectLines } from "../ground/lines.ts";
import { DRIVER } from "../ground/scene.ts";
import { until } from "../ground/until.ts";

/** The other end of sd_notify(3): prints every line of every datagram. Bun has no datagram sockets of the unix kind. */
const PRINT_DATAGRAMS = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
    print(s.recv(4096).decode())
`;

// The state folder is a file system of its own here, so that it can be full or read-only.
describe.each([...AGES])("the state of a daemon beside the %s dockerd", (age) => {
  const things = disposedAfterAll();
  let host: PrivateHost;
  let dockerd: Dockerd;
  let underlay: Underlay;

  beforeAll(async () => {
    host = things.use(await startHost({ engine: await findEngine(age) }));
    dockerd = await startDockerd(host);
    underlay = prepareUnderlay(host);
  }, 600_000);
  beforeEach(async () => {
    await host.must(["mkdir", "-p", STATE_DIR]);
    await host.must(["busybox", "mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "state", STATE_DIR]);
    await underlay.start();
  });
  afterEach(async () => {
    if (underlay.isRunning()) await underlay.stop();
    await host.must(["busybox", "umount", STATE_DIR]);
  });

  const create = (name: string, subnet: string) =>
    dockerd.tryDocker(["network", "create", "-d", DRIVER, "-o", "parent=lan0", "--subnet", subnet, name]);
  const endpoints = async () =>
    JSON.parse(await underlay.cli("endpoint", "ls", "-o", "json")).endpoints.length;
  const networks = async () => JSON.parse(await underlay.cli("network", "ls", "-o", "json")).networks.length;

  test("on a full disk: a network is refused with the cause, and made when there is room", async () => {
    await host.run(["busybox", "dd", "if=/dev/zero", `of=${STATE_DIR}/ballast`, "bs=4k"]);
    const refused = await create("full", "10.77.0.0/24");
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toMatch(/full|no space/i);
    expect(await networks()).toBe(0);
    await host.must(["rm", `${STATE_DIR}/ballast`]);
    expect((await create("full", "10.77.0.0/24")).code).toBe(0);
    await dockerd.docker("network", "rm", "full");
    expect(await networks()).toBe(0);
  });

  test("on a full disk: a container is stopped and its link goes, whether that can be written or not", async () => {
    expect((await create("full", "10.77.0.0/24")).code).toBe(0);
    await dockerd.docker("run", "-d", "--name", "c1", "--network", "full", IMAGE, "sleep", "1000");
    await host.run(["busybox", "dd", "if=/dev/zero", `of=${STATE_DIR}/ballast`, "bs=4k"]);
    await dockerd.docker("rm", "-f", "c1");
    expect(JSON.parse(await host.must(["ip", "-j", "link"]))).toHaveLength(2);
    // Docker only logs that its driver could not forget the network.
    await dockerd.docker("network", "rm", "full");
    await host.must(["rm", `${STATE_DIR}/ballast`]);
    await until("nothing is on record once dockerd was asked", async () => {
      await underlay.cli("gc", "--docker");
      return (await endpoints()) === 0 && (await networks()) === 0;
    });
  });

  test("on a read-only disk: the daemon does not start and says why, and has its networks when it can write", async () => {
    expect((await create("ro", "10.77.0.0/24")).code).toBe(0);
    await underlay.stop();
    await host.must(["busybox", "mount", "-o", "remount,ro", STATE_DIR]);
    const refused = await underlay.startAndFail();
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/read-?only/i);
    await host.must(["busybox", "mount", "-o", "remount,rw", STATE_DIR]);
    await underlay.start();
    expect(await networks()).toBe(1);
    await dockerd.docker("network", "rm", "ro");
  });

  test("from a newer Underlay: the daemon does not start, says so, and touches nothing", async () => {
    await underlay.stop();
    // SQLite's file format, section 1.3: the user version is 4 bytes at offset 60.
    const path = host.outside(`${STATE_DIR}/underlay.db`);
    const database = readFileSync(path);
    database.writeUInt32BE(999, 60);
    writeFileSync(path, database);
    const refused = await underlay.startAndFail();
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("999");
    expect(readFileSync(path).equals(database)).toBe(true);
    expect((await host.run(["test", "-e", PLUGIN_SOCKET])).code).toBe(1);
  });

  test("is told to a service manager: ready when Docker can be served, alive, and stopping", async () => {
    await underlay.stop();
    const path = host.outside("/run/notify.sock");
    const manager = Bun.spawn(["python3", "-u", "-c", PRINT_DATAGRAMS, path], {
      stdout: "pipe",
      stderr: "inherit",
    });
    const lines: string[] = [];
    void collectLines(manager.stdout, lines);
    await until("the manager listens", () => existsSync(path));
    await underlay.start({ env: { NOTIFY_SOCKET: "/run/notify.sock", WATCHDOG_USEC: "200000" } });
    await until("READY=1", () => lines.includes("READY=1"));
    await until(
      "WATCHDOG=1, again and again",
      () => lines.filter((line) => line === "WATCHDOG=1").length > 2,
    );
    expect(lines).not.toContain("STOPPING=1");
    await underlay.stop();
    await until("STOPPING=1", () => lines.includes("STOPPING=1"));
    manager.kill("SIGKILL");
    await manager.exited;
  });

  test("is for root alone, and so are the sockets", async () => {
    const modes = await host.must([
      "stat",
      "-c",
      "%a %F",
      STATE_DIR,
      `${RUN_DIR}/underlay.sock`,
      PLUGIN_SOCKET,
    ]);
    expect(modes.split("\n")).toEqual(["700 directory", "600 socket", "600 socket"]);
    const asNobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    expect((await host.run([...asNobody, "cat", `${STATE_DIR}/underlay.db`])).stderr).toContain("denied");
    const status = await host.run([...asNobody, "/opt/underlay/underlay", "status"]);
    expect(status.code).toBe(6);
  });

  test("the sockets are gone when the daemon has ended in order, and a dead one is replaced", async () => {
    expect(await underlay.stop()).toBe(0);
    const gone = await host.run(["ls", PLUGIN_SOCKET, `${RUN_DIR}/underlay.sock`]);
    expect(gone.stdout).toBe("");
    await underlay.start();
    await underlay.kill9();
    await host.must(["test", "-S", PLUGIN_SOCKET]);
    await underlay.start();
  });
});
