import { UnderlayError } from "../lib/errors.ts";
import { lineReader, standGuard } from "../links/ovs/move/guard.ts";
import { bringBack } from "../links/ovs/move/return.ts";
import { switchPorts } from "../links/ovs/ports.ts";
import { Conversation } from "../netlink/conversation.ts";
import { NETLINK_ROUTE, openRequestSocket } from "../netlink/open.ts";
import { inlineTransport } from "../netlink/transport.ts";
import { openLibc } from "../sys/libc.ts";
import type { GuardOrders } from "./guards.ts";
import { awaitLock } from "./parent-lock.ts";
import { lazily } from "./switch.ts";

/** Milliseconds: a former guard of the same NIC may be about to end. */
const FORMER = 5_000;

/**
 * The dead-man of a move: a copy of the daemon, with nothing of it but a connection. It ends when it is told that all is
 * well, and brings everything back when the connection closes first or the time is over. Whoever stops the daemon does
 * not stop it.
 */
export async function runGuard(path: string): Promise<number> {
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => undefined);
  const libc = openLibc();
  const lines = lineReader();
  const socket = await Bun.connect({
    unix: path,
    socket: { data: (_, bytes) => lines.heard(bytes), close: lines.over, end: lines.over },
  });
  const first = await lines.next();
  if (first === undefined) return 0;
  const { record, bootId, within, target, lock }: GuardOrders = JSON.parse(first);
  const held = await awaitLock(libc, lock, FORMER);
  // All that is needed is opened now: later there may be no memory and no files for it.
  const home = new Conversation(inlineTransport(openRequestSocket(libc, NETLINK_ROUTE)));
  using database = lazily(target, () => undefined);
  const parts = { home, database, ports: switchPorts(database), bootId, step: () => undefined };
  try {
    await standGuard(socket, lines, within, () => bringBack(parts, record));
    return 0;
  } catch (thrown) {
    if (thrown instanceof UnderlayError) return 1;
    throw thrown;
  } finally {
    home.close();
    held.release();
    socket.end();
  }
}
