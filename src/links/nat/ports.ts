import { type Problem, problemsError } from "../../lib/errors.ts";
import { type Family, formatIp, type Ip, isUnspecified, sameIp } from "../../lib/ip.ts";
import { isErrno } from "../../netlink/failure.ts";
import type { Protocol, PublishedPort } from "./rules.ts";

/**
 * Ports of the host that lead to endpoints: chosen, and held by a socket for as long as the endpoint has them, so that
 * no other program gets one on which it would never be asked.
 */

/** One port of an endpoint that is to be published, as `-p` says it. */
export interface PortRequest {
  readonly protocol: Protocol;
  /** Absent: every address of the host's. Unspecified: every one of that family. */
  readonly hostAddress?: Ip;
  /** Absent or 0: a free one of those that the kernel gives to whoever asks for any. */
  readonly hostPort?: number;
  /** The last of a range, of which one is chosen; absent = `hostPort`. */
  readonly hostPortEnd?: number;
  readonly containerPort: number;
}

export interface HostPorts {
  /**
   * A port for each request, on every family that the endpoint has an address of; for all of them or for none. The
   * owner keeps what it had if that is asked for again, and gives back the rest. All problems are told together.
   * Throws `conflict` naming who has a port, `invalid_option`, `permission`, `kernel`.
   */
  hold(owner: string, addresses: readonly Ip[], requests: readonly PortRequest[]): readonly PublishedPort[];
  /** Nothing when the owner has none. */
  release(owner: string): void;
}

export interface HostPortsParts {
  /** Undefined when another process has it. Throws `kernel`, `permission`. */
  readonly take: (protocol: Protocol, address: Ip, port: number) => Closable | undefined;
  /** The first and the last of `net.ipv4.ip_local_port_range`. */
  readonly ephemeral: () => readonly [first: number, last: number];
  /** Which process has a port: `nginx (process 123)`. Undefined when it cannot be told. */
  readonly holder: (protocol: Protocol, port: number) => string | undefined;
}

interface Closable {
  close(): void;
}

interface Held extends PublishedPort, Closable {
  readonly owner: string;
  readonly hostAddress: Ip;
}

/** Where one port is to be taken, and where it leads. */
interface Target {
  readonly hostAddress: Ip;
  readonly containerAddress: Ip;
}

/** Why a port cannot be had; asking who has it takes time. */
type Refusal = () => string;

const ANY: Readonly<Record<Family, Ip>> = {
  4: { family: 4, bytes: new Uint8Array(4) },
  6: { family: 6, bytes: new Uint8Array(16) },
};
const LAST_PORT = 65_535;

export function hostPorts({ take, ephemeral, holder }: HostPortsParts): HostPorts {
  let held: readonly Held[] = [];
  /** Where the next search begins: who just lost a port is not to be confused with who gets the next. */
  let nextFree = 0;

  function candidates({ hostPort = 0, hostPortEnd = hostPort }: PortRequest): readonly number[] {
    if (hostPort !== 0) return numbers(hostPort, hostPortEnd);
    const [first, last] = ephemeral();
    const start = nextFree < first || nextFree > last ? first : nextFree;
    return [...numbers(start, last), ...numbers(first, start - 1)];
  }

  /** On all targets or on none. `mine`: sockets that are there for it already. */
  function takeOn(
    targets: readonly Target[],
    wanted: Omit<Held, keyof Target | "close">,
    mine: readonly Held[],
    others: readonly Held[],
  ): readonly Held[] | Refusal {
    const taken: Held[] = [];
    const giveUp = (): void => closeBut(taken, mine);
    for (const target of targets) {
      const port = { ...wanted, ...target };
      const other = others.find((one) => overlap(one, port));
      const known = mine.find((one) => isSame(one, port));
      const socket = other ? undefined : (known ?? takeOne(port, giveUp));
      if (socket) {
        taken.push(known ? { ...known, ...port } : { ...port, close: socket.close });
        continue;
      }
      giveUp();
      const { protocol, hostPort } = port;
      return () => (other ? `endpoint ${other.owner}` : (holder(protocol, hostPort) ?? "another process"));
    }
    return taken;
  }

  function takeOne({ protocol, hostAddress, hostPort }: PublishedPort & Target, giveUp: () => void) {
    try {
      return take(protocol, hostAddress, hostPort);
    } catch (thrown) {
      // A kernel without sockets of SCTP leads its packets on all the same, and nobody else can have the port.
      if (protocol === "sctp" && isErrno(thrown, "EPROTONOSUPPORT", "ESOCKTNOSUPPORT")) return NO_SOCKET;
      giveUp();
      if (!isErrno(thrown, "EADDRNOTAVAIL")) throw thrown;
      throw problemsError("invalid_option", [
        { subject: "publish", message: `${formatIp(hostAddress)} is no address of this host` },
      ]);
    }
  }

  /** A port for a request, or why there is none. Throws what `take` throws. */
  function choose(
    owner: string,
    request: PortRequest,
    targets: readonly Target[],
    mine: readonly Held[],
    others: readonly Held[],
  ): readonly Held[] | Problem {
    const { protocol, containerPort, hostPort: asked = 0, hostPortEnd: end = asked } = request;
    const numbersToTry = candidates(request);
    const before = mine.filter((one) => one.protocol === protocol && one.containerPort === containerPort);
    const again = before.map(({ hostPort }) => hostPort).filter((port) => isAskedFor(request, port));
    let first: string | undefined;
    for (const hostPort of [...again, ...numbersToTry]) {
      const result = takeOn(targets, { owner, protocol, hostPort, containerPort }, mine, others);
      if (typeof result !== "function") {
        if (asked === 0 && !again.includes(hostPort)) nextFree = hostPort + 1;
        return result;
      }
      if (asked !== 0) first ??= `host port ${hostPort}/${protocol} is taken by ${result()}`;
    }
    const none =
      asked === 0 ? `no host port is free for ${protocol}` : `host ports ${asked}-${end} are all taken`;
    const message = asked !== 0 && end === asked ? (first ?? none) : [none, first].filter(Boolean).join(": ");
    return { subject: "publish", message };
  }

  function holdAll(
    owner: string,
    addresses: readonly Ip[],
    requests: readonly PortRequest[],
    fresh: Held[],
  ): readonly Problem[] {
    const mine = held.filter((one) => one.owner === owner);
    const others = held.filter((one) => one.owner !== owner);
    return requests.flatMap((request) => {
      const targets = targetsOf(request, addresses);
      const chosen = choose(owner, request, targets, mine, [...others, ...fresh]);
      if ("message" in chosen) return [chosen];
      fresh.push(...chosen);
      return [];
    });
  }

  return {
    hold(owner, addresses, requests) {
      const wrong = requests.flatMap((request) => problemsOf(request, addresses));
      if (wrong.length > 0) throw problemsError("invalid_option", wrong);
      const mine = held.filter((one) => one.owner === owner);
      const fresh: Held[] = [];
      try {
        const problems = holdAll(owner, addresses, requests, fresh);
        if (problems.length > 0) throw problemsError("conflict", problems);
      } catch (thrown) {
        closeBut(fresh, mine);
        throw thrown;
      }
      closeBut(mine, fresh);
      held = [...held.filter((one) => one.owner !== owner), ...fresh];
      return fresh.map(publishedOf);
    },
    release(owner) {
      closeBut(
        held.filter((one) => one.owner === owner),
        [],
      );
      held = held.filter((one) => one.owner !== owner);
    },
  };
}

