import { UnderlayError } from "../lib/errors.ts";
import { failureOf, GONE, isErrno } from "../netlink/failure.ts";
import { decodeLink, deleteLinkRequest, getLink, RTM_LINK } from "../netlink/link.ts";
import { eachMessage, encodeMessage, isTerminal, NLM_F } from "../netlink/message.ts";
import { NETLINK_ROUTE, openLinkEventSocket, openRequestSocket } from "../netlink/open.ts";
import type { Libc } from "../sys/libc.ts";
import { adoptNetlinkSocket, awaitReadable, type NetlinkSocket, receiveBuffers } from "../sys/socket.ts";
import type { Inside } from "./born-inside.ts";

/**
 * Sends a delete for the link with that index over the socket, in another process: the kernel keeps its sender for
 * 16 ms after the link is gone.
 */
export type DeleteElsewhere = (socketFd: number, ifindex: number) => void;

/** A delete under way. */
export interface Going {
  /** Returns when the link is gone for everybody. Throws `kernel`, `permission`, `timeout`. */
  awaitGone(): void;
}

/** Begins to delete the link of that name in a container, or without a netns in our own; undefined when there is none. */
export async function goInside(
  libc: Libc,
  inside: Pick<Inside, "kernel"> & Partial<Pick<Inside, "netns">>,
  ifname: string,
  deleteElsewhere: DeleteElsewhere,
): Promise<Going | undefined> {
  const link = await getLink(inside.kernel, { name: ifname });
  if (!link) return undefined;
  const ifindex = link.header.index;
  using undo = new DisposableStack();
  // Listens before anything is asked for, so that the end cannot be missed.
  const events = undo.adopt(
    openLinkEventSocket(libc, { ...(inside.netns && { netns: inside.netns }) }),
    (socket) => socket.close(),
  );
  const requests = undo.adopt(openRequestSocket(libc, NETLINK_ROUTE, inside.netns), (socket) =>
    socket.close(),
  );
  deleteElsewhere(requests.fd, ifindex);
  const kept = undo.move();
  return {
    awaitGone() {
      try {
        hear(libc, { events, requests }, ifindex);
      } finally {
        kept.dispose();
      }
    },
  };
}

interface Sockets {
  readonly events: NetlinkSocket;
  readonly requests: NetlinkSocket;
}

/** Milliseconds; another process may hold the kernel's lock for a burst of deletes. */
const PATIENCE = 30_000;

/** The event comes first, 16 ms before the answer; an answer alone is a refusal. */
function hear(libc: Libc, { events, requests }: Sockets, ifindex: number): void {
  for (;;) {
    const heard = awaitReadable(libc, requests.fd, events.fd, PATIENCE);
    if (heard === "quiet")
      throw new UnderlayError("timeout", `link #${ifindex} is not gone after ${PATIENCE / 1000} s`);
    if (heard === "rung" && tellsEnd(events.receive(), ifindex)) return;
    if (heard === "readable") {
      requireGone(requests.receive(), ifindex);
      return;
    }
  }
}

function requireGone(answer: Uint8Array, ifindex: number): void {
  for (const message of eachMessage(answer)) {
    const failure = isTerminal(message) ? failureOf(deleteLinkRequest({ ifindex }), message) : undefined;
    if (failure && !isErrno(failure, ...GONE)) throw failure;
  }
}

function tellsEnd(datagram: Uint8Array, ifindex: number): boolean {
  for (const message of eachMessage(datagram)) {
    if (message.type === RTM_LINK.RTM_DELLINK && decodeLink(message).header.index === ifindex) return true;
  }
  return false;
}

/** What the other process does: its stdin is the socket. */
export function sendDelete(libc: Libc, socketFd: number, ifindex: number): void {
  const { type, body } = deleteLinkRequest({ ifindex });
  const flags = NLM_F.NLM_F_REQUEST | NLM_F.NLM_F_ACK;
  adoptNetlinkSocket(libc, socketFd, receiveBuffers()).send(encodeMessage({ type, flags, seq: 1, body }));
}
