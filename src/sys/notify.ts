import { UnderlayError } from "../lib/errors.ts";
import { quote } from "../lib/quote.ts";
import { checked, type Libc } from "./libc.ts";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SUN_PATH_SIZE = 108;
/** MSG_DONTWAIT and MSG_NOSIGNAL of `<bits/socket.h>`. */
const SEND_FLAGS = 0x40 | 0x4000;

/**
 * sd_notify(3): one datagram of KEY=VALUE lines to the manager's socket. `socketPath` is $NOTIFY_SOCKET;
 * a leading @ means the abstract name space. Never waits: throws `kernel` with EAGAIN when the manager's queue is
 * full, with another errno when nobody listens, `permission`, and `invalid_option` when the path is none.
 */
export function notifyManager(libc: Libc, socketPath: string, state: readonly string[]): void {
  const path = Buffer.from(socketPath);
  if (!/^[/@]./s.test(socketPath) || path.length >= SUN_PATH_SIZE) {
    throw new UnderlayError(
      "invalid_option",
      `NOTIFY_SOCKET is no path or abstract name: ${quote(socketPath)}`,
    );
  }
  if (socketPath.startsWith("@")) path[0] = 0;
  const address = new Uint8Array(2 + path.length);
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(path, 2);
  const message = new Uint8Array(Buffer.from(state.join("\n")));
  const fd = checked(libc, "open the notify socket", libc.call.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  try {
    checked(
      libc,
      "notify the service manager",
      libc.threads.sendto(fd, message, message.length, SEND_FLAGS, address, address.length),
    );
  } finally {
    libc.call.close(fd);
  }
}
