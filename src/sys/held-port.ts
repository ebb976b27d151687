import type { Ip } from "../lib/ip.ts";
import { errnoName } from "./errno.ts";
import { checked, errnoError, type Libc } from "./libc.ts";
import { type Netns, socketInNetns } from "./netns.ts";

/** Numbers of `<sys/socket.h>` and `<netinet/in.h>` that both our architectures share. */
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_RCVBUF = 8;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const IPPROTO_IPV6 = 41;
const IPPROTO_SCTP = 132;
const IPV6_V6ONLY = 26;

/** `struct sockaddr_in` and `sockaddr_in6`: family u16, port be16; then the address, or flow info u32, the address, scope u32. */
const SOCKADDR = {
  4: { family: AF_INET, size: 16, address: 4 },
  6: { family: AF_INET6, size: 28, address: 8 },
} as const;

const KINDS = {
  tcp: { type: SOCK_STREAM, protocol: IPPROTO_TCP },
  udp: { type: SOCK_DGRAM, protocol: IPPROTO_UDP },
  sctp: { type: SOCK_STREAM, protocol: IPPROTO_SCTP },
} as const;

export interface PortToHold {
  readonly protocol: keyof typeof KINDS;
  /** Unspecified: all addresses of its family, and of that one only. */
  readonly address: Ip;
  readonly port: number;
  /** Where; absent = this thread's. */
  readonly netns?: Netns | undefined;
}

/** A port that nobody else gets while this is open. */
export interface HeldPort {
  close(): void;
}

/**
 * Takes a port by a socket that is bound and does not listen: who asks it is refused at once. Undefined when somebody
 * has it. Throws `kernel` (EADDRNOTAVAIL: no address of this host; EPROTONOSUPPORT: no such protocol in this kernel),
 * `permission`.
 *
 * Without SO_REUSEADDR nobody can bind it beside us, who has that option or not. But what is left of connections of who
 * had it before keeps it for a minute then, so in a second try it is on until we have the port: the kernel lets two
 * such sockets bind, and lets neither of them listen (`inet_csk_get_port`). UDP knows no such remains, and would share.
 */
export function holdPort(libc: Libc, wanted: PortToHold): HeldPort | undefined {
  return (
    tryHold(libc, wanted, false) ?? (wanted.protocol === "udp" ? undefined : tryHold(libc, wanted, true))
  );
}

function tryHold(
  libc: Libc,
  { protocol, address, port, netns }: PortToHold,
  reuse: boolean,
): HeldPort | undefined {
  const { family, size, address: at } = SOCKADDR[address.family];
  const kind = KINDS[protocol];
  const type = kind.type | SOCK_CLOEXEC;
  const fd = netns
    ? socketInNetns(libc, netns, family, type, kind.protocol)
    : checked(libc, `open a ${protocol} socket`, libc.call.socket(family, type, kind.protocol));
  const set = (level: number, option: number, value: number) => {
    const bytes = new Uint8Array(Int32Array.of(value).buffer);
    checked(libc, "set up a socket", libc.call.setsockopt(fd, level, option, bytes, bytes.length));
  };
  const held = { close: () => void libc.call.close(fd) };
  try {
    if (address.family === 6) set(IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (reuse) set(SOL_SOCKET, SO_REUSEADDR, 1);
    // Nobody reads what comes: the kernel keeps as little of it as it can.
    set(SOL_SOCKET, SO_RCVBUF, 0);
    const bytes = new Uint8Array(size);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, family, true);
    view.setUint16(2, port, false);
    bytes.set(address.bytes, at);
    if (libc.call.bind(fd, bytes, bytes.length) === -1) {
      const errno = libc.errno();
      if (errnoName(errno) !== "EADDRINUSE") throw errnoError(`take port ${port}/${protocol}`, errno);
      held.close();
      return undefined;
    }
    if (reuse) set(SOL_SOCKET, SO_REUSEADDR, 0);
    return held;
  } catch (error) {
    held.close();
    throw error;
  }
}
