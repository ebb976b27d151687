import { statSync } from "node:fs";
import { openTestNetns, type TestNetns } from "../../ground/netns.ts";
import { until } from "../../ground/until.ts";

/** A container: a netns with a process in it. */
export interface Box extends AsyncDisposable {
  /** Nobody else's, from 2 on: its ids and, where a runtime chooses them, its addresses are made of it. */
  readonly serial: number;
  /** Of its netns; of one that is gone, a path where nothing is. */
  path(): string;
  ip(words: string): string;
  /** What `ip -j -d` prints. */
  show(words: string): Record<string, unknown>[];
  /** Its links without `lo`; none when it is gone. */
  links(): string[];
  pings(address: string): Promise<boolean>;
  /** Its process ends; the netns stays, as a runtime's does that has it mounted. */
  end(): Promise<void>;
  /** Its netns ends as well, and all that is in it. */
  vanish(): Promise<void>;
}

export async function openBox(serial: number): Promise<Box> {
  const netns = openTestNetns();
  const inhabitant = Bun.spawn(["nsenter", `--net=${netns.path}`, "cat"], {
    stdin: "pipe",
    stdout: "ignore",
  });
  const its = `/proc/${inhabitant.pid}/ns/net`;
  await until("the process is in the container", () => statSync(its).ino === netns.netns.inode, {
    everyMs: 2,
  });
  return boxOf(serial, netns, inhabitant);
}

function boxOf(serial: number, netns: TestNetns, inhabitant: Bun.Subprocess<"pipe", "ignore">): Box {
  let isThere = true;
  const end = async () => {
    inhabitant.stdin.end();
    await inhabitant.exited;
  };
  const vanish = async () => {
    await end();
    if (isThere) netns[Symbol.dispose]();
    isThere = false;
  };
  return {
    serial,
    path: () => (isThere ? netns.path : "/run/netns/underlay-never-was"),
    ip: (words) => netns.ip(...words.split(" ")),
    show: (words) => netns.ipJson(...words.split(" ")),
    links: () =>
      isThere
        ? netns.ipJson("link", "show").flatMap(({ ifname }) => (ifname === "lo" ? [] : [String(ifname)]))
        : [],
    async pings(address) {
      const ping = ["busybox", "ping", "-c1", "-W1", address];
      return (await Bun.spawn(["nsenter", `--net=${netns.path}`, ...ping], QUIET).exited) === 0;
    },
    end,
    vanish,
    [Symbol.asyncDispose]: vanish,
  };
}

const QUIET = { stdin: "ignore", stdout: "ignore", stderr: "ignore" } as const;
