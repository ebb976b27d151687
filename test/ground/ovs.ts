import { resolve } from "node:path";
import type { Age } from "./engines.ts";
import { type PrivateHost, type Running, startHost } from "./host.ts";
import { must } from "./run.ts";
import { until } from "./until.ts";

/**
 * A private Open vSwitch: ovsdb-server and ovs-vswitchd of Debian, on a host of their own or on one that is there
 * already, beside its dockerd. Nothing of it is on the machine, and it ends with its host.
 */
export interface Switch extends AsyncDisposable {
  readonly age: Age;
  /** Of the Debian package: `3.1.0-2+deb12u1`. */
  readonly version: string;
  readonly host: PrivateHost;
  /** The database's unix socket as the machine's own processes reach it; on the host it is `DB_SOCKET`. */
  readonly socket: string;
  /** Run directory as the machine's own processes reach it: `br0.mgmt` is there. On the host it is `RUN_DIR`. */
  readonly rundir: string;
  /** Path of the netns in which the bridges are. */
  readonly netns: string;
  /** Runs ovs-vsctl, which has to succeed; answers its standard output. Give `--no-wait` while ovs-vswitchd is down. */
  vsctl(...args: string[]): Promise<string>;
  /** The same for ovs-ofctl. */
  ofctl(...args: string[]): Promise<string>;
  /** The same for ovs-appctl, which asks ovs-vswitchd unless `-t` names another. */
  appctl(...args: string[]): Promise<string>;
  /** Kills ovsdb-server as a crash would; the database's file stays. */
  killDatabase(): Promise<void>;
  startDatabase(): Promise<void>;
  /** Kills ovs-vswitchd as a crash would. */
  killVswitchd(): Promise<void>;
  startVswitchd(): Promise<void>;
  /** What both have logged so far, of all their lives. */
  lines(): readonly string[];
}

export interface SwitchOptions {
  readonly age: Age;
  /** A host that runs already; absent: one of its own. The programs are put on it, as if they were installed. */
  readonly host?: PrivateHost;
  /** For a host of its own: path of a netns that is there already, in which the bridges are to be. */
  readonly netns?: string;
  /** `false`: the database alone. */
  readonly vswitchd?: false;
}

/** On the host. */
export const RUN_DIR = "/run/openvswitch";
export const DB_SOCKET = `${RUN_DIR}/db.sock`;

export const DB_FILE = "/etc/openvswitch/conf.db";
export const SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema";
const SUITES: Record<Age, string> = { oldest: "bookworm", newest: "sid" };
const PATH = "/usr/sbin:/usr/bin:/sbin:/bin";
const PACKAGES = "openvswitch-switch,busybox-static,ethtool,iproute2,iputils-ping,nftables,procps";
const PROGRAMS = [
  ...["/usr/sbin/ovs-vswitchd", "/usr/sbin/ovsdb-server"],
  ...["appctl", "ofctl", "vsctl"].map((name) => `/usr/bin/ovs-${name}`),
  ...["client", "tool"].map((name) => `/usr/bin/ovsdb-${name}`),
];

export interface SwitchPackage {
  readonly age: Age;
  /** The Debian root folder, made when it is missing: some 90 s and 200 MB. */
  readonly root: string;
  readonly version: string;
}

/** The Open vSwitch of an age: the oldest and the newest that Debian ships. */
export async function findSwitch(age: Age): Promise<SwitchPackage> {
  const suite = SUITES[age];
  const tool = resolve(import.meta.dir, "../../tools/debian-root.sh");
  const root = await must([tool, `ovs-${suite}`, suite, PACKAGES], { timeoutMs: 600_000 });
  const query = ["dpkg-query", "-W", "-f", `\${Version}`, "openvswitch-switch"];
  return { age, root, version: await must(["chroot", root, ...query], { env: { PATH } }) };
}

