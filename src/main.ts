import type { PluginName } from "./cni/plugins.ts";
import type { OldKind } from "./daemon/old-plugins.ts";
import type { KindName } from "./netavark/kinds.ts";

/**
 * Which program am I? Imports the one that was asked for, and nothing of the others: what a CNI process loads before its
 * first line is most of its time.
 */

type Program = (args: readonly string[]) => Promise<number>;

const PLUGINS: Readonly<Record<string, PluginName>> = {
  macvlan: "macvlan",
  ipvlan: "ipvlan",
  vlan: "vlan",
  bridge: "bridge",
  ptp: "ptp",
  ovs: "ovs",
  "host-local": "host-local",
  static: "static",
  flannel: "flannel",
  dummy: "dummy",
  loopback: "loopback",
};

/** Podman's drivers: the name of the program is the name of the driver. */
const NETAVARK: Readonly<Record<string, KindName>> = {
  "underlay-macvlan": "macvlan",
  "underlay-ipvlan": "ipvlan",
  "underlay-bridge": "bridge",
};

const OLD_PLUGINS: Readonly<Record<string, OldKind>> = {
  "macvlan-docker-plugin": "macvlan",
  "ipvlan-docker-plugin": "ipvlan",
  "docker-ovs-plugin": "ovs",
};

function programOf(calledAs: string, args: readonly string[]): Program {
  const plugin = PLUGINS[calledAs];
  if (plugin !== undefined) return () => cni(plugin);
  const driver = NETAVARK[calledAs];
  if (driver !== undefined) return (more) => netavark(driver, more);
  const oldKind = OLD_PLUGINS[calledAs];
  if (oldKind !== undefined) return (more) => oldPlugin(oldKind, more);
  // An exported CNI_COMMAND must not hijack the command line.
  if (args.length === 0 && process.env["CNI_COMMAND"]) return () => cni();
  return cli;
}

/** Without a name the configuration's `kind` says which. */
async function cni(plugin?: PluginName): Promise<number> {
  // Podman asks each plugin of each network whenever it starts: nothing is opened for that, not even the C library.
  if (process.env["CNI_COMMAND"] === "VERSION") {
    const { versionText } = await import("./cni/versions.ts");
    // biome-ignore lint/suspicious/noConsole: the one way out that loads nothing; a line of 100 bytes cannot be cut.
    console.log(versionText());
    return 0;
  }
  const { runPlugin } = await import("./wiring/cni.ts");
  return runPlugin(plugin, process.env);
}

async function netavark(kind: KindName, args: readonly string[]): Promise<number> {
  const { runDriver } = await import("./wiring/netavark.ts");
  return runDriver(kind, args, process.env);
}

async function cli(args: readonly string[]): Promise<number> {
  const [{ runCli }, { processIo }] = await Promise.all([import("./cli/main.ts"), import("./cli/io.ts")]);
  // The doctor says what is wrong with a libc that cannot be called, and all else that it can find out.
  if (args[0] !== "doctor") (await import("./sys/libc.ts")).openLibc();
  return runCli(args, process.env, processIo());
}

async function oldPlugin(kind: OldKind, args: readonly string[]): Promise<number> {
  const [{ runOldPlugin }, { processIo }, { openLibc }] = await Promise.all([
    import("./cli/main.ts"),
    import("./cli/io.ts"),
    import("./sys/libc.ts"),
  ]);
  openLibc();
  return runOldPlugin(kind, args, process.env, processIo());
}

/** A copy of a CNI process that bears the kernel's wait after a delete; its stdin is the socket. */
async function deleteLink(ifindex: string): Promise<number> {
  const [{ sendDelete }, { openLibc }] = await Promise.all([
    import("./links/gone-inside.ts"),
    import("./sys/libc.ts"),
  ]);
  sendDelete(openLibc(), 0, Number(ifindex));
  return 0;
}

/** A copy of the daemon that brings the host's addresses back when the daemon cannot. */
async function guardMove(path: string): Promise<number> {
  const { runGuard } = await import("./wiring/guard.ts");
  return runGuard(path);
}

/** Called by ourselves alone. */
const DELETE_LINK = "--delete-link";
const GUARD_MOVE = "--guard-move";

function ownProgram(name: string | undefined, argument: string): Promise<number> | undefined {
  if (name === DELETE_LINK) return deleteLink(argument);
  return name === GUARD_MOVE ? guardMove(argument) : undefined;
}

function basename(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

try {
  const [first, second, ...rest] = process.argv.slice(2);
  const args = [first, second, ...rest].filter((arg) => arg !== undefined);
  const own = second === undefined ? undefined : ownProgram(first, second);
  process.exitCode = await (own ?? programOf(basename(process.argv0), args)(args));
} catch (thrown) {
  const { asUnderlayError } = await import("./lib/errors.ts");
  const { message, code } = asUnderlayError(thrown);
  process.stderr.write(`underlay: ${message}\n`);
  process.exitCode = code === "permission" ? 6 : 1;
}
