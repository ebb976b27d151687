import { type ParentUsers, parentUsers } from "../engine/parent-users.ts";
import { parentLinks } from "../links/parent/make.ts";
import type { Conversation } from "../netlink/conversation.ts";
import { DATABASE_FILE, openStore } from "../store/sqlite.ts";
import { makeDirectories, readFile, statusOf } from "../sys/file.ts";
import type { Libc } from "../sys/libc.ts";
import { faultPoints } from "./faults.ts";
import { awaitLock } from "./parent-lock.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** Milliseconds; then the runtime is told to try again later. */
const PATIENCE_MS = 30_000;

/**
 * Users of VLANs, for a process of one call: the database and the locks of the daemon, who may be at work. Loaded when a
 * VLAN is missing or was made by us. The process ends without closing the database, for that would wait for the disk.
 * Undefined when there is no database and none is needed. Throws `state`, `timeout`.
 */
export async function parentUsersOf(
  libc: Libc,
  env: Env,
  home: Conversation,
  need: "to join" | "to leave",
): Promise<ParentUsers | undefined> {
  const stateDir = env["UNDERLAY_STATE_DIR"] || "/var/lib/underlay";
  if (need === "to leave" && !statusOf(libc, `${stateDir}/${DATABASE_FILE}`)) return undefined;
  const locks = `${env["UNDERLAY_RUN_DIR"] || "/run/underlay"}/lock`;
  makeDirectories(libc, locks, 0o700);
  const lock = (name: string) => awaitLock(libc, `${locks}/${name}`, PATIENCE_MS);
  // Of many that make it at once all but one would be refused.
  const opening = await lock("open");
  const store = openStore(stateDir);
  opening.release();

  const bootId = new TextDecoder().decode(readFile(libc, "/proc/sys/kernel/random/boot_id")).trim();
  return parentUsers({
    store,
    parentLinks: parentLinks(home, home),
    lockParent: (name) => lock(`parent-${name}`),
    step: faultPoints(env),
    log: () => undefined,
    bootId,
    clock: Date.now,
  });
}
