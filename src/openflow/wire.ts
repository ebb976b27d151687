import { connect } from "node:net";
import { UnderlayError } from "../lib/errors.ts";

/** The seam below the messages: bytes out, chunks back. A socket and a script in a test have this shape. */
export interface Wire {
  send(bytes: Uint8Array): void;
  /** Nothing is heard of it any more. */
  close(): void;
}

export interface WireEvents {
  /** The bytes stay the listener's. */
  chunk(bytes: Uint8Array): void;
  /** Once, when the other side closed or the socket failed. */
  lost(error: UnderlayError): void;
}

/** Why there is no connection, by the code of connect(2). */
const CAUSES: Readonly<Record<string, string>> = {
  ENOENT: "there is no such socket: ovs-vswitchd does not run, or has no such bridge",
  ECONNREFUSED: "nobody listens there: ovs-vswitchd has ended",
  EACCES: "not permitted: it takes root, or the group that Open vSwitch runs as",
};

/**
 * Connects to a bridge's socket, `RUNDIR/BRIDGE.mgmt`, which ovs-vswitchd has for every bridge. Throws `unreachable`, or
 * `permission`.
 */
export function openUnixWire(path: string, events: WireEvents): Promise<Wire> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let isOver = false;
    const lost = (error: UnderlayError) => {
      if (isOver) return;
      isOver = true;
      socket.destroy();
      events.lost(error);
    };
    socket.once("error", (error) => reject(refused(path, error)));
    socket.once("connect", () => {
      socket.on("error", (error) => lost(broken(path, codeOf(error))));
      socket.on("close", () => lost(broken(path, "closed by the other side")));
      socket.on("data", (bytes) => {
        if (!isOver && typeof bytes !== "string") events.chunk(bytes);
      });
      resolve({
        send: (bytes) => void socket.write(bytes),
        close() {
          isOver = true;
          socket.destroy();
        },
      });
    });
  });
}

function refused(path: string, error: Error): UnderlayError {
  const code = codeOf(error);
  const message = `connect to ${path}: ${CAUSES[code] ?? code}`;
  return new UnderlayError(code === "EACCES" ? "permission" : "unreachable", message, {
    errno: code,
    cause: error,
  });
}

function broken(path: string, why: string): UnderlayError {
  return new UnderlayError("unreachable", `the connection to ${path} is lost: ${why}`);
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}
