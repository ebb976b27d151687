import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../ground/until.ts";

/** The program as it is shipped: a daemon in an empty netns of its own, and the CLI beside it. No Docker. */

const PROGRAM = join(import.meta.dir, "../../dist/underlay");
const root = mkdtempSync(join(tmpdir(), "underlay-live-cli-"));
const started: Bun.Subprocess[] = [];

afterEach(async () => {
  for (const child of started.splice(0)) {
    child.kill("SIGKILL");
    await child.exited;
  }
});
afterAll(() => rmSync(root, { recursive: true }));

interface Place {
  readonly dir: string;
  readonly flags: readonly string[];
  readonly socket: string;
  readonly pluginSocket: string;
}

function newPlace(): Place {
  const dir = mkdtempSync(join(root, "place-"));
  const config = join(dir, "empty.toml");
  writeFileSync(config, "");
  return {
    dir,
    flags: [`--config=${config}`, `--state-dir=${dir}/state`, `--run-dir=${dir}/run`],
    socket: `${dir}/run/underlay.sock`,
    pluginSocket: `${dir}/plugins/underlay-macvlan.sock`,
  };
}

interface DaemonOptions {
  /** Name to be called by, and the arguments instead of `daemon`. */
  readonly as?: readonly [name: string, ...args: string[]];
  readonly env?: Readonly<Record<string, string>>;
  /** Path of the file. */
  readonly stderr?: string;
}

/** Its stderr goes to `stderr` in the place: a file outlives whoever reads it. */
function startDaemon(
  place: Place,
  { as = ["underlay", "daemon"], env = {}, stderr = join(place.dir, "stderr") }: DaemonOptions = {},
): Bun.Subprocess {
  const [name, ...args] = as;
  const program = join(place.dir, name);
  if (!existsSync(program)) symlinkSync(PROGRAM, program);
  const flags = [...place.flags, `--plugin-dir=${place.dir}/plugins`];
  const child = Bun.spawn(["unshare", "--net", program, ...args, ...flags], {
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdout: "ignore",
    stderr: Bun.file(stderr),
  });
  started.push(child);
  return child;
}

const logOf = (place: Place) => readFileSync(join(place.dir, "stderr"), "utf8");

async function serving(place: Place, child: Bun.Subprocess): Promise<void> {
  await until("the daemon serves", () => fetch("http://x/v1/status", { unix: place.socket }), {
    hopeless: () => (child.exitCode === null ? undefined : logOf(place)),
  });
}

async function cli(place: Place, ...args: string[]) {
  return runProgram([PROGRAM, ...args, ...place.flags]);
}

async function runProgram(argv: string[]) {
  const child = Bun.spawn(argv, { env: { PATH: process.env["PATH"] ?? "" }, stdout: "pipe", stderr: "pipe" });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, out, err };
}

const modeOf = (path: string) => statSync(path).mode & 0o777;

test("a daemon's life, seen by the CLI", async () => {
  const place = newPlace();
  const daemon = startDaemon(place);
  await serving(place, daemon);

  const status = await cli(place, "status", "-o", "json");
  expect([status.code, status.err]).toEqual([0, ""]);
  expect(JSON.parse(status.out).daemon).toMatchObject({
    pid: daemon.pid,
    state_dir: `${place.dir}/state`,
    drivers: ["underlay-macvlan", "underlay-ipvlan", "underlay-ovs", "ovs"],
  });
  expect((await cli(place, "network", "ls", "-q")).out).toBe("");
  expect((await cli(place, "gc")).out).toBe("nothing to collect\n");
  expect([place.socket, place.pluginSocket].map(modeOf)).toEqual([0o600, 0o600]);
  expect(["run", "state"].map((dir) => modeOf(join(place.dir, dir)))).toEqual([0o700, 0o700]);

  daemon.kill("SIGTERM");
  expect(await daemon.exited).toBe(0);
  expect([place.socket, place.pluginSocket].map(existsSync)).toEqual([false, false]);
  const messages = logOf(place)
    .trimEnd()
    .split("\n")
    .map((line): string => JSON.parse(line).message)
    // What this host is like is not this test's.
    .filter((message) => !message.startsWith("condition "));
  expect(messages).toEqual(["ready", "stopping"]);

  const offline = await cli(place, "status");
  expect(offline.code).toBe(3);
  expect(offline.out).toContain("not running");
});

test("a second daemon is refused and leaves the first alone", async () => {
  const place = newPlace();
  const daemon = startDaemon(place);
  await serving(place, daemon);
  const second = await cli(place, "daemon", `--plugin-dir=${place.dir}/plugins`);
  expect(second.code).toBe(5);
  expect(second.err).toContain("another underlay daemon runs");
  expect((await cli(place, "status")).code).toBe(0);
  expect(existsSync(place.pluginSocket)).toBe(true);
});

test("after kill -9 the socket is left, nobody listens, and the next daemon takes over", async () => {
  const place = newPlace();
  const first = startDaemon(place);
  await serving(place, first);
  first.kill("SIGKILL");
  await first.exited;
  expect(existsSync(place.socket)).toBe(true);
  const gone = await cli(place, "gc");
  expect(gone.code).toBe(3);
  expect(gone.err).toStartWith(`underlay: daemon is not running: nobody listens on ${place.socket}\n`);
  await serving(place, startDaemon(place));
  expect((await cli(place, "gc")).code).toBe(0);
});

