import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UnderlayError } from "../../lib/errors.ts";
import { Conversation } from "../../netlink/conversation.ts";
import type { Netns } from "../../sys/netns.ts";
import { ownNetns } from "../../sys/netns-path.ts";
import {
  HOST_NETNS,
  type NetnsRoots,
  reachableNetns,
  visitEveryNetns,
  type WalkContext,
} from "./netns-walk.ts";

/** Finding and visiting, with folders of the test's own in place of /run and /proc. Needs no root. */

let folder: string;
let roots: NetnsRoots;
let home: Netns;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "netns-walk-"));
  for (const name of ["named", "proc", "proc/thread-self/ns"])
    mkdirSync(join(folder, name), { recursive: true });
  symlinkSync("/proc/self/ns/net", join(folder, "proc/thread-self/ns/net"));
  roots = { named: [join(folder, "named"), join(folder, "absent")], proc: join(folder, "proc") };
  home = ownNetns();
});

afterEach(() => {
  home.close();
  rmSync(folder, { recursive: true });
});

/** A process of the fake proc whose netns is some namespace file; any nsfs inode serves. */
function process_(pid: string, target: string): void {
  mkdirSync(join(folder, "proc", pid, "ns"), { recursive: true });
  symlinkSync(target, join(folder, "proc", pid, "ns", "net"));
}

// Another namespace of this process: another inode of the same file system, as a second netns would have.
const OTHER = "/proc/self/ns/uts";

describe("namespaces are found", () => {
  test("once each, the home first and under its own name", async () => {
    process_("1", "/proc/self/ns/net");
    process_("2", OTHER);
    process_("3", OTHER);
    const { netns: found, complete } = await reachableNetns(home, roots);
    expect(complete).toBe(true);
    expect(found.map(({ path }) => path)).toEqual([HOST_NETNS, join(folder, "proc/2/ns/net")]);
    expect(found[0]?.inode).toBe(home.inode);
  });

  test("by the name that a person gave, rather than by a process", async () => {
    process_("2", OTHER);
    symlinkSync(OTHER, join(folder, "named/blue"));
    expect((await reachableNetns(home, roots)).netns.map(({ path }) => path)).toEqual([
      HOST_NETNS,
      join(folder, "named/blue"),
    ]);
  });

  test("but not where only a file is left of a name, or a process is gone", async () => {
    writeFileSync(join(folder, "named/stale"), "");
    process_("4", "/proc/self/ns/no-such-thing");
    mkdirSync(join(folder, "proc/not-a-process/ns"), { recursive: true });
    symlinkSync(OTHER, join(folder, "proc/not-a-process/ns/net"));
    expect((await reachableNetns(home, roots)).netns.map(({ path }) => path)).toEqual([HOST_NETNS]);
  });
});

test("thousands of processes are looked through without holding up everything else", async () => {
  symlinkSync(OTHER, join(folder, "named/blue"));
  const many = { ...roots, named: Array<string>(3000).fill(join(folder, "named")) };
  let turns = 0;
  const tick = () => {
    turns++;
    ticking = setImmediate(tick);
  };
  let ticking = setImmediate(tick);
  expect((await reachableNetns(home, many)).netns).toHaveLength(2);
  clearImmediate(ticking);
  expect(turns).toBeGreaterThan(3);
});

describe("a visit", () => {
  const said: string[] = [];

  function context(fails: (netns: Netns) => boolean): WalkContext {
    return {
      home,
      roots,
      log: (level, message, fields) => void said.push(`${level} ${message} ${fields?.["path"]}`),
      converseIn(netns) {
        if (fails(netns)) throw new UnderlayError("permission", "enter network namespace: EPERM");
        return new Conversation({ exchange: async () => [], close: () => undefined });
      },
    };
  }

  test("goes on past a namespace that cannot be entered, and says so", async () => {
    process_("2", OTHER);
    symlinkSync("/proc/self/ns/ipc", join(folder, "named/red"));
    const red = join(folder, "named/red");
    const visited = await visitEveryNetns(
      context((netns) => netns.path === red),
      async ({ facts }) => facts.path,
    );
    expect(visited).toEqual({ results: [HOST_NETNS, join(folder, "proc/2/ns/net")], complete: false });
    expect(said).toEqual([`debug a network namespace cannot be read ${red}`]);
  });

  test("fails when home itself cannot be read", async () => {
    const walk = visitEveryNetns(
      context(() => true),
      async () => undefined,
    );
    await expect(walk).rejects.toThrow("EPERM");
  });
});
