import { readdirSync, statSync } from "node:fs";
import { asUnderlayError } from "../../lib/errors.ts";
import type { NetnsFacts } from "../../lib/facts.ts";
import type { Log } from "../../lib/log.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { type Netns, openNetns } from "../../sys/netns.ts";

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

/** All that is found, home first. Those that vanish or may not be looked at are left out. */
export async function reachableNetns(home: Netns, roots: NetnsRoots = NETNS_ROOTS): Promise<NetnsFacts[]> {
  const nsfs = statSync(`${roots.proc}/thread-self/ns/net`).dev;
  const found = new Map<number, NetnsFacts>([[home.inode, { inode: home.inode, path: HOST_NETNS }]]);
  for (const [i, path] of candidatePaths(roots).entries()) {
    if (i > 0 && i % LOOKS_IN_A_ROW === 0) await new Promise(setImmediate);
    const stat = unlessOutOfReach(() => statSync(path));
    // A name whose mount is gone is an ordinary file of another file system.
    if (stat?.dev === nsfs && !found.has(stat.ino)) found.set(stat.ino, { inode: stat.ino, path });
  }
  return [...found.values()];
}

function candidatePaths({ named, proc }: NetnsRoots): string[] {
  const byName = named.flatMap((folder) => entriesOf(folder).map((name) => `${folder}/${name}`));
  const byProcess = entriesOf(proc)
    .filter((name) => /^\d+$/.test(name))
    // The oldest process of a container is the one to name it by.
    .sort((a, b) => Number(a) - Number(b))
    .map((pid) => `${proc}/${pid}/ns/net`);
  return [...byName, ...byProcess];
}

/** "Not there" and "not for you": the two ways in which a namespace is out of reach. */
const OUT_OF_REACH: ReadonlySet<string> = new Set(["ENOENT", "ESRCH", "EACCES", "EPERM", "ENOTDIR"]);

function entriesOf(folder: string): string[] {
  return unlessOutOfReach(() => readdirSync(folder)) ?? [];
}

function unlessOutOfReach<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (OUT_OF_REACH.has(code)) return undefined;
    throw error;
  }
}

/** How namespaces are walked. */
export interface WalkContext {
  /** The namespace in which links are made. */
  readonly home: Netns;
  /** A conversation in another namespace, in this thread or in another; closing it closes its socket. */
  converseIn(netns: Netns): Conversation;
  readonly log: Log;
  readonly roots?: NetnsRoots;
}

/** A namespace that is being visited. Both ends are closed when the visit is over. */
export interface Place {
  readonly facts: NetnsFacts;
  readonly netns: Netns;
  readonly conversation: Conversation;
}

/**
 * Visits every reachable namespace, one after another. One that cannot be entered or read is told in the log and
 * skipped; only failures at home are thrown.
 */
export async function visitEveryNetns<T>(
  context: WalkContext,
  visit: (place: Place) => Promise<T>,
): Promise<T[]> {
  const results: T[] = [];
  for (const facts of await reachableNetns(context.home, context.roots)) {
    try {
      results.push(await visitNetns(context, facts, visit));
    } catch (error) {
      if (facts.path === HOST_NETNS) throw error;
      context.log("debug", "a network namespace cannot be read", {
        path: facts.path,
        error: asUnderlayError(error).message,
      });
    }
  }
  return results;
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
