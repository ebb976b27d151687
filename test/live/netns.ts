import { openTestNetns, type TestNetns } from "../ground/netns.ts";

/** A test's netns, with `ip` spoken to in whole commands. */
export interface LiveNetns extends Disposable, Pick<TestNetns, "netns" | "conversation"> {
  /** Throws what `ip` says when it fails. */
  ip(command: string): void;
  /** Whether it worked. */
  tryIp(command: string): boolean;
  /** What `ip -j -d` prints. Its shape is the caller's to assert. */
  show(command: string): Shown[];
}

/** A link, address, route or neighbour as `ip -j` has it. */
export type Shown = Readonly<Record<string, unknown>>;

export function liveNetns(): LiveNetns {
  const ground = openTestNetns();
  return {
    netns: ground.netns,
    conversation: ground.conversation,
    ip: (command) => void ground.ip(...command.split(" ")),
    tryIp(command) {
      try {
        ground.ip(...command.split(" "));
        return true;
      } catch {
        return false;
      }
    },
    // Of a link that a filter hides `ip` prints an empty object.
    show: (command) => ground.ipJson(...command.split(" ")).filter((row) => Object.keys(row).length > 0),
    [Symbol.dispose]: () => ground[Symbol.dispose](),
  };
}

/** With a veth pair `p0` and `v1`, both up: p0 plays the parent. */
export function withParent(): LiveNetns {
  const live = liveNetns();
  live.ip("link add name p0 type veth peer name v1");
  live.ip("link set dev p0 up");
  live.ip("link set dev v1 up");
  return live;
}
