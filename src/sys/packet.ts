import { errnoName } from "./errno.ts";
import { checked, errnoError, type Libc } from "./libc.ts";
import { type Netns, socketInNetns } from "./netns.ts";

/** Numbers of `<sys/socket.h>` and `<poll.h>` that both our architectures share. */
const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const POLLIN = 1;

/** `struct sockaddr_ll` of packet(7): family u16, protocol be16, ifindex i32, hatype u16, pkttype u8, halen u8, addr 8. */
const SOCKADDR_LL_SIZE = 20;
/** `struct pollfd`: fd i32, events i16, revents i16. */
const POLLFD_SIZE = 8;

/** A longer frame is cut. Nothing that is waited for here is as long as an Ethernet frame may be. */
const FRAME_BYTES = 2048;

export interface PacketSocketOptions {
  /** Of the link, in the netns of the socket. */
  readonly ifindex: number;
  /** Which frames are received: an EtherType, in host order. */
  readonly etherType: number;
  /** Where the link is; absent = this thread's netns. */
  readonly netns?: Netns | undefined;
}

/** Whole Ethernet frames on one link: packet(7). Frames that the host sends itself are not received. */
export interface PacketSocket extends Disposable {
  /** Throws `kernel`: ENETDOWN when the link is down. */
  send(frame: Uint8Array): void;
  /** The next frame, as a copy; undefined when none came within so many milliseconds. Blocks this thread. */
  receive(milliseconds: number): Uint8Array | undefined;
}

/** Throws `permission` without CAP_NET_RAW, `kernel` when there is no such link. */
export function openPacketSocket(libc: Libc, options: PacketSocketOptions): PacketSocket {
  const { ifindex, etherType, netns } = options;
  const type = SOCK_RAW | SOCK_CLOEXEC;
  // Protocol 0 receives nothing: until it is bound, the socket would hear every link of the netns.
  const fd = netns
    ? socketInNetns(libc, netns, AF_PACKET, type, 0)
    : checked(libc, "open a packet socket", libc.call.socket(AF_PACKET, type, 0));
  try {
    const address = new Uint8Array(SOCKADDR_LL_SIZE);
    const view = new DataView(address.buffer);
    view.setUint16(0, AF_PACKET, true);
    view.setUint16(2, etherType, false);
    view.setInt32(4, ifindex, true);
    checked(libc, `bind to link #${ifindex}`, libc.call.bind(fd, address, address.length));
  } catch (error) {
    libc.call.close(fd);
    throw error;
  }
  return packetSocket(libc, fd);
}

function packetSocket(libc: Libc, fd: number): PacketSocket {
  const buffer = new Uint8Array(FRAME_BYTES);
  const poll = new Uint8Array(POLLFD_SIZE);
  const view = new DataView(poll.buffer);
  view.setInt32(0, fd, true);
  view.setInt16(4, POLLIN, true);

  /** -1 when there is none yet, or a signal came in between. */
  const received = () => {
    const length = Number(libc.call.recvfrom(fd, buffer, buffer.length, MSG_DONTWAIT, null, null));
    if (length === -1 && !isPassing(libc.errno())) throw errnoError("receive a frame", libc.errno());
    return length;
  };

  return {
    send(frame) {
      checked(libc, "send a frame", libc.call.send(fd, frame, frame.length, 0));
    },
    receive(milliseconds) {
      const deadline = performance.now() + milliseconds;
      for (;;) {
        const left = Math.ceil(deadline - performance.now());
        if (left <= 0) return undefined;
        if (libc.threads.poll(poll, 1, left) === -1 && !isPassing(libc.errno()))
          throw errnoError("wait for a frame", libc.errno());
        const length = received();
        if (length >= 0) return buffer.slice(0, length);
      }
    },
    [Symbol.dispose]() {
      libc.call.close(fd);
    },
  };
}

function isPassing(errno: number): boolean {
  return errnoName(errno) === "EINTR" || errnoName(errno) === "EAGAIN";
}
