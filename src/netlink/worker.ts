import { asUnderlayError } from "../lib/errors.ts";
import { openLibc } from "../sys/libc.ts";
import {
  adoptNetlinkSocket,
  awaitReadable,
  type NetlinkSocket,
  receiveBuffers,
  type Shrink,
} from "../sys/socket.ts";
import { isErrno } from "./failure.ts";
import { pickAttrs, type Wanted } from "./pick.ts";
import type { FromThread, ToThread } from "./thread.ts";
import { exchangeOver } from "./transport.ts";

/**
 * A thread that may block in the kernel. It carries bytes, leaves behind those that nobody wants, and understands
 * none: encoding and decoding stay with the main thread, so the code above is the same with and without it.
 */

declare const self: Worker;

const libc = openLibc();
const buffers = receiveBuffers();

function post(message: FromThread): void {
  self.postMessage(message);
}

function shrinkTo(wanted: Wanted | undefined): Shrink | undefined {
  return wanted && ((datagram) => pickAttrs(datagram, wanted));
}

function exchange({ id, fd, requests, wanted }: Extract<ToThread, { kind: "exchange" }>): void {
  try {
    const datagrams = exchangeOver(adoptNetlinkSocket(libc, fd, buffers), requests, shrinkTo(wanted));
    post({ kind: "answer", id, datagrams });
  } catch (thrown) {
    const { code, message, errno } = asUnderlayError(thrown);
    post({ kind: "failed", id, code, message, ...(errno !== undefined && { errno }) });
  }
}

/**
 * Milliseconds without an event, after which a listener collects its garbage. It never comes to the end of its turn,
 * after which it could be told to, and by itself the collector would begin at 30 MB.
 */
const QUIET = 2000;

/** ENOBUFS means that the kernel dropped some events: the reader must re-read. */
function handOn(socket: NetlinkSocket, shrink: Shrink | undefined): void {
  try {
    post({ kind: "event", datagram: socket.receive(shrink) });
  } catch (thrown) {
    if (!isErrno(thrown, "ENOBUFS")) throw thrown;
    post({ kind: "overrun" });
  }
}

/** Hands on every datagram until the doorbell rings. */
function listen({ fd, doorbellFd, wanted }: Extract<ToThread, { kind: "listen" }>): void {
  const socket = adoptNetlinkSocket(libc, fd, buffers);
  const shrink = shrinkTo(wanted);
  post({ kind: "listening" });
  let garbage = false;
  for (;;) {
    const why = awaitReadable(libc, fd, doorbellFd, garbage ? QUIET : undefined);
    if (why === "rung") break;
    garbage = why === "readable";
    if (garbage) handOn(socket, shrink);
    else Bun.gc(true);
  }
  post({ kind: "ended" });
}

self.onmessage = ({ data }: MessageEvent<ToThread>) => {
  switch (data.kind) {
    case "exchange":
      return exchange(data);
    case "listen":
      return listen(data);
    case "collect":
      return Bun.gc(true);
  }
};