test("other users may not ask", async () => {
  const place = newPlace();
  await serving(place, startDaemon(place));
  Bun.spawnSync(["chmod", "755", root, place.dir]);
  const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  const { code, err } = await runProgram([...nobody, PROGRAM, "status", ...place.flags]);
  expect(code).toBe(6);
  expect(err).toContain("may not be opened by this user");
});

describe("what goes wrong before it serves", () => {
  test.each(["net_admin", "sys_admin"])(
    "a missing CAP_%s: exit 6, and what is needed",
    async (capability) => {
      const place = newPlace();
      const daemon = [PROGRAM, "daemon", ...place.flags, `--plugin-dir=${place.dir}/plugins`];
      const { code, err } = await runProgram([
        ...["unshare", "--net", "setpriv", `--bounding-set=-${capability}`, `--inh-caps=-${capability}`],
        ...daemon,
      ]);
      expect(code).toBe(6);
      expect(err).toContain("EPERM: run as root, with CAP_NET_ADMIN and CAP_SYS_ADMIN");
      expect(existsSync(place.socket)).toBe(false);
    },
  );

  test("a misspelt key: exit 2, file and line", async () => {
    const place = newPlace();
    writeFileSync(join(place.dir, "empty.toml"), '\nlog_levle = "debug"\n');
    expect(await startDaemon(place).exited).toBe(2);
    expect(logOf(place)).toContain("empty.toml:2: unknown key log_levle, did you mean log_level?");
  });

  test("a state directory that cannot be: exit 1, as JSON in the log", async () => {
    const place = newPlace();
    writeFileSync(join(place.dir, "state"), "a file");
    expect(await startDaemon(place).exited).toBe(1);
    expect(JSON.parse(logOf(place))).toMatchObject({ level: "error", code: "state" });
    expect(existsSync(place.pluginSocket)).toBe(false);
  });
});

test("lines for journald begin with their priority, when stderr is its socket", async () => {
  const place = newPlace();
  writeFileSync(join(place.dir, "stderr"), "");
  const { dev, ino } = statSync(join(place.dir, "stderr"));
  await serving(place, startDaemon(place, { env: { JOURNAL_STREAM: `${dev}:${ino}` } }));
  expect(logOf(place)).toMatch(/^<6>\{"time":.*"message":"ready"/m);
});

test("a reader of stderr or stdout that goes away ends nothing", async () => {
  const place = newPlace();
  const shell = `exec 3>&1; { "$0" daemon "$@" 2>&1 1>&3; echo "exit $?" >&3; } | true`;
  const child = Bun.spawn(
    ["unshare", "--net", "sh", "-c", shell, PROGRAM, ...place.flags, `--plugin-dir=${place.dir}/plugins`],
    { stdout: "pipe", stderr: "ignore" },
  );
  started.push(child);
  await serving(place, child);
  const { daemon } = JSON.parse((await cli(place, "status", "-o", "json")).out);
  process.kill(daemon.pid, "SIGTERM");
  expect(await new Response(child.stdout).text()).toBe("exit 0\n");

  const head = await runProgram(["sh", "-c", `"$0" help | true; "$0" help | head -1`, PROGRAM]);
  expect(head).toEqual({ code: 0, out: "Usage: underlay [NOUN] VERB [flags]\n", err: "" });
});

test("an answer that cannot be written is a failure in one line", async () => {
  const { code, err } = await runProgram(["sh", "-c", `${PROGRAM} version >/dev/full`]);
  expect([code, err]).toEqual([1, "underlay: cannot write to standard output: ENOSPC\n"]);
});

test("a log that cannot be written ends nothing", async () => {
  const place = newPlace();
  const daemon = startDaemon(place, { stderr: "/dev/full" });
  await serving(place, daemon);
  expect((await cli(place, "status")).code).toBe(0);
  daemon.kill("SIGTERM");
  expect(await daemon.exited).toBe(0);
});

describe("called as the old macvlan plugin", () => {
  test("its flags are the default parent and mode, and debug", async () => {
    const place = newPlace();
    const args = ["-d", "-host-interface", "eth7", "--mode=private"];
    const daemon = startDaemon(place, { as: ["macvlan-docker-plugin", ...args] });
    await serving(place, daemon);
    const reply = await fetch("http://x/NetworkDriver.CreateNetwork", {
      method: "POST",
      unix: place.pluginSocket,
      body: JSON.stringify({
        NetworkID: "a".repeat(64),
        Options: { "com.docker.network.generic": {} },
        IPv4Data: [{ AddressSpace: "", Pool: "10.9.0.0/24", Gateway: "10.9.0.1/24", AuxAddresses: {} }],
        IPv6Data: [],
      }),
    });
    expect(await reply.json()).toMatchObject({ Err: expect.stringContaining("eth7") });
    expect(logOf(place)).toContain('"level":"debug","message":"settings"');
    expect(logOf(place)).toContain('"macvlan.mode":"private (--macvlan-mode)"');
  });

  test("what belongs to a network now is told", async () => {
    const place = newPlace();
    const args = ["--macvlan-subnet=10.0.0.0/8"] as const;
    expect(await startDaemon(place, { as: ["macvlan-docker-plugin", ...args] }).exited).toBe(2);
    expect(logOf(place)).toContain("docker network create --subnet");
  });
});
