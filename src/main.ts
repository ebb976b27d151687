import { basename } from "node:path";
import { asUnderlayError } from "./lib/errors.ts";
import type { LinkKind } from "./lib/request.ts";
import { openLibc } from "./sys/libc.ts";

/** Which program am I? Imports the one that was asked for, and nothing of the others. */

type Program = (args: readonly string[]) => Promise<number>;

/** CNI plugin names and netavark driver names: this version knows them and is none of them yet. */
const LATER: Readonly<Record<string, string>> = {
  macvlan: "CNI plugins",
  ipvlan: "CNI plugins",
  vlan: "CNI plugins",
  bridge: "CNI plugins",
  ptp: "CNI plugins",
  "host-local": "CNI plugins",
  static: "CNI plugins",
  flannel: "CNI plugins",
  dummy: "CNI plugins",
  loopback: "CNI plugins",
  ovs: "CNI plugins",
  "underlay-macvlan": "netavark drivers",
  "underlay-ipvlan": "netavark drivers",
  "underlay-bridge": "netavark drivers",
  "docker-ovs-plugin": "Open vSwitch networks",
};

const OLD_PLUGINS: Readonly<Record<string, LinkKind>> = {
  "macvlan-docker-plugin": "macvlan",
  "ipvlan-docker-plugin": "ipvlan",
};

function programOf(calledAs: string, args: readonly string[]): Program {
  const later = LATER[calledAs];
  if (later !== undefined) return notYet(`${calledAs}: ${later} come with a later version of Underlay`);
  const oldKind = OLD_PLUGINS[calledAs];
  if (oldKind !== undefined) return (more) => oldPlugin(oldKind, more);
  if (args.length === 0 && process.env["CNI_COMMAND"] !== undefined) {
    return notYet("CNI comes with a later version of Underlay");
  }
  return cli;
}

/** On stdout a CNI runtime wants JSON; this is well formed and says what is the matter. */
function notYet(text: string): Program {
  return async () => {
    process.stdout.write(`${JSON.stringify({ cniVersion: "1.0.0", code: 100, msg: text, error: text })}\n`);
    process.stderr.write(`underlay: ${text}\n`);
    return 1;
  };
}

async function cli(args: readonly string[]): Promise<number> {
  const [{ runCli }, { processIo }] = await Promise.all([import("./cli/main.ts"), import("./cli/io.ts")]);
  return runCli(args, process.env, processIo());
}

async function oldPlugin(kind: LinkKind, args: readonly string[]): Promise<number> {
  const [{ runOldPlugin }, { processIo }] = await Promise.all([
    import("./cli/main.ts"),
    import("./cli/io.ts"),
  ]);
  return runOldPlugin(kind, args, process.env, processIo());
}

try {
  const args = process.argv.slice(2);
  // The doctor says what is wrong with a libc that cannot be called, and all else that it can find out.
  if (args[0] !== "doctor") openLibc();
  process.exitCode = await programOf(basename(process.argv0), args)(args);
} catch (thrown) {
  const { message, code } = asUnderlayError(thrown);
  process.stderr.write(`underlay: ${message}\n`);
  process.exitCode = code === "permission" ? 6 : 1;
}
