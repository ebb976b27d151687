import { asUnderlayError } from "../lib/errors.ts";
import { openLibc } from "../sys/libc.ts";
import { adoptNetlinkSocket, awaitReadable, receiveBuffers } from "../sys/socket.ts";
import { isErrno } from "./failure.ts";
import { pickAttrs } from "./pick.ts";
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

function exchange({ id, fd, requests, wanted }: Extract<ToThread, { kind: "exchange" }>): void {
  try {
    const datagrams = exchangeOver(adoptNetlinkSocket(libc, fd, buffers), requests, wanted);
    post({ kind: "answer", id, datagrams });
  } catch (thrown) {
    const { code, message, errno } = asUnderlayError(thrown);
    post({ kind: "failed", id, code, message, ...(errno !== undefined && { errno }) });
  }
}

/** Hands on every datagram until the doorbell rings. ENOBUFS means that the kernel dropped some: the reader must re-read. */
function listen({ fd, doorbellFd, wanted }: Extract<ToThread, { kind: "listen" }>): void {
  const socket = adoptNetlinkSocket(libc, fd, buffers);
  const shrink = wanted && ((datagram: Uint8Array) => pickAttrs(datagram, wanted));
  post({ kind: "listening" });
  while (awaitReadable(libc, fd, doorbellFd)) {
    try {
      post({ kind: "event", datagram: socket.receive(shrink) });
    } catch (thrown) {
      if (!isErrno(thrown, "ENOBUFS")) throw thrown;
      post({ kind: "overrun" });
    }
  }
  post({ kind: "ended" });
}

self.onmessage = ({ data }: MessageEvent<ToThread>) => {
  if (data.kind === "exchange") exchange(data);
  else listen(data);
};
