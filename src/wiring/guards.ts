import { closeSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { UnderlayError } from "../lib/errors.ts";
import {
  GUARD_PATIENCE,
  lineReader,
  type Orders,
  type PostGuard,
  postedGuard,
} from "../links/ovs/move/guard.ts";
import type { MoveRecord, MoveRecords } from "../links/ovs/move/record.ts";
import type { Target } from "../ovsdb/target.ts";
import type { Table } from "../store/store.ts";
import type { Libc } from "../sys/libc.ts";
import { collectChild, spawnDetached } from "../sys/spawn.ts";
import { OWN_EXECUTABLE } from "./attachments.ts";
import { awaitLock } from "./parent-lock.ts";

/** How the daemon starts the process that brings the host's addresses back when the daemon cannot. */

export interface GuardsParts {
  readonly libc: Libc;
  readonly lockDir: string;
  readonly target: Target;
}

/** What a guard is told over its connection. */
export interface GuardOrders extends Orders {
  readonly target: Target;
  /** It has it for as long as it lives. */
  readonly lock: string;
}

/** Understood by main alone. */
const GUARD_MOVE = "--guard-move";

/** Milliseconds; one that brings things back waits for the switch's database twice. */
const AT_WORK = 30_000;

export function postingGuards(parts: GuardsParts, runDir: string): PostGuard {
  const { libc, target } = parts;
  return async (orders) => {
    const lock = lockOf(parts, orders.record.uplink);
    const path = join(runDir, `guard-${orders.record.uplink}.sock`);
    rmSync(path, { force: true });
    const lines = lineReader();
    const connected = Promise.withResolvers<Bun.Socket<undefined>>();
    let waiting = new Uint8Array();
    const flush = (socket: Bun.Socket<undefined>) => {
      waiting = waiting.subarray(Math.max(0, socket.write(waiting)));
    };
    const child = { pid: 0 };
    const listener = Bun.listen({
      unix: path,
      socket: {
        open: connected.resolve,
        data: (_, bytes) => lines.heard(bytes),
        drain: flush,
        close() {
          lines.over();
          collect(libc, child.pid);
        },
      },
    });
    try {
      child.pid = started(libc, path);
      const socket = await inTime(connected.promise);
      const writer = {
        write(text: string) {
          waiting = new Uint8Array(Buffer.concat([waiting, Buffer.from(text)]));
          flush(socket);
        },
        end: () => socket.end(),
      };
      const all: GuardOrders = { ...orders, target, lock };
      return await postedGuard(writer, lines, all);
    } finally {
      // The connection that there is stays.
      listener.stop(false);
      rmSync(path, { force: true });
    }
  };
}

export function awaitingGuards(parts: GuardsParts): (uplink: string) => Promise<void> {
  return async (uplink) => (await awaitLock(parts.libc, lockOf(parts, uplink), AT_WORK)).release();
}

function lockOf({ lockDir }: GuardsParts, uplink: string): string {
  return join(lockDir, `guard-${uplink}`);
}

function started(libc: Libc, path: string): number {
  const nothing = openSync("/dev/null", "r");
  try {
    return spawnDetached(libc, [OWN_EXECUTABLE, GUARD_MOVE, path], nothing);
  } finally {
    closeSync(nothing);
  }
}

/** Milliseconds: it closes its connection a little before it ends. */
const ENDING = 50;

function collect(libc: Libc, pid: number): void {
  if (pid === 0 || collectChild(libc, pid)) return;
  setTimeout(() => collect(libc, pid), ENDING).unref();
}

async function inTime<T>(promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new UnderlayError("timeout", "the process that is to guard the move does not start")),
    GUARD_PATIENCE,
  );
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Records of moves in a table of the store. */
export function moveRecords(table: Table<MoveRecord>): MoveRecords {
  return {
    get: (uplink) => table.get(uplink)?.body,
    list: () => table.list().map(({ body }) => body),
    async put(record) {
      await table.put(record.uplink, record, table.get(record.uplink)?.version ?? 0);
    },
    delete: (uplink) => table.delete(uplink),
  };
}
