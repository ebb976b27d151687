import { existsSync, lstatSync, mkdirSync, renameSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import { dirname } from "node:path";
import { UnderlayError } from "../lib/errors.ts";

declare module "bun" {
  namespace Serve {
    // Bun 1.4.5 honours it on unix sockets too, its types do not know.
    interface UnixServeOptions<WebSocketData> {
      idleTimeout?: number;
    }
  }
}

/** How long the last answers have to leave, in milliseconds. */
const LAST_BYTES = 500;

export interface DriverServer {
  readonly path: string;
  /** Takes no more connections, removes the socket, and resolves when every request in hand is answered. */
  stop(): Promise<void>;
}

export interface DriverServerOptions {
  readonly path: string;
  readonly handler: (request: Request) => Promise<Response>;
}

/** sun_path of `<linux/un.h>` less the final NUL. */
const MAX_PATH = 107;

/**
 * Serves HTTP on a unix socket that only its owner may open; resolves when it accepts connections. A socket that a
 * dead process left is replaced. Throws `conflict` when somebody serves there already or the path is no socket,
 * `permission` and `state` when the folder does not take a socket.
 */
export async function serveDriver({ path, handler }: DriverServerOptions): Promise<DriverServer> {
  if (Buffer.byteLength(path) > MAX_PATH)
    throw new UnderlayError("invalid_option", `socket path ${path} is longer than ${MAX_PATH} bytes`);
  makeFolder(path);
  await removeStale(path);
  const fence = `/${crypto.randomUUID()}`;
  const inHand = new Set<Promise<Response>>();
  const server = bind(path, (request) => {
    if (request.url.endsWith(fence)) return Promise.resolve(new Response());
    const answer = handler(request).finally(() => inHand.delete(answer));
    inHand.add(answer);
    return answer;
  });
  return {
    path,
    async stop() {
      if (existsSync(path)) await answerAllThatCame(path, fence);
      // Closes connections that have had an answer. For those that never said anything it waits 12 s.
      const closed = server.stop();
      await Promise.allSettled(inHand);
      await atMost(LAST_BYTES, closed);
      await server.stop(true);
    },
  };
}

async function atMost(milliseconds: number, work: Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  await Promise.race([work, promise]);
  clearTimeout(timer);
}

/**
 * A connection that still waits to be accepted would be reset by the end of the server, and dockerd repeats such a
 * call without its body. Nobody finds the socket under its new name, so a request that comes by it is the last one.
 */
async function answerAllThatCame(path: string, fence: string): Promise<void> {
  // As long as the other, for it has to fit as well.
  const last = `${path.slice(0, -1)}~`;
  renameSync(path, last);
  try {
    await fetch(`http://localhost${fence}`, { unix: last });
  } finally {
    unlinkSync(last);
  }
}

function bind(path: string, handler: DriverServerOptions["handler"]): Bun.Server<undefined> {
  const umask = process.umask(0o177);
  try {
    return Bun.serve({
      unix: path,
      // dockerd keeps its connections; one that is closed under it makes it send an empty body.
      idleTimeout: 0,
      // The handler has a limit of its own, which answers with JSON.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      development: false,
      fetch: handler,
    });
  } catch (cause) {
    throw cannotServe(path, cause);
  } finally {
    process.umask(umask);
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw cannotServe(path, cause);
  }
}

/** A socket file outlives the process that served it; only a connect tells. */
async function removeStale(path: string): Promise<void> {
  const file = lstatSync(path, { throwIfNoEntry: false });
  if (file === undefined) return;
  if (!file.isSocket())
    throw new UnderlayError("conflict", `${path} is in the way: it is no socket`, { inputs: { path } });
  if (await isServed(path))
    throw new UnderlayError("conflict", `another process serves ${path}`, { inputs: { path } });
  unlinkSync(path);
}

function isServed(path: string): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const probe = connect(path);
  probe.once("connect", () => {
    probe.destroy();
    resolve(true);
  });
  probe.once("error", (error) => {
    const code = errnoOf(error);
    if (code === "ECONNREFUSED" || code === "ENOENT") resolve(false);
    else reject(cannotServe(path, error));
  });
  return promise;
}

function cannotServe(path: string, cause: unknown): UnderlayError {
  const errno = errnoOf(cause);
  const details = { cause, inputs: { path }, ...(errno !== undefined && { errno }) };
  if (errno === "EADDRINUSE") return new UnderlayError("conflict", `another process serves ${path}`, details);
  const permission = errno === "EACCES" || errno === "EPERM";
  return new UnderlayError(
    permission ? "permission" : "state",
    `cannot serve on ${path}: ${errno ?? cause}`,
    details,
  );
}

function errnoOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !("code" in thrown)) return undefined;
  return typeof thrown.code === "string" ? thrown.code : undefined;
}
