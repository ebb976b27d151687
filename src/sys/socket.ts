import { ptr } from "bun:ffi";
import { UnderlayError } from "../lib/errors.ts";
import { errnoName } from "./errno.ts";
import { checked, errnoError, type Libc } from "./libc.ts";
import { type Netns, socketInNetns } from "./netns.ts";

/** Numbers of `<sys/socket.h>`, `<linux/netlink.h>` and `<poll.h>` that both our architectures share. */
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const SO_ATTACH_FILTER = 26;
const SOL_NETLINK = 270;
const MSG_TRUNC = 0x20;
const POLLIN = 1;
const EFD_CLOEXEC = 0o2000000;

/** `struct sockaddr_nl`: family u16, pad u16, pid u32, groups u32. */
const SOCKADDR_NL_SIZE = 12;

/** Large enough for the datagrams of a dump (32 KiB by default); one that does not fit is an error, never cut. */
const RECEIVE_BYTES = 256 * 1024;

/** `struct sock_filter` of `<linux/filter.h>`: one step of a classic BPF program. */
export interface FilterStep {
  readonly code: number;
  /** Steps to skip when a comparison holds, and when it does not. */
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

export interface NetlinkSocketOptions {
  /** `NETLINK_ROUTE` = 0, `NETLINK_GENERIC` = 16. */
  readonly protocol: number;
  /** Where it is opened, and stays; absent = this thread's. */
  readonly netns?: Netns | undefined;
  /** Bit mask of multicast groups (`RTMGRP_*`); 0 for a request socket. */
  readonly groups?: number;
  /** Bytes of receive buffer for a socket that listens to events. */
  readonly receiveBuffer?: number;
  /** Which datagrams are not even queued. */
  readonly filter?: readonly FilterStep[];
  /** Options of level SOL_NETLINK to switch on, with their names for the error. */
  readonly enable?: readonly { readonly option: number; readonly name: string }[];
}

export type Shrink = (datagram: Uint8Array) => number;

/** A netlink socket. It belongs to the netns in which it was opened, and to this process; any thread may use it. */
export interface NetlinkSocket {
  readonly fd: number;
  send(bytes: Uint8Array): void;
  /**
   * One datagram from the kernel, as a copy. Waits until there is one. Datagrams of other processes are dropped.
   * `shrink` may rewrite the bytes before they are copied, and tells how many of them are left.
   */
  receive(shrink?: Shrink): Uint8Array;
  close(): void;
}

export function openNetlinkSocket(libc: Libc, options: NetlinkSocketOptions): NetlinkSocket {
  const { protocol, netns } = options;
  const type = SOCK_RAW | SOCK_CLOEXEC;
  const fd = netns
    ? socketInNetns(libc, netns, AF_NETLINK, type, protocol)
    : checked(libc, "open a netlink socket", libc.call.socket(AF_NETLINK, type, protocol));
  try {
    const on = new Uint8Array([1, 0, 0, 0]);
    for (const { option, name } of options.enable ?? []) {
      if (libc.call.setsockopt(fd, SOL_NETLINK, option, on, on.length) === -1)
        throw errnoError(`switch on ${name}`, libc.errno());
    }
    if (options.receiveBuffer !== undefined) {
      const size = new Uint8Array(Uint32Array.of(options.receiveBuffer).buffer);
      checked(
        libc,
        "enlarge the receive buffer",
        libc.call.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, size, size.length),
      );
    }
    if (options.filter) attachFilter(libc, fd, options.filter);
    const address = new Uint8Array(SOCKADDR_NL_SIZE);
    const view = new DataView(address.buffer);
    view.setUint16(0, AF_NETLINK, true);
    view.setUint32(8, options.groups ?? 0, true);
    checked(libc, "bind a netlink socket", libc.call.bind(fd, address, address.length));
  } catch (error) {
    libc.call.close(fd);
    throw error;
  }
  return adoptNetlinkSocket(libc, fd, receiveBuffers());
}

