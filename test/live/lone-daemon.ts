import { existsSync, mkdtempSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { must, type Output, run } from "../ground/run.ts";
import { until } from "../ground/until.ts";

const PROGRAM = resolve(import.meta.dir, "../../dist/underlay");

export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A link as `ip -d -j link` has it; of the many keys, those that tests look at. */
export interface IpLink {
  readonly ifindex: number;
  readonly ifname: string;
  readonly link?: string;
  readonly link_index?: number;
  readonly address: string;
  readonly mtu: number;
  readonly flags: readonly string[];
  readonly ifalias?: string;
  readonly group: string;
  readonly linkinfo?: { readonly info_kind?: string; readonly info_data?: { readonly mode?: string } };
}

/** What one start of the daemon has beside the flags of all. */
export interface Life {
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * `underlay daemon` alone in a network namespace without a name, with folders of its own; no dockerd. All of it goes
 * with the test's process.
 */
export interface LoneDaemon extends AsyncDisposable {
  readonly socket: string;
  readonly stateDir: string;
  readonly runDir: string;
  readonly pluginDir: string;
  /** A path by which other processes can enter its namespace. */
  readonly netns: string;
  /** Pid of a process that stays in its namespace. */
  readonly pidOfNetns: number;
  /** Pid of the daemon that runs, or ran last. */
  pid(): number;
  isRunning(): boolean;
  start(life?: Life): Promise<void>;
  /** A start that ends by itself: the exit code, and what it logged on stderr. */
  startInVain(life?: Life): Promise<Output>;
  /** How the one that runs ends: its exit code, or the name of the signal that ended it. */
  ended(): Promise<number | string | null>;
  /** SIGTERM, and the exit code. */
  stop(): Promise<number>;
  kill9(): Promise<void>;
  /** POST of a method of NetworkDriver; the body is sent as dockerd would. */
  call(method: string, message?: object): Promise<Answer>;
  /** A verb of the command line. */
  cli(...args: readonly string[]): Promise<Output>;
  ip(words: string): Promise<string>;
  links(): Promise<IpLink[]>;
  /** Lines of its log. */
  lines(): readonly string[];
}

export async function startLoneDaemon(more: readonly string[] = []): Promise<LoneDaemon> {
  if (!existsSync(PROGRAM)) throw new Error("dist/underlay is missing: run `make build`");
  await using undo = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "underlay-lone-"));
  undo.defer(() => rmSync(folder, { recursive: true }));
  const holder = Bun.spawn(["unshare", "--net", "cat"], {
    stdin: "pipe",
    stdout: "ignore",
    stderr: "inherit",
  });
  undo.defer(async () => {
    holder.stdin.end();
    await holder.exited;
  });
  const netns = `/proc/${holder.pid}/ns/net`;
  const own = readlinkSync("/proc/self/ns/net");
  await until("unshare has made a namespace", () => readlinkSync(netns) !== own);

  const inside = ["nsenter", `--net=${netns}`];
  const [stateDir, runDir, pluginDir] = ["state", "run", "plugins"].map((name) => join(folder, name));
  const flags = [`--state-dir=${stateDir}`, `--run-dir=${runDir}`, `--plugin-dir=${pluginDir}`];
  const socket = join(folder, "plugins", "underlay-macvlan.sock");
  const lines: string[] = [];
  const launch = ({ flags: own = [], env = {} }: Life = {}) =>
    Bun.spawn([...inside, PROGRAM, "daemon", ...flags, "--log-format=json", ...more, ...own], {
      env: { ...process.env, ...env },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    });
  let daemon: Bun.Subprocess<"ignore", "ignore", "pipe"> | undefined;
  undo.defer(async () => {
    daemon?.kill("SIGKILL");
    await daemon?.exited;
  });

  const call = async (method: string, message?: object): Promise<Answer> => {
    const response = await fetch(`http://plugin/${method}`, {
      method: "POST",
      unix: socket,
      // A connection that is kept would be reset by the end of a daemon, and count among its files.
      keepalive: false,
      body: message === undefined ? "" : `${JSON.stringify(message)}\n`,
    });
    const body: Record<string, unknown> = JSON.parse(await response.text());
    return { status: response.status, body };
  };
  const ip = (words: string) => must([...inside, "ip", ...words.split(" ")]);

  const isRunning = () => daemon !== undefined && daemon.exitCode === null && daemon.signalCode === null;

  const lone = {
    socket,
    stateDir: join(folder, "state"),
    runDir: join(folder, "run"),
    pluginDir: join(folder, "plugins"),
    netns,
    pidOfNetns: holder.pid,
    pid: () => daemon?.pid ?? 0,
    isRunning,
    async start(life?: Life) {
      // The one that runs would answer for the second, and nobody would end it.
      if (isRunning()) throw new Error("the daemon runs already: stop it, or use startInVain");
      const started = launch(life);
      daemon = started;
      void collectLines(started.stderr, lines);
      await until("the daemon serves", async () => (await call("Plugin.Activate")).status === 200, {
        hopeless: () =>
          started.exitCode === null && started.signalCode === null ? undefined : lines.slice(-10).join("\n"),
      });
    },
    async startInVain(life?: Life) {
      const started = launch(life);
      const stderr = await new Response(started.stderr).text();
      return { code: await started.exited, stdout: "", stderr };
    },
    async ended() {
      await daemon?.exited;
      return daemon?.signalCode ?? daemon?.exitCode ?? null;
    },
    async stop() {
      daemon?.kill("SIGTERM");
      return (await daemon?.exited) ?? -1;
    },
    async kill9() {
      daemon?.kill("SIGKILL");
      await daemon?.exited;
    },
    call: (method: string, message?: object) => call(`NetworkDriver.${method}`, message),
    cli: (...args: readonly string[]) =>
      run([PROGRAM, ...args], { env: { UNDERLAY_RUN_DIR: `${runDir}`, UNDERLAY_STATE_DIR: `${stateDir}` } }),
    ip,
    links: async (): Promise<IpLink[]> => JSON.parse(await ip("-d -j link show")),
    lines: () => lines,
  };
  await ip("link set lo up");
  await lone.start();
  const owned = undo.move();
  return { ...lone, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function collectLines(stream: ReadableStream<Uint8Array>, into: string[]): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    into.push(...parts);
  }
}
