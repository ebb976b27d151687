import { asUnderlayError } from "../lib/errors.ts";
import { openLibc } from "../sys/libc.ts";
import { adoptNetlinkSocket, awaitReadable, receiveBuffers } from "../sys/socket.ts";
import { isErrno } from "./failure.ts";
import type { FromThread, ToThread } from "./thread.ts";
import { exchangeOver } from "./transport.ts";

/**
 * A thread that may block in the kernel. It carries bytes and understands none: encoding and decoding stay with the
 * main thread, so the code above is the same with and without it.
 */

declare const self: Worker;

const libc = openLibc();
const buffers = receiveBuffers();

function post(message: FromThread): void {
  self.postMessage(message);
}

function exchange(id: number, fd: number, requests: Uint8Array): void {
  try {
    post({ kind: "answer", id, datagrams: exchangeOver(adoptNetlinkSocket(libc, fd, buffers), requests) });
  } catch (thrown) {
    const { code, message, errno } = asUnderlayError(thrown);
    post({ kind: "failed", id, code, message, ...(errno !== undefined && { errno }) });
  }
}

/** Hands on every datagram until the doorbell rings. ENOBUFS means that the kernel dropped some: the reader must re-read. */
function listen(fd: number, doorbellFd: number): void {
  const socket = adoptNetlinkSocket(libc, fd, buffers);
  post({ kind: "listening" });
  while (awaitReadable(libc, fd, doorbellFd)) {
    try {
      post({ kind: "event", datagram: socket.receive() });
    } catch (thrown) {
      if (!isErrno(thrown, "ENOBUFS")) throw thrown;
      post({ kind: "overrun" });
    }
  }
  post({ kind: "ended" });
}

self.onmessage = ({ data }: MessageEvent<ToThread>) => {
  if (data.kind === "exchange") exchange(data.id, data.fd, data.requests);
  else listen(data.fd, data.doorbellFd);
};