/** `struct sock_fprog`: how many steps, and where they are. The kernel copies both before it returns. */
function attachFilter(libc: Libc, fd: number, steps: readonly FilterStep[]): void {
  const program = new DataView(new ArrayBuffer(steps.length * 8));
  steps.forEach(({ code, jt, jf, k }, i) => {
    program.setUint16(i * 8, code, true);
    program.setUint8(i * 8 + 2, jt);
    program.setUint8(i * 8 + 3, jf);
    program.setUint32(i * 8 + 4, k, true);
  });
  const header = new DataView(new ArrayBuffer(16));
  header.setUint16(0, steps.length, true);
  header.setBigUint64(8, BigInt(ptr(program)), true);
  checked(
    libc,
    "filter a netlink socket",
    libc.call.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, ptr(header), header.byteLength),
  );
}

/** Where the kernel writes while JavaScript is not looking: they live as long as the sockets of a thread that use them. */
export interface ReceiveBuffers {
  readonly data: Uint8Array;
  readonly from: Uint8Array;
  readonly fromLength: Uint32Array;
}

export function receiveBuffers(): ReceiveBuffers {
  return {
    data: new Uint8Array(RECEIVE_BYTES),
    from: new Uint8Array(SOCKADDR_NL_SIZE),
    fromLength: new Uint32Array(1),
  };
}

/** The same socket in another thread: a file descriptor is the whole process's. Closing stays with the opener. */
export function adoptNetlinkSocket(libc: Libc, fd: number, buffers: ReceiveBuffers): NetlinkSocket {
  const { data: buffer, from, fromLength } = buffers;
  const fromView = new DataView(from.buffer);

  function receiveOnce(shrink: Shrink | undefined): Uint8Array | undefined {
    fromLength[0] = SOCKADDR_NL_SIZE;
    const length = retryInterrupted(libc, "receive from netlink", () =>
      libc.call.recvfrom(fd, buffer, buffer.length, MSG_TRUNC, from, fromLength),
    );
    const senderPid = fromView.getUint32(4, true);
    if (senderPid !== 0) return undefined;
    if (length > buffer.length) {
      throw new UnderlayError("kernel", `a netlink datagram of ${length} bytes exceeds the receive buffer`, {
        errno: "EMSGSIZE",
      });
    }
    return buffer.slice(0, shrink ? shrink(buffer.subarray(0, length)) : length);
  }

  return {
    fd,
    send(bytes) {
      retryInterrupted(libc, "send to netlink", () => libc.call.send(fd, bytes, bytes.length, 0));
    },
    receive(shrink) {
      for (;;) {
        const datagram = receiveOnce(shrink);
        if (datagram) return datagram;
      }
    },
    close() {
      libc.call.close(fd);
    },
  };
}

function retryInterrupted(libc: Libc, what: string, call: () => number | bigint): number {
  for (;;) {
    const result = Number(call());
    if (result !== -1) return result;
    const errno = libc.errno();
    if (errnoName(errno) !== "EINTR") throw errnoError(what, errno);
  }
}

/** An eventfd: a doorbell by which one thread ends the wait of another. */
export interface Doorbell {
  readonly fd: number;
  ring(): void;
  close(): void;
}

export function openDoorbell(libc: Libc): Doorbell {
  const fd = checked(libc, "open an eventfd", libc.threads.eventfd(0, EFD_CLOEXEC));
  const one = new Uint8Array(BigUint64Array.of(1n).buffer);
  return {
    fd,
    ring: () => void checked(libc, "ring a doorbell", libc.call.write(fd, one, one.length)),
    close: () => void libc.call.close(fd),
  };
}

/**
 * Waits until the socket can be read or the doorbell rings, for so many milliseconds or as long as it takes. The
 * doorbell comes first.
 */
export function awaitReadable(
  libc: Libc,
  socketFd: number,
  doorbellFd: number,
  milliseconds = -1,
): "readable" | "rung" | "quiet" {
  // struct pollfd: fd i32, events i16, revents i16
  const fds = new Uint8Array(16);
  const view = new DataView(fds.buffer);
  view.setInt32(0, socketFd, true);
  view.setInt16(4, POLLIN, true);
  view.setInt32(8, doorbellFd, true);
  view.setInt16(12, POLLIN, true);
  const ready = retryInterrupted(libc, "wait for a netlink event", () =>
    libc.threads.poll(fds, 2, milliseconds),
  );
  if (ready === 0) return "quiet";
  return view.getInt16(14, true) === 0 ? "readable" : "rung";
}
