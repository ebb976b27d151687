import { closeSync } from "node:fs";
import type { Log } from "../../src/lib/log.ts";
import { Conversation } from "../../src/netlink/conversation.ts";
import { NETLINK_GENERIC, NETLINK_ROUTE, openRequestSocket } from "../../src/netlink/open.ts";
import { inlineTransport } from "../../src/netlink/transport.ts";
import { openLibc } from "../../src/sys/libc.ts";
import { makeScratchNetns, type Netns, openNetns } from "../../src/sys/netns.ts";

/**
 * A namespace of the test's own, with what the daemon would have in its: conversations and a scratch namespace.
 * Nothing in it has a name, so it goes with the process, whatever happens.
 */
export interface Lan extends Disposable {
  readonly home: Netns;
  readonly requests: Conversation;
  readonly generic: Conversation;
  readonly scratch: { readonly netns: Netns; readonly home: Conversation; readonly inside: Conversation };
  readonly log: Log;
  /** What was logged, one `level message` each. */
  readonly said: string[];
  converseIn(netns: Netns): Conversation;
  /** Runs `ip` in the namespace, words parted by blanks. Throws what it says on stderr. */
  ip(words: string): string;
  /** Links as `ip -d -j link show` has them, without counters. */
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
  const libc = openLibc();
  const open = (protocol: number, netns: Netns) =>
    new Conversation(inlineTransport(openRequestSocket(libc, protocol, netns)));
  using undo = new DisposableStack();
  const keep = <T extends { close(): void }>(thing: T): T => undo.adopt(thing, () => thing.close());

  const home = keep(makeScratchNetns(libc));
  const unreachable = keep(makeScratchNetns(libc));
  const scratchNetns = keep(makeScratchNetns(libc));
  const requests = keep(open(NETLINK_ROUTE, home));
  const generic = keep(open(NETLINK_GENERIC, home));
  const inside = keep(open(NETLINK_ROUTE, scratchNetns));
  const said: string[] = [];
  const ip = (words: string) => ipIn(pathOf(home), words);
  const kept = undo.move();

  return {
    home,
    requests,
    generic,
    scratch: { netns: scratchNetns, home: requests, inside },
    said,
    unreachable: pathOf(unreachable),
    log: (level, message) => void said.push(`${level} ${message}`),
    converseIn: (netns) => open(NETLINK_ROUTE, netns),
    ip,
    links: () => JSON.parse(ip("-d -j link show")),
    container() {
      const container = startContainer();
      kept.use(container);
      return container;
    },
    [Symbol.dispose]: () => kept.dispose(),
  };
}

/** For other programs: this process's file descriptor of the namespace. */
function pathOf(netns: Netns): string {
  return `/proc/${process.pid}/fd/${netns.fd}`;
}

/** Its process waits for the end of its stdin, and so ends with the test. */
function startContainer(): Container {
  const libc = openLibc();
  const netns = makeScratchNetns(libc);
  const holder = Bun.spawn(["nsenter", `--net=${pathOf(netns)}`, "cat"], { stdin: "pipe", stdout: "ignore" });
  const path = `/proc/${holder.pid}/ns/net`;
  untilIn(path, netns.inode);
  netns.close();
  return {
    pid: holder.pid,
    path,
    ip: (words) => ipIn(path, words),
    [Symbol.dispose]: () => void holder.stdin.end(),
  };
}

/** nsenter enters right after it starts; a few thousand looks are far more than it needs. */
function untilIn(path: string, inode: number): void {
  const deadline = performance.now() + 5000;
  while (performance.now() < deadline) {
    const now = openNetns(path);
    closeSync(now.fd);
    if (now.inode === inode) return;
  }
  throw new Error(`${path} did not become the namespace ${inode}`);
}

export function ipIn(path: string, words: string): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync([
    "nsenter",
    `--net=${path}`,
    "ip",
    ...words.split(" ").filter((word) => word !== ""),
  ]);
  if (exitCode !== 0) throw new Error(`ip ${words}: ${stderr.toString().trim()}`);
  return stdout.toString();
}
