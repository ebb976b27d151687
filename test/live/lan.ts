import type { Log } from "../../src/lib/log.ts";
import type { Scratch } from "../../src/links/parent/trial.ts";
import { Conversation } from "../../src/netlink/conversation.ts";
import { NETLINK_GENERIC, NETLINK_ROUTE, openRequestSocket } from "../../src/netlink/open.ts";
import { inlineTransport } from "../../src/netlink/transport.ts";
import type { Netns } from "../../src/sys/netns.ts";
import { openNetns } from "../../src/sys/netns-path.ts";
import { openTestNetns } from "../ground/netns.ts";

/**
 * A namespace of the test's own, with what the daemon would have in its: conversations and a scratch namespace.
 * Nothing in it has a name, so it goes with the process, whatever happens.
 */
export interface Lan extends Disposable {
  readonly home: Netns;
  /** For other programs. */
  readonly path: string;
  readonly requests: Conversation;
  readonly generic: Conversation;
  readonly scratch: Scratch;
  readonly log: Log;
  converseIn(netns: Netns): Conversation;
  /** Runs `ip` in the namespace, words parted by blanks. Throws what it says on stderr. */
  ip(words: string): string;
  /** Links as `ip -d -j link show` has them, without what the kernel settles a little later by itself. */
  links(): unknown;
  /** Path of a namespace that no walk finds: nothing but this process's file descriptor holds it. */
  readonly unreachable: string;
  /** Another namespace that can be reached only through a process in it. */
  container(): Container;
}

export interface Container extends Disposable {
  readonly pid: number;
  readonly path: string;
  ip(words: string): string;
}

export function makeLan(): Lan {
  using undo = new DisposableStack();
  const home = undo.use(openTestNetns());
  const scratch = undo.use(openTestNetns());
  const unreachable = undo.use(openTestNetns());
  const open = (protocol: number, netns: Netns) =>
    new Conversation(inlineTransport(openRequestSocket(home.libc, protocol, netns)));
  const generic = undo.adopt(open(NETLINK_GENERIC, home.netns), (conversation) => conversation.close());
  const kept = undo.move();

  return {
    home: home.netns,
    path: home.path,
    requests: home.conversation,
    generic,
    scratch: { netns: scratch.netns, home: home.conversation, inside: scratch.conversation },
    unreachable: unreachable.path,
    log: () => undefined,
    converseIn: (netns) => open(NETLINK_ROUTE, netns),
    ip: (words) => home.ip(...words.split(" ")),
    links: () => home.ipJson("link", "show").map(withoutCarrier),
    container: () => kept.use(startContainer()),
    [Symbol.dispose]: () => kept.dispose(),
  };
}

/** linkwatch of the kernel tells the carrier of a peer up to a second after the change. */
function withoutCarrier({ operstate: _, flags, ...rest }: Record<string, unknown>): unknown {
  const lasting = Array.isArray(flags) ? flags.filter((flag) => !/CARRIER|LOWER_UP|DOWN/.test(flag)) : flags;
  return { ...rest, flags: lasting };
}

/** Its process waits for the end of its stdin, and so ends with the test. */
function startContainer(): Container {
  using made = openTestNetns();
  const holder = Bun.spawn(["nsenter", `--net=${made.path}`, "cat"], { stdin: "pipe", stdout: "ignore" });
  const path = `/proc/${holder.pid}/ns/net`;
  untilIn(path, made.netns.inode);
  return {
    pid: holder.pid,
    path,
    ip: (words) => ipIn(path, words),
    [Symbol.dispose]: () => void holder.stdin.end(),
  };
}

/** nsenter has no way to say that it is in; it takes about a millisecond. */
function untilIn(path: string, inode: number): void {
  const deadline = performance.now() + 5000;
  while (performance.now() < deadline) {
    const now = openNetns(path);
    now.close();
    if (now.inode === inode) return;
  }
  throw new Error(`${path} did not become the namespace ${inode}`);
}

function ipIn(path: string, words: string): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(["nsenter", `--net=${path}`, "ip", ...words.split(" ")]);
  if (exitCode !== 0) throw new Error(`ip ${words}: ${stderr.toString().trim()}`);
  return stdout.toString();
}