/** Resolves when both programs answer. Bridges need `datapath_type=netdev` where the kernel has no openvswitch. */
export async function startSwitch(options: SwitchOptions): Promise<Switch> {
  const { age } = options;
  const { root, version } = await findSwitch(age);
  await using undo = new AsyncDisposableStack();
  const host = options.host ?? undo.use(await hostOf(age, root, options.netns));
  if (options.host !== undefined) await install(root, host);
  await host.must(["mkdir", "-p", RUN_DIR, "/etc/openvswitch", "/var/log/openvswitch"]);
  await host.must(["ovsdb-tool", "create", DB_FILE, SCHEMA]);

  const lives: Running[] = [];
  const launch = async (argv: readonly string[], answers: readonly string[]) => {
    const process = await host.start(argv);
    lives.push(process);
    await until(`${argv[0]} answers`, () => host.must(answers), {
      hopeless: () => (process.hasEnded() ? process.lines.slice(-15).join("\n") : undefined),
    });
    return process;
  };
  const startDatabase = () => launch(DATABASE, ["ovs-vsctl", "--no-wait", "--timeout=2", "init"]);
  const startVswitchd = () => launch(VSWITCHD, ["ovs-appctl", "--timeout=2", "version"]);

  // A killed ovs-vswitchd leaves its taps, which would stay in a netns that outlives it; 3.1 always leaves this one.
  undo.defer(async () => {
    if (vswitchd !== undefined && !vswitchd.hasEnded()) {
      const told = await host.run(["ovs-appctl", "--timeout=5", "exit", "--cleanup"]);
      if (told.code === 0) await vswitchd.exited;
    }
    for (const process of lives) await kill(process);
    await host.run(["ip", "link", "del", "ovs-netdev"]);
  });
  let vswitchd: Running | undefined;
  let database = await startDatabase();
  if (options.vswitchd !== false) vswitchd = await startVswitchd();

  const owned = undo.move();
  return {
    age,
    version,
    host,
    socket: host.outside(DB_SOCKET),
    rundir: host.outside(RUN_DIR),
    netns: `/proc/${host.pid}/ns/net`,
    vsctl: (...args) => host.must(["ovs-vsctl", "--timeout=20", ...args]),
    ofctl: (...args) => host.must(["ovs-ofctl", "--timeout=20", ...args]),
    appctl: (...args) => host.must(["ovs-appctl", "--timeout=20", ...args]),
    killDatabase: () => kill(database),
    startDatabase: async () => {
      database = await startDatabase();
    },
    killVswitchd: async () => {
      if (vswitchd !== undefined) await kill(vswitchd);
    },
    startVswitchd: async () => {
      vswitchd = await startVswitchd();
    },
    lines: () => lives.flatMap((process) => process.lines),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** How a test calls ovsdb-server. The second remote is what `ovs-vsctl set-manager` speaks of. */
export const DATABASE = [
  ...["ovsdb-server", DB_FILE, `--remote=punix:${DB_SOCKET}`],
  ...["--remote=db:Open_vSwitch,Open_vSwitch,manager_options", "--pidfile"],
];
export const VSWITCHD = ["ovs-vswitchd", `unix:${DB_SOCKET}`, "--pidfile"];

async function kill(process: Running): Promise<void> {
  process.kill("SIGKILL");
  await process.exited;
}

function hostOf(age: Age, root: string, netns: string | undefined): Promise<PrivateHost> {
  const engine = { age, root, path: PATH, version: "none" };
  return startHost({ engine, ...(netns !== undefined && { netns }) });
}

/**
 * The programs, with the loader and the libraries of their own Debian, under the names that a package would give them:
 * the host may be of another age.
 */
async function install(root: string, host: PrivateHost): Promise<void> {
  const listed = await must(["chroot", root, "ldd", ...PROGRAMS], { env: { PATH } });
  const libraries = [...new Set(listed.match(/\/\S+\.so\S*/g))];
  const loader = libraries.find((path) => path.includes("/ld-linux"));
  if (loader === undefined) throw new Error(`no loader among the libraries of Open vSwitch: ${listed}`);
  const files = [...PROGRAMS, ...libraries, SCHEMA].map((path) => path.slice(1));
  const place = "/opt/openvswitch";
  await host.must(["mkdir", "-p", place, "/usr/share/openvswitch"]);
  await must(["sh", "-euc", COPY, root, host.outside(place), ...files]);
  await host.must(["cp", place + SCHEMA, SCHEMA]);
  const folders = [...new Set(libraries.map((path) => place + path.slice(0, path.lastIndexOf("/"))))];
  for (const program of PROGRAMS) {
    const command = `exec ${place}${loader} --library-path ${folders.join(":")} ${place}${program} "$@"`;
    await Bun.write(host.outside(program), `#!/bin/sh\n${command}\n`);
    await host.must(["chmod", "+x", program]);
  }
}

/** Links are followed as they are meant, inside the root. */
const COPY = `root=$0 place=$1; shift; chroot "$root" tar -ch "$@" | tar -x -C "$place"`;
