import { UnderlayError } from "../lib/errors.ts";
import { formatTarget, type Target } from "./target.ts";

/** A stream of bytes to a server: the seam below the session, so that a test can be the server. */
export interface Channel {
  write(text: string): void;
  /** Tells nobody. */
  close(): void;
}

export interface Listener {
  /** The bytes are not kept by whoever calls. */
  onBytes(bytes: Uint8Array): void;
  /** Called once, when the other side or the network ended it. */
  onEnd(why: string): void;
}

export type OpenChannel = (target: Target, listener: Listener) => Promise<Channel>;

/** Throws `permission`, or `unreachable`, with what to do. */
export const openChannel: OpenChannel = async (target, listener) => {
  const unsent: Uint8Array[] = [];
  const handlers: Bun.SocketHandler<undefined> = {
    data: (_socket, bytes) => listener.onBytes(bytes),
    drain: (socket) => flush(socket, unsent),
    end: (socket) => void socket.end(),
    close: () => listener.onEnd("the server closed it"),
    error: (_socket, error) => listener.onEnd(error.message),
    connectError: () => undefined,
  };
  const socket = await connect(target, handlers).catch((thrown: unknown) => {
    throw connectFailure(thrown, target);
  });
  return {
    write(text) {
      unsent.push(new TextEncoder().encode(text));
      flush(socket, unsent);
    },
    close: () => socket.terminate(),
  };
};

function connect(target: Target, socket: Bun.SocketHandler<undefined>): Promise<Bun.Socket<undefined>> {
  return target.kind === "unix"
    ? Bun.connect({ unix: target.path, socket, data: undefined })
    : Bun.connect({ hostname: target.host, port: target.port, socket, data: undefined });
}

/** As much as the kernel takes; `drain` tells when it takes more. */
function flush(socket: Bun.Socket<undefined>, unsent: Uint8Array[]): void {
  for (let first = unsent[0]; first !== undefined; first = unsent[0]) {
    const sent = Math.max(0, socket.write(first));
    if (sent < first.length) {
      unsent[0] = first.subarray(sent);
      return;
    }
    unsent.shift();
  }
}

const ADVICE: Readonly<Record<string, string>> = {
  ENOENT: "is openvswitch-switch installed and running?",
  ECONNREFUSED: "is ovsdb-server running?",
};

function connectFailure(thrown: unknown, target: Target): UnderlayError {
  const where = formatTarget(target);
  const errno = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
  const inputs = { ovsdb: where };
  if (errno === "EACCES" || errno === "EPERM")
    return new UnderlayError("permission", `${where} may not be opened by this user: run as root`, {
      inputs,
    });
  const advice = ADVICE[errno];
  const why = errno || (thrown instanceof Error ? thrown.message : String(thrown));
  const message = `no ovsdb-server answers on ${where} (${why})${advice ? `: ${advice}` : ""}`;
  return new UnderlayError("unreachable", message, { cause: thrown, inputs });
}
