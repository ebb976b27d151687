import { UnderlayError } from "../../lib/errors.ts";
import type { LinkEnd } from "../../lib/pair.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { getPartOfLink, linkReader } from "../../netlink/link-part.ts";
import { openLinkEventSocket } from "../../netlink/open.ts";
import type { Libc } from "../../sys/libc.ts";
import { awaitReadable } from "../../sys/socket.ts";

/** IF_OPER_UP of `<linux/if.h>`. */
const OPER_UP = 6;
/** The reference's patience: 0, 50, 500, 1000 and 1000 ms. */
const PATIENCE_MS = 2550;

/**
 * Returns when a port passes frames on. A kernel from 6.9 on sees to it when it is asked for the link; an older one does
 * so in its own time, up to a second later, and tells. Throws `timeout`.
 */
export async function awaitForwarding(
  libc: Libc,
  home: Conversation,
  { ifindex, name }: LinkEnd,
): Promise<void> {
  const read = linkReader(["operstate"]);
  const isUp = async () => (await getPartOfLink(home, { ifindex }, read))?.attrs.operstate === OPER_UP;
  if (await isUp()) return;
  const events = openLinkEventSocket(libc);
  try {
    const deadline = performance.now() + PATIENCE_MS;
    while (!(await isUp())) {
      const left = Math.ceil(deadline - performance.now());
      if (left <= 0 || awaitReadable(libc, events.fd, events.fd, left) === "quiet") {
        throw new UnderlayError("timeout", `bridge port in error state: ${name} is not up`);
      }
      events.receive();
    }
  } finally {
    events.close();
  }
}
