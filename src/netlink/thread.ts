import { type Code, UnderlayError } from "../lib/errors.ts";
import type { Libc } from "../sys/libc.ts";
import { type NetlinkSocket, openDoorbell } from "../sys/socket.ts";
import type { Wanted } from "./pick.ts";
import type { Transport } from "./transport.ts";

/** What the main thread says to `worker.ts`, and what it hears. */
export type ToThread =
  | {
      readonly kind: "exchange";
      readonly id: number;
      readonly fd: number;
      readonly requests: Uint8Array;
      readonly wanted?: Wanted | undefined;
    }
  | { readonly kind: "collect" }
  | {
      readonly kind: "listen";
      readonly fd: number;
      readonly doorbellFd: number;
      readonly wanted?: Wanted | undefined;
    };

export type FromThread =
  | { readonly kind: "answer"; readonly id: number; readonly datagrams: Uint8Array[] }
  | {
      readonly kind: "failed";
      readonly id: number;
      readonly code: Code;
      readonly message: string;
      readonly errno?: string;
    }
  | { readonly kind: "listening" }
  | { readonly kind: "event"; readonly datagram: Uint8Array }
  | { readonly kind: "overrun" }
  | { readonly kind: "ended" };

interface Waiting {
  resolve(datagrams: Uint8Array[]): void;
  reject(error: UnderlayError): void;
}

/** A thread for blocking exchanges. Its transports share it: their exchanges run one after another. */
export interface NetlinkThread {
  transport(socket: NetlinkSocket): Transport;
  /** Gives back the garbage of what it carried, when it has done what it was asked. */
  collect(): void;
  close(): void;
}

/** `startWorker` runs `netlink/worker.ts`; only the composition root knows where that file is. */
export type StartWorker = () => Worker;

/** `onEnd` is told when the thread ends by itself: nothing that needs it can be done any more. */
export function startNetlinkThread(
  startWorker: StartWorker,
  onEnd: (error: UnderlayError) => void = () => undefined,
): NetlinkThread {
  const worker = startWorker();
  const waiting = new Map<number, Waiting>();
  let lastId = 0;
  let ended: UnderlayError | undefined;

  function settle(id: number, settleWith: (entry: Waiting) => void): void {
    const entry = waiting.get(id);
    waiting.delete(id);
    if (waiting.size === 0) worker.unref();
    if (entry) settleWith(entry);
  }

  worker.onmessage = ({ data }: MessageEvent<FromThread>) => {
    if (data.kind === "answer") settle(data.id, ({ resolve }) => resolve(data.datagrams));
    if (data.kind === "failed") {
      const details = data.errno === undefined ? {} : { errno: data.errno };
      settle(data.id, ({ reject }) => reject(new UnderlayError(data.code, data.message, details)));
    }
  };
  worker.onerror = (event) => {
    const error = new UnderlayError("internal", `a netlink thread ended: ${event.message}`);
    ended = error;
    for (const id of [...waiting.keys()]) settle(id, ({ reject }) => reject(error));
    onEnd(error);
  };
  worker.unref();

  return {
    transport(socket) {
      return {
        exchange(requests, wanted) {
          if (ended) return Promise.reject(ended);
          const id = ++lastId;
          worker.ref();
          return new Promise((resolve, reject) => {
            waiting.set(id, { resolve, reject });
            const message: ToThread = { kind: "exchange", id, fd: socket.fd, requests, wanted };
            worker.postMessage(message);
          });
        },
        close: () => socket.close(),
      };
    },
    collect: () => worker.postMessage({ kind: "collect" } satisfies ToThread),
    close: () => worker.terminate(),
  };
}

export interface Listener {
  /** What is wanted of the events; absent = all of them. */
  readonly wanted?: Wanted;
  /** One datagram of event messages. */
  onEvent(datagram: Uint8Array): void;
  /** The kernel dropped events: everything must be read again. */
  onOverrun(): void;
  onError(error: UnderlayError): void;
}

/** Listens on an event socket in a thread of its own. Resolves when it does; every change after that is heard. */
export function listenInThread(
  libc: Libc,
  startWorker: StartWorker,
  socket: NetlinkSocket,
  listener: Listener,
): Promise<{ close(): Promise<void> }> {
  const worker = startWorker();
  const doorbell = openDoorbell(libc);
  const ended = Promise.withResolvers<void>();
  const listening = Promise.withResolvers<{ close(): Promise<void> }>();

  async function close(): Promise<void> {
    doorbell.ring();
    await ended.promise;
    worker.terminate();
    doorbell.close();
    socket.close();
  }

  const react: Record<FromThread["kind"], (message: FromThread) => void> = {
    answer: () => undefined,
    failed: () => undefined,
    listening: () => listening.resolve({ close }),
    event: (message) => message.kind === "event" && listener.onEvent(message.datagram),
    overrun: () => listener.onOverrun(),
    ended: () => ended.resolve(),
  };
  worker.onmessage = ({ data }: MessageEvent<FromThread>) => react[data.kind](data);
  worker.onerror = (event) => {
    const error = new UnderlayError("internal", `the netlink event thread ended: ${event.message}`);
    listening.reject(error);
    ended.resolve();
    listener.onError(error);
  };
  const { wanted } = listener;
  worker.postMessage({ kind: "listen", fd: socket.fd, doorbellFd: doorbell.fd, wanted } satisfies ToThread);
  return listening.promise;
}
