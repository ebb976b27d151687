import { type Attachments, attachments } from "../engine/attach.ts";
import { containerLinks } from "../links/container-links.ts";
import type { DeleteElsewhere } from "../links/gone-inside.ts";
import { Conversation } from "../netlink/conversation.ts";
import { NETLINK_ROUTE, openRequestSocket } from "../netlink/open.ts";
import { inlineTransport } from "../netlink/transport.ts";
import { sandboxes } from "../sandbox/sandbox.ts";
import { writeAll } from "../sys/file.ts";
import type { Libc } from "../sys/libc.ts";
import type { Netns } from "../sys/netns.ts";
import { spawnDetached } from "../sys/spawn.ts";
import { faultPoints } from "./faults.ts";

/** The engine of a process that lives for one call: it blocks where it waits, and keeps nothing. */

export function conversing(libc: Libc) {
  return (netns?: Netns) => new Conversation(inlineTransport(openRequestSocket(libc, NETLINK_ROUTE, netns)));
}

export function attachmentsOf(libc: Libc, env: Readonly<Record<string, string | undefined>>): Attachments {
  const converse = conversing(libc);
  return attachments({
    sandboxes: sandboxes(libc, converse),
    links: containerLinks(libc, converse(), deleting(libc)),
    step: faultPoints(env),
    strays: async () => (await import("./strays.ts")).straysOf(converse),
    parentUsers: async (need) =>
      (await import("./parent-users.ts")).parentUsersOf(libc, env, converse(), need),
    warn: (text) => writeAll(libc, 2, new TextEncoder().encode(`underlay: ${text}\n`), "stderr"),
  });
}

/** How this program deletes a link whose end nobody is to wait for. */
export function deleting(libc: Libc): DeleteElsewhere {
  return (socketFd, ifindex) => {
    spawnDetached(libc, [OWN_EXECUTABLE, DELETE_LINK, `${ifindex}`], socketFd);
  };
}

/** Leads to this program even when its file was replaced. */
export const OWN_EXECUTABLE = "/proc/self/exe";

/** Understood by main alone: the process that it starts sends a delete over its stdin. */
const DELETE_LINK = "--delete-link";
