import type { PrivateHost, Running } from "./host.ts";
import type { Output, RunOptions } from "./run.ts";
import { until } from "./until.ts";

/** Name of the busybox image that every private dockerd has. */
export const IMAGE = "busybox-test:1";

/** Command of a container that goes on until it is asked to stop, and then stops at once (PID 1 ignores SIGTERM otherwise). */
export const LASTING = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1000 & wait; done"] as const;

/** A dockerd on a private host, with data, sockets and plugins of its own. */
export interface Dockerd {
  readonly host: PrivateHost;
  /** Runs the command line client of the same age; the command has to succeed. Answers its standard output. */
  docker(...args: string[]): Promise<string>;
  /** The same for a command that may fail. */
  tryDocker(args: readonly string[], options?: RunOptions): Promise<Output>;
  /** All lines that dockerd has logged so far. */
  lines(): readonly string[];
  /** Kills dockerd as a crash would; containers go on. */
  kill9(): Promise<void>;
  /** Ends dockerd in an orderly way. */
  stop(): Promise<void>;
  /** Starts it again (after `kill9` or `stop`) and waits until it answers. */
  start(options?: DockerdOptions): Promise<void>;
}

export interface DockerdOptions {
  readonly liveRestore?: boolean;
  /** With the bridge and the rules of iptables that it makes when nobody says otherwise. */
  readonly firewall?: boolean;
  /** How long it may take to answer; a plugin that is down costs 15 s a look-up. */
  readonly withinMs?: number;
}

/** How a dockerd of a test is called, wherever it runs. */
export const DOCKERD = [
  "dockerd",
  "--host=unix:///run/docker.sock",
  // The machine's own settings would be read otherwise when its dockerd is the one under test.
  "--config-file=/run/docker-test.json",
  "--bridge=none",
  "--iptables=false",
  "--ip6tables=false",
  "--storage-driver=overlay2",
  "--exec-opt=native.cgroupdriver=cgroupfs",
];

/** Makes an image of the root's static busybox, without any registry. Argument: the image's name. */
export const IMPORT_BUSYBOX = `
  mkdir -p /tmp/image/bin /tmp/image/etc /tmp/image/proc /tmp/image/sys /tmp/image/dev /tmp/image/tmp
  cp "$(command -v busybox)" /tmp/image/bin/busybox
  for each in sh ip ping sleep cat ls arp arping nc httpd wget nslookup grep sed kill ps true udhcpc; do
    ln -sf busybox /tmp/image/bin/$each
  done
  chroot /tmp/image /bin/true || { echo 'busybox is not static; install busybox-static' >&2; exit 1; }
  tar -C /tmp/image -c . | docker --host=unix:///run/docker.sock import - "$0"
`;

/** Starts a dockerd on a private host, waits until it answers, and gives it the busybox image. */
export async function startDockerd(host: PrivateHost, options: DockerdOptions = {}): Promise<Dockerd> {
  await Bun.write(host.outside("/run/docker-test.json"), "{}");
  const gone: Running[] = [];
  let current = await startProcess(host, options);

  const tryDocker = (args: readonly string[], more: RunOptions = {}) =>
    host.run(["docker", "--host=unix:///run/docker.sock", ...args], { timeoutMs: 120_000, ...more });
  const docker = async (...args: string[]) => {
    const output = await tryDocker(args);
    if (output.code !== 0) throw new Error(`exit ${output.code}: docker ${args.join(" ")}\n${output.stderr}`);
    return output.stdout.trimEnd();
  };
  const end = async (signal: NodeJS.Signals) => {
    current.kill(signal);
    await current.exited;
  };

  await host.must(["sh", "-euc", IMPORT_BUSYBOX, IMAGE]);

  return {
    host,
    docker,
    tryDocker,
    lines: () => [...gone, current].flatMap((process) => process.lines),
    kill9: () => end("SIGKILL"),
    stop: () => end("SIGTERM"),
    start: async (more = {}) => {
      gone.push(current);
      current = await startProcess(host, more);
    },
  };
}

async function startProcess(host: PrivateHost, options: DockerdOptions): Promise<Running> {
  const argv = [
    ...DOCKERD.filter((argument) => !options.firewall || !/^--(bridge|ip6?tables)=/.test(argument)),
    `--cgroup-parent=${host.cgroup}`,
    ...(options.liveRestore ? ["--live-restore"] : []),
  ];
  const dockerd = await host.start(argv);
  const answers = async () => {
    const reply = await fetch("http://docker/_ping", { unix: host.outside("/run/docker.sock") });
    return reply.ok;
  };
  await until("dockerd answers", answers, {
    withinMs: options.withinMs ?? 30_000,
    hopeless: () => (dockerd.hasEnded() ? dockerd.lines.slice(-15).join("\n") : undefined),
  });
  return dockerd;
}