const NO_SOCKET: Closable = { close: () => undefined };

/** Closes those of some that are not among others. */
function closeBut(some: readonly Held[], others: readonly Held[]): void {
  for (const one of some) if (!others.some((other) => isSame(one, other))) one.close();
}

function publishedOf({ close: _, owner: __, ...port }: Held): PublishedPort {
  return port;
}

/** Of each family that is asked for: where it is taken, and where it leads, to the first address of several. */
function targetsOf({ hostAddress }: PortRequest, addresses: readonly Ip[]): Target[] {
  return ([4, 6] as const)
    .flatMap((wanted) => addresses.find(({ family }) => family === wanted) ?? [])
    .filter(({ family }) => hostAddress === undefined || hostAddress.family === family)
    .map((containerAddress) => ({
      hostAddress: hostAddress ?? ANY[containerAddress.family],
      containerAddress,
    }));
}

function problemsOf(request: PortRequest, addresses: readonly Ip[]): Problem[] {
  const { hostAddress, hostPort = 0, hostPortEnd = hostPort, containerPort, protocol } = request;
  const isPort = (port: number) => Number.isInteger(port) && port >= 0 && port <= LAST_PORT;
  const said = `${hostPort}${hostPortEnd === hostPort ? "" : `-${hostPortEnd}`}:${containerPort}/${protocol}`;
  const message = [
    [![hostPort, hostPortEnd, containerPort].every(isPort) || containerPort === 0, "a port is 1 to 65535"],
    [hostPortEnd < hostPort, "a range begins with its smaller port"],
    [
      targetsOf(request, addresses).length === 0,
      `the endpoint has no ${hostAddress ? `IPv${hostAddress.family} ` : ""}address that it could lead to`,
    ],
  ].find(([isWrong]) => isWrong)?.[1];
  return message === undefined ? [] : [{ subject: "publish", message: `${said}: ${String(message)}` }];
}

function isAskedFor({ hostPort = 0, hostPortEnd = hostPort }: PortRequest, port: number): boolean {
  return hostPort === 0 || (port >= hostPort && port <= hostPortEnd);
}

type Place = Pick<Held, "protocol" | "hostAddress" | "hostPort">;

function isSame(one: Place, other: Place): boolean {
  return (
    one.protocol === other.protocol &&
    one.hostPort === other.hostPort &&
    sameIp(one.hostAddress, other.hostAddress)
  );
}

/** Who has a port on all addresses has it on each. */
function overlap(one: Place, other: Place): boolean {
  const { hostAddress: a } = one;
  const { hostAddress: b } = other;
  if (one.protocol !== other.protocol || one.hostPort !== other.hostPort || a.family !== b.family)
    return false;
  return isUnspecified(a) || isUnspecified(b) || sameIp(a, b);
}

function numbers(first: number, last: number): number[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
}
