import { VERSION } from "../cli/version.ts";
import type { Env } from "../cni/env.ts";
import type { Delegate, Io, Loaders, Plugin, Tools } from "../cni/plugin.ts";
import type { PluginName } from "../cni/plugins.ts";
import { runCni } from "../cni/program.ts";
import { type Attachments, attachments } from "../engine/attach.ts";
import { containerLinks } from "../links/container-links.ts";
import { Conversation } from "../netlink/conversation.ts";
import { NETLINK_ROUTE, openRequestSocket } from "../netlink/open.ts";
import { inlineTransport } from "../netlink/transport.ts";
import { sandboxes } from "../sandbox/sandbox.ts";
import { readAll, statusOf, writeAll } from "../sys/file.ts";
import { type Libc, openLibc } from "../sys/libc.ts";
import { findNetns, homeNetns, type Netns } from "../sys/netns.ts";
import { spawnDetached } from "../sys/spawn.ts";
import { faultPoints } from "./faults.ts";

/** The CNI process: it lives some milliseconds, blocks where it waits, and loads what one plugin needs. */

/** Answers the exit status. */
export async function runPlugin(name: PluginName | undefined, env: Env): Promise<number> {
  const libc = openLibc();
  const engine = () => attachmentsOf(libc, env);
  const loaders: Loaders = {
    ...loadersOf(engine),
    loopback: () => loopbackOf(libc),
    flannel: ({ delegate }) => flannelOf(libc, delegate),
    "host-local": async ({ isDelegated }) =>
      (await import("./host-local.ts")).hostLocalOf(libc, env, isDelegated),
    static: async () => (await import("../cni/ipam/static.ts")).staticIpam,
  };
  const status = await runCni({ name, version: VERSION, loaders }, env, processIo(libc));
  // What a process otherwise does at its end takes longer than some calls.
  libc.call._exit(status);
  return status;
}

function loadersOf(engine: () => Attachments): Loaders {
  return {
    macvlan: async ({ delegate }) => {
      const [{ onParent }, { macvlan }] = await Promise.all([
        import("../cni/plugins/on-parent.ts"),
        import("../cni/plugins/macvlan.ts"),
      ]);
      return onParent(macvlan, delegate, engine);
    },
    ipvlan: async ({ delegate }) => {
      const [{ onParent }, { ipvlan }] = await Promise.all([
        import("../cni/plugins/on-parent.ts"),
        import("../cni/plugins/ipvlan.ts"),
      ]);
      return onParent(ipvlan, delegate, engine);
    },
    vlan: async ({ delegate }: Tools) => {
      const [{ onParent }, { vlan }] = await Promise.all([
        import("../cni/plugins/on-parent.ts"),
        import("../cni/plugins/vlan.ts"),
      ]);
      return onParent(vlan, delegate, engine);
    },
    dummy: async ({ delegate }: Tools) => {
      const [{ onParent }, { dummy }] = await Promise.all([
        import("../cni/plugins/on-parent.ts"),
        import("../cni/plugins/dummy.ts"),
      ]);
      return onParent(dummy, delegate, engine);
    },
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

function conversing(libc: Libc) {
  return (netns?: Netns) => new Conversation(inlineTransport(openRequestSocket(libc, NETLINK_ROUTE, netns)));
}

function attachmentsOf(libc: Libc, env: Env): Attachments {
  const converse = conversing(libc);
  const deleteElsewhere = (socketFd: number, ifindex: number) =>
    spawnDetached(libc, [OWN_EXECUTABLE, DELETE_LINK, `${ifindex}`], socketFd);
  return attachments({
    sandboxes: sandboxes(libc, converse),
    links: containerLinks(libc, converse(), deleteElsewhere),
    step: faultPoints(env),
    strays: async () => (await import("./strays.ts")).straysOf(converse),
  });
}

/** Leads to this program even when its file was replaced. */
const OWN_EXECUTABLE = "/proc/self/exe";

/** Understood by main alone: the process that it starts sends a delete over its stdin. */
const DELETE_LINK = "--delete-link";

function processIo(libc: Libc): Io {
  const encoder = new TextEncoder();
  return {
    readStdin: (limit) => readAll(libc, 0, "stdin", limit),
    writeStdout: (text) => writeAll(libc, 1, encoder.encode(text), "stdout"),
    writeStderr: (text) => writeAll(libc, 2, encoder.encode(text), "stderr"),
    isOwnNetns(path) {
      const found = findNetns(libc, path);
      if (!found) return false;
      const home = homeNetns(libc);
      const isOwn = home.inode === found.inode;
      for (const netns of [found, home]) netns.close();
      return isOwn;
    },
    isFile: (path) => statusOf(libc, path)?.isFile === true,
    isOwnExecutable(path) {
      const [own, other] = [statusOf(libc, OWN_EXECUTABLE), statusOf(libc, path)];
      return own !== undefined && own.ino === other?.ino && own.device === other.device;
    },
  };
}
