import { readFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { newCgroupName, removeCgroup } from "./cgroup.ts";
import type { DockerEngine } from "./engines.ts";
import { collectLines } from "./lines.ts";
import { must, type Output, type RunOptions, run } from "./run.ts";

const REPOSITORY = resolve(import.meta.dir, "../..");

/**
 * A host of our own: pid, mount and net namespaces with a Debian root under a tmpfs. Nothing of it can be seen from the
 * machine's own namespaces, and nothing of it outlives the process that made it.
 *
 * Its LAN is a veth pair: `lan0` is the host's NIC, `lan1` is in the netns `router` and plays the LAN's router.
 */
export interface PrivateHost extends AsyncDisposable {
  readonly engine: DockerEngine;
  /** Its init, as a pid of the machine. */
  readonly pid: number;
  /** Parent of all cgroups that are made inside: `/underlay-test-…`. */
  readonly cgroup: string;
  /** Runs a program inside to its end. */
  run(argv: readonly string[], options?: RunOptions): Promise<Output>;
  /** The same for a program that has to succeed; answers its standard output. */
  must(argv: readonly string[], options?: RunOptions): Promise<string>;
  /** The same in the netns of the LAN's router. */
  router(argv: readonly string[], options?: RunOptions): Promise<string>;
  /** Starts a long-running program inside. */
  start(argv: readonly string[], env?: Readonly<Record<string, string>>): Promise<Running>;
  /** Connects the host to its LAN, with new links as after a NIC was exchanged. Done at the start. */
  plugIn(): Promise<void>;
  /** Takes the NIC away, and with it every link that is made on it. */
  unplug(): Promise<void>;
  /** The same file as seen from the machine's own mount namespace. */
  outside(path: string): string;
}

/** A long-running program on a private host. */
export interface Running {
  /** As a pid of the machine. */
  readonly pid: number;
  readonly lines: readonly string[];
  /** Exit code; 128 + signal for a signal. */
  readonly exited: Promise<number>;
  hasEnded(): boolean;
  kill(signal: NodeJS.Signals): void;
}

export interface HostOptions {
  readonly engine: DockerEngine;
  /** Addresses of `lan1`, with prefix length. */
  readonly routerAddresses?: readonly string[];
  /** Path of a netns that is there already, to be the host's. It outlives the host and gets no LAN. */
  readonly netns?: string;
}

export async function startHost(options: HostOptions): Promise<PrivateHost> {
  const { engine } = options;
  const cgroup = newCgroupName();
  await using undo = new AsyncDisposableStack();

  const outer = Bun.spawn(
    [
      ...(options.netns === undefined
        ? ["unshare", "--net"]
        : ["nsenter", `--net=${options.netns}`, "unshare"]),
      ...["--mount", "--pid", "--fork", "--kill-child=KILL", "--propagation", "private"],
      ...["bash", `${REPOSITORY}/test/ground/host.sh`, engine.root, `${REPOSITORY}/dist`],
    ],
    { stdin: "pipe", stdout: "pipe", stderr: "inherit" },
  );
  undo.defer(async () => {
    outer.stdin.end();
    await outer.exited;
    await removeCgroup(cgroup);
  });
  await firstLine(outer.stdout, "ready");
  const pid = onlyChildOf(outer.pid);

  const environment = (env: Readonly<Record<string, string>> = {}) => ({
    PATH: engine.path,
    HOME: "/root",
    TEST_RUN_OF_UNDERLAY: process.env["TEST_RUN_OF_UNDERLAY"] ?? "",
    ...env,
  });
  const inside = (argv: readonly string[]) => [
    ...["/usr/bin/nsenter", "--target", String(pid), "--mount", "--net", "--pid", "--", ...argv],
  ];
  const host = {
    engine,
    pid,
    cgroup,
    run: (argv: readonly string[], more: RunOptions = {}) =>
      run(inside(argv), { ...more, env: environment(more.env) }),
    must: (argv: readonly string[], more: RunOptions = {}) =>
      must(inside(argv), { ...more, env: environment(more.env) }),
    router: (argv: readonly string[], more: RunOptions = {}) =>
      must(inside(["ip", "netns", "exec", "router", ...argv]), { ...more, env: environment(more.env) }),
    start: (argv: readonly string[], env?: Readonly<Record<string, string>>) =>
      startInside(inside(argv), environment(env)),
    outside: (path: string) => `/proc/${pid}/root${path}`,
  };

  const plugIn = async () => {
    await host.must(["ip", "link", "add", "lan0", "type", "veth", "peer", "name", "lan1", "netns", "router"]);
    await host.must(["ip", "link", "set", "lan0", "up"]);
    await host.must(["ip", "-n", "router", "link", "set", "lan1", "up"]);
    for (const address of options.routerAddresses ?? [])
      await host.must(["ip", "-n", "router", "address", "add", address, "dev", "lan1", ...noDad(address)]);
  };
  const unplug = async () => {
    await host.must(["ip", "link", "del", "lan0"]);
  };
  if (options.netns === undefined) await plugIn();

  const owned = undo.move();
  return { ...host, plugIn, unplug, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** A new IPv6 address is unusable for a second while the kernel looks for duplicates; a test LAN has none. */
function noDad(address: string): string[] {
  return address.includes(":") ? ["nodad"] : [];
}

async function startInside(argv: string[], env: Record<string, string>): Promise<Running> {
  const proxy = Bun.spawn(argv, { stdin: "ignore", stdout: "pipe", stderr: "pipe", env });
  const lines: string[] = [];
  const tee = logFile(proxy.pid, argv);
  void collectLines(proxy.stdout, lines, tee);
  void collectLines(proxy.stderr, lines, tee);
  // nsenter forks into the pid namespace and only waits; signals are for its child.
  const pid = await forkedChild(proxy);
  const hasEnded = () => proxy.exitCode !== null || proxy.signalCode !== null;
  return {
    pid,
    lines,
    exited: proxy.exited,
    hasEnded,
    kill: (signal) => {
      if (!hasEnded()) process.kill(pid, signal);
    },
  };
}

/** With UNDERLAY_TEST_LOGS in the environment everything that is logged inside goes to a file in that folder too. */
function logFile(pid: number, argv: readonly string[]): string | undefined {
  const folder = process.env["UNDERLAY_TEST_LOGS"];
  const program = argv[argv.indexOf("--") + 1] ?? "";
  return folder === undefined ? undefined : `${folder}/${pid}-${basename(program)}.log`;
}

async function forkedChild(proxy: Bun.Subprocess): Promise<number> {
  const deadline = performance.now() + 5000;
  for (;;) {
    const child = childrenOf(proxy.pid)[0];
    if (child !== undefined) return child;
    if (proxy.exitCode !== null)
      throw new Error(`nsenter ended with ${proxy.exitCode} before its child was seen`);
    if (performance.now() > deadline) throw new Error("nsenter has not forked within 5 s");
    await Bun.sleep(1);
  }
}

function onlyChildOf(pid: number): number {
  const child = childrenOf(pid)[0];
  if (child === undefined) throw new Error(`process ${pid} has no child`);
  return child;
}

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return text === "" ? [] : text.split(" ").map(Number);
}

async function firstLine(stream: ReadableStream<Uint8Array>, wanted: string): Promise<void> {
  const reader = stream.getReader();
  const { value } = await reader.read();
  const line = new TextDecoder().decode(value).trim();
  if (line !== wanted) throw new Error(`a private host did not start: ${line}`);
}
