import { UnderlayError } from "../lib/errors.ts";
import type { NetlinkSocket, Shrink } from "../sys/socket.ts";
import { eachMessage, isTerminal, sequencesOf } from "./message.ts";
import type { Wanted } from "./pick.ts";

/**
 * The seam below the messages: bytes out, datagrams back. A socket in this thread, a socket in a worker and a
 * script in a test all have this shape, so everything above is the same code everywhere.
 */
export interface Transport {
  /**
   * Sends a buffer of one or more requests and resolves with the datagrams of their answers, when each request has
   * had its NLMSG_ERROR or NLMSG_DONE. One exchange at a time is under way. `wanted`: what is left of the answers.
   */
  exchange(requests: Uint8Array, wanted?: Wanted): Promise<Uint8Array[]>;
  close(): void;
}

/** A dump of 4,094 VLANs has some hundred datagrams; a socket that gives more than this without an end is broken. */
const MAX_DATAGRAMS = 100_000;

/**
 * One exchange over a socket, blocking this thread. Answers to a request that was given up earlier are dropped. What
 * the kernel says of a request that wants no answer is that it refuses all that were sent with it. `shrink`: leaves out
 * of each datagram what nobody wants.
 */
export function exchangeOver(socket: NetlinkSocket, requests: Uint8Array, shrink?: Shrink): Uint8Array[] {
  const known = sequencesOf(requests);
  const open = new Set<number>();
  for (const [seq, isAcknowledged] of known) if (isAcknowledged) open.add(seq);
  const datagrams: Uint8Array[] = [];
  socket.send(requests);
  while (open.size > 0) {
    const datagram = socket.receive(shrink);
    let concerns = false;
    for (const message of eachMessage(datagram)) {
      if (!known.has(message.seq)) continue;
      concerns = true;
      if (!isTerminal(message)) continue;
      if (known.get(message.seq)) open.delete(message.seq);
      else open.clear();
    }
    if (concerns) datagrams.push(datagram);
    if (datagrams.length > MAX_DATAGRAMS) throw new UnderlayError("kernel", "a netlink answer has no end");
  }
  return datagrams;
}

/** For programs that may block: the CNI process, the CLI, tests. Nothing crosses threads, so all is kept of the answers. */
export function inlineTransport(socket: NetlinkSocket): Transport {
  return {
    exchange: (requests) =>
      new Promise((resolve) => {
        resolve(exchangeOver(socket, requests));
      }),
    close: () => socket.close(),
  };
}
