import { UnderlayError } from "../lib/errors.ts";
import type { Conversation } from "../netlink/conversation.ts";
import { O, openFile, writeAll } from "../sys/file.ts";
import type { Libc } from "../sys/libc.ts";
import { findNetns, type Netns, withNetns } from "../sys/netns.ts";

/** A container's netns, held open, and a conversation with the kernel in it. */
export interface Sandbox extends Disposable {
  readonly netns: Netns;
  readonly kernel: Conversation;
  /** Throws `unsupported`, `kernel` or `permission` for a setting that is not optional. */
  set(settings: readonly Sysctl[]): void;
}

/** A setting of the netns: a path below /proc/sys/net. */
export interface Sysctl {
  readonly path: string;
  readonly value: string;
  /** The kernel may not have it, or may not let us. */
  readonly optional?: true;
  /** What it means that the kernel does not have it. */
  readonly missing?: string;
}

export type Sandboxes = (path: string) => Sandbox | undefined;

/** Opens the netns at a path; undefined when there is none. `converse`: over NETLINK_ROUTE in that netns. */
export function sandboxes(libc: Libc, converse: (netns: Netns) => Conversation): Sandboxes {
  return (path) => {
    const netns = findNetns(libc, path);
    if (!netns) return undefined;
    const kernel = conversationIn(netns, converse);
    return {
      netns,
      kernel,
      set: (settings) => withNetns(libc, netns, () => writeSettings(libc, settings)),
      [Symbol.dispose]() {
        kernel.close();
        netns.close();
      },
    };
  };
}

/** The same where it has to be there. Throws `not_found`. */
export function requireSandbox(sandboxes: Sandboxes, path: string): Sandbox {
  const sandbox = sandboxes(path);
  if (sandbox) return sandbox;
  throw new UnderlayError("not_found", `no network namespace at ${path}`, { inputs: { netns: path } });
}

/** `toldNetns`: how the path was called when the link was made. By inode: the same netns has several. Throws `conflict`. */
export function requireSameNetns(
  sandboxes: Sandboxes,
  { netns, toldNetns }: { readonly netns: string; readonly toldNetns: string },
  sandbox: Sandbox,
): void {
  if (toldNetns === netns) return;
  using told = sandboxes(toldNetns);
  if (told?.netns.inode === sandbox.netns.inode) return;
  throw new UnderlayError(
    "conflict",
    `Sandbox in prevResult ${toldNetns} doesn't match configured netns: ${netns}`,
  );
}

function conversationIn(netns: Netns, converse: (netns: Netns) => Conversation): Conversation {
  try {
    return converse(netns);
  } catch (error) {
    netns.close();
    throw error;
  }
}

/** What a setting may meet that nobody needs to hear of: no such file, a read-only /proc/sys, a value too new. */
const FORGIVEN = ["ENOENT", "EROFS", "EACCES", "EPERM", "EINVAL"];

/** In the netns of the calling thread. */
export function writeSettings(libc: Libc, settings: readonly Sysctl[]): void {
  const encoder = new TextEncoder();
  for (const { path, value, optional, missing } of settings) {
    const unless = optional ? FORGIVEN : missing === undefined ? [] : ["ENOENT"];
    const file = openFile(libc, `/proc/sys/net/${path}`, O.O_WRONLY, { unless });
    if (!file && missing !== undefined) throw new UnderlayError("unsupported", missing);
    if (!file) continue;
    try {
      writeAll(libc, file.fd, encoder.encode(value), file.path);
    } finally {
      file.close();
    }
  }
}
