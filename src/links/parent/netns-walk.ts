import { readdirSync, readFileSync, statSync } from "node:fs";
import { asUnderlayError } from "../../lib/errors.ts";
import type { NetnsFacts } from "../../lib/facts.ts";
import type { Log } from "../../lib/log.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import type { Netns } from "../../sys/netns.ts";
import { openNetns } from "../../sys/netns-path.ts";

/**
 * Every network namespace that can be reached, each once: a link's children may live in any of them, and no dump of
 * the host shows them (DESIGN section 4).
 */

/** Where namespaces are found. Named ones first: their path tells a person more than a process does. */
export interface NetnsRoots {
  /** Folders whose entries are bind-mounted namespaces. */
  readonly named: readonly string[];
  /** A proc file system. */
  readonly proc: string;
}

export const NETNS_ROOTS: NetnsRoots = { named: ["/run/netns", "/run/docker/netns"], proc: "/proc" };

/** What the namespace is called in which links are made: the daemon's own. */
export const HOST_NETNS = "host";

/** A look at a process costs about 10 µs, so many thousands would stop everything else for too long. */
const LOOKS_IN_A_ROW = 500;

export interface Reachable {
  readonly netns: readonly NetnsFacts[];
  /**
   * False when something refused to be looked at for want of a capability of ours: there may be more. What vanished
   * meanwhile is not missed, nor the odd process, often pid 1, that a sandbox keeps from root itself.
   */
  readonly complete: boolean;
}

/** All that is found, home first. Those that vanish or may not be looked at are left out. */
export async function reachableNetns(home: Netns, roots: NetnsRoots = NETNS_ROOTS): Promise<Reachable> {
  const nsfs = statSync(`${roots.proc}/thread-self/ns/net`).dev;
  const found = new Map<number, NetnsFacts>([[home.inode, { inode: home.inode, path: HOST_NETNS }]]);
  const looks = newLooks();
  for (const [i, path] of candidatePaths(roots, looks).entries()) {
    if (i > 0 && i % LOOKS_IN_A_ROW === 0) await new Promise(setImmediate);
    const stat = looks.at(() => statSync(path));
    // A name whose mount is gone is an ordinary file of another file system.
    if (stat?.dev === nsfs && !found.has(stat.ino)) found.set(stat.ino, { inode: stat.ino, path });
  }
  return { netns: [...found.values()], complete: looks.refused === 0 || mayLookEverywhere() };
}

function candidatePaths({ named, proc }: NetnsRoots, looks: Looks): string[] {
  const entriesOf = (folder: string) => looks.at(() => readdirSync(folder)) ?? [];
  const byName = named.flatMap((folder) => entriesOf(folder).map((name) => `${folder}/${name}`));
  const byProcess = entriesOf(proc)
    .filter((name) => /^\d+$/.test(name))
    // The oldest process of a container is the one to name it by.
    .sort((a, b) => Number(a) - Number(b))
    .map((pid) => `${proc}/${pid}/ns/net`);
  return [...byName, ...byProcess];
}

/** Looks at files that may vanish, which is as if they had never been there, or refuse, which is counted. */
interface Looks {
  refused: number;
  at<T>(read: () => T): T | undefined;
}

const VANISHED: ReadonlySet<string> = new Set(["ENOENT", "ESRCH", "ENOTDIR"]);
const REFUSED: ReadonlySet<string> = new Set(["EACCES", "EPERM"]);

function newLooks(): Looks {
  return {
    refused: 0,
    at(read) {
      try {
        return read();
      } catch (error) {
        const code = codeOf(error);
        if (REFUSED.has(code)) this.refused++;
        else if (!VANISHED.has(code)) throw error;
        return undefined;
      }
    },
  };
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** Bits of `<linux/capability.h>` that opening another process's namespace wants: CAP_SYS_PTRACE, CAP_SYS_ADMIN. */
const NEEDED = (1n << 19n) | (1n << 21n);

function mayLookEverywhere(): boolean {
  const [, effective = "0"] = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  return (BigInt(`0x${effective}`) & NEEDED) === NEEDED;
}

/** How namespaces are walked. */
export interface WalkContext {
  /** The namespace in which links are made. */
  readonly home: Netns;
  /** A conversation in another namespace, in this thread or in another; closing it closes its socket. */
  converseIn(netns: Netns): Conversation;
  /**
   * Those of the link kinds that the kernel has now, as far as is known: undefined when it may have any. It lists the
   * links of one kind without a look at the thousands of others, but for a kind that it does not have it lists all.
   */
  readonly kindsNow?: <Kind extends string>(kinds: readonly Kind[]) => readonly Kind[] | undefined;
  readonly log: Log;
  readonly roots?: NetnsRoots;
}

/** A namespace that is being visited. Both ends are closed when the visit is over. */
export interface Place {
  readonly facts: NetnsFacts;
  readonly netns: Netns;
  readonly conversation: Conversation;
}

export interface Visits<T> {
  readonly results: readonly T[];
  /** False when a namespace refused to be looked at or could not be read. */
  readonly complete: boolean;
}

/**
 * Visits every reachable namespace, one after another. One that cannot be entered or read is told in the log and
 * skipped; only failures at home are thrown.
 */
export async function visitEveryNetns<T>(
  context: WalkContext,
  visit: (place: Place) => Promise<T>,
): Promise<Visits<T>> {
  const results: T[] = [];
  const reachable = await reachableNetns(context.home, context.roots);
  let { complete } = reachable;
  for (const facts of reachable.netns) {
    try {
      results.push(await visitNetns(context, facts, visit));
    } catch (error) {
      if (facts.path === HOST_NETNS) throw error;
      if (!VANISHED.has(codeOf(error))) complete = false;
      context.log("debug", "a network namespace cannot be read", {
        path: facts.path,
        error: asUnderlayError(error).message,
      });
    }
  }
  return { results, complete };
}

async function visitNetns<T>(
  context: WalkContext,
  facts: NetnsFacts,
  visit: (place: Place) => Promise<T>,
): Promise<T> {
  using netns = openPlace(context, facts);
  const conversation = context.converseIn(netns);
  try {
    return await visit({ facts, netns, conversation });
  } finally {
    conversation.close();
  }
}

/** A namespace that the walk found, held open until disposed of. */
export function openPlace({ home }: WalkContext, facts: NetnsFacts): Netns & Disposable {
  if (facts.inode === home.inode) return { ...home, [Symbol.dispose]: () => undefined };
  const netns = openNetns(facts.path);
  return { ...netns, [Symbol.dispose]: () => netns.close() };
}
