import { Conversation } from "../../src/netlink/conversation.ts";
import { NETLINK_ROUTE, openRequestSocket } from "../../src/netlink/open.ts";
import { inlineTransport } from "../../src/netlink/transport.ts";
import { type Libc, openLibc } from "../../src/sys/libc.ts";
import { findNetns, makeScratchNetns, type Netns } from "../../src/sys/netns.ts";

/** An empty netns of a test's own, without a name: it and all in it go when the test disposes of it. */
export interface TestNetns extends Disposable {
  readonly libc: Libc;
  readonly netns: Netns;
  /** Over a socket in the netns, in this thread. */
  readonly conversation: Conversation;
  /** Runs ip(8) in the netns; throws what it says when it fails. */
  ip(...args: string[]): string;
  /** The same with `-j -d`, parsed: another program's word for what the kernel has. */
  ipJson(...args: string[]): Record<string, unknown>[];
  /** A path by which other processes can enter it while this one lives. */
  readonly path: string;
}

export function openTestNetns(): TestNetns {
  const libc = openLibc();
  return testNetns(libc, makeScratchNetns(libc));
}

/** A netns that is there already, for a test that works in it; disposing of this one leaves it. */
export function testNetnsAt(path: string): TestNetns {
  const libc = openLibc();
  const netns = findNetns(libc, path);
  if (!netns) throw new Error(`${path} is no netns`);
  return testNetns(libc, netns);
}

function testNetns(libc: Libc, netns: Netns): TestNetns {
  const conversation = new Conversation(inlineTransport(openRequestSocket(libc, NETLINK_ROUTE, netns)));
  const path = `/proc/${process.pid}/fd/${netns.fd}`;

  function ip(...args: string[]): string {
    const { exitCode, stdout, stderr } = Bun.spawnSync(["nsenter", `--net=${path}`, "ip", ...args]);
    if (exitCode !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr.toString().trim()}`);
    return stdout.toString();
  }

  return {
    libc,
    netns,
    conversation,
    path,
    ip,
    ipJson: (...args) => JSON.parse(ip("-j", "-d", ...args) || "[]"),
    [Symbol.dispose]() {
      conversation.close();
      netns.close();
    },
  };
}

/** A veth pair, both ends up: the nearest thing to a NIC that a netns can have. Returns the index of the first end. */
export function addParent(ground: TestNetns, name: string): number {
  ground.ip("link", "add", name, "type", "veth", "peer", "name", `${name}-peer`);
  ground.ip("link", "set", `${name}-peer`, "up");
  ground.ip("link", "set", name, "up");
  return Number(ground.ipJson("link", "show", name)[0]?.["ifindex"]);
}
