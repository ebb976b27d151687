import { VERSION } from "../cli/version.ts";
import type { Env } from "../cni/env.ts";
import type { Delegate, Io, Loaders, Plugin, Tools } from "../cni/plugin.ts";
import type { OnParentKind } from "../cni/plugins/on-parent.ts";
import type { PluginName } from "../cni/plugins.ts";
import { runCni } from "../cni/program.ts";
import { sandboxes } from "../sandbox/sandbox.ts";
import { statusOf } from "../sys/file.ts";
import { type Libc, openLibc } from "../sys/libc.ts";
import { attachmentsOf, conversing, OWN_EXECUTABLE } from "./attachments.ts";
import { callIo } from "./call-io.ts";

/** The CNI process: it lives some milliseconds, blocks where it waits, and loads what one plugin needs. */

/** Answers the exit status. */
export async function runPlugin(name: PluginName | undefined, env: Env): Promise<number> {
  const libc = openLibc();
  const engine = () => attachmentsOf(libc, env);
  const loaders: Loaders = {
    ...loadersOf(engine),
    loopback: () => loopbackOf(libc),
    flannel: ({ delegate }) => flannelOf(libc, delegate),
    ptp: async ({ delegate }) => (await import("./ptp.ts")).ptpOf(libc, env, delegate),
    ovs: async ({ delegate }) => (await import("./ovs.ts")).ovsOf(libc, env, delegate),
    bridge: async ({ delegate }) => (await import("./bridge.ts")).bridgeOf(libc, env, delegate),
    "host-local": async ({ isDelegated }) =>
      (await import("./host-local.ts")).hostLocalOf(libc, env, isDelegated),
    static: async () => (await import("../cni/ipam/static.ts")).staticIpam,
  };
  const status = await runCni({ name, version: VERSION, loaders }, env, processIo(libc));
  // What a process otherwise does at its end takes longer than some calls.
  libc.call._exit(status);
  return status;
}

function loadersOf(engine: () => ReturnType<typeof attachmentsOf>): Loaders {
  const loading =
    <Own>(load: () => Promise<OnParentKind<Own>>) =>
    async ({ delegate }: Tools): Promise<Plugin> => {
      const [{ onParent }, kind] = await Promise.all([import("../cni/plugins/on-parent.ts"), load()]);
      return onParent(kind, delegate, engine);
    };
  return {
    macvlan: loading(async () => (await import("../cni/plugins/macvlan.ts")).macvlan),
    ipvlan: loading(async () => (await import("../cni/plugins/ipvlan.ts")).ipvlan),
    vlan: loading(async () => (await import("../cni/plugins/vlan.ts")).vlan),
    dummy: loading(async () => (await import("../cni/plugins/dummy.ts")).dummy),
  };
}

async function flannelOf(libc: Libc, delegate: Delegate): Promise<Plugin> {
  const [{ flannel }, { flannelFiles }] = await Promise.all([
    import("../cni/plugins/flannel.ts"),
    import("./flannel.ts"),
  ]);
  return flannel(delegate, flannelFiles(libc));
}

async function loopbackOf(libc: Libc): Promise<Plugin> {
  const [{ loopback }, { loopbacks }] = await Promise.all([
    import("../cni/plugins/loopback.ts"),
    import("../engine/loopback.ts"),
  ]);
  return loopback(() => loopbacks(sandboxes(libc, conversing(libc))));
}

function processIo(libc: Libc): Io {
  return {
    ...callIo(libc),
    isFile: (path) => statusOf(libc, path)?.isFile === true,
    isOwnExecutable(path) {
      const [own, other] = [statusOf(libc, OWN_EXECUTABLE), statusOf(libc, path)];
      return own !== undefined && own.ino === other?.ino && own.device === other.device;
    },
  };
}
