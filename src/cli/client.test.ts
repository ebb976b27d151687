import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EP_1, fakeEngine, INFO, NET_A } from "../daemon/admin.fixture.ts";
import { adminHandler } from "../daemon/admin.ts";
import { UnderlayError } from "../lib/errors.ts";
import { ADMIN_SOCKET, daemonClient } from "./client.ts";

const root = mkdtempSync(join(tmpdir(), "underlay-client-"));
const closing: (() => unknown)[] = [];
afterAll(async () => {
  for (const close of closing) await close();
  rmSync(root, { recursive: true });
});

const newDir = () => mkdtempSync(join(root, "run-"));

function daemon(engine = fakeEngine()): string {
  const dir = newDir();
  const server = Bun.serve({ unix: join(dir, ADMIN_SOCKET), fetch: adminHandler(engine, INFO) });
  closing.push(() => server.stop(true));
  return dir;
}

/** Something that is no daemon. */
async function listener(onConnection: (socket: Socket) => void): Promise<string> {
  const dir = newDir();
  const server: Server = createServer(onConnection);
  await new Promise<void>((resolve) => server.listen(join(dir, ADMIN_SOCKET), resolve));
  closing.push(() => server.close());
  return dir;
}

test("a list without findings is read of a daemon that knows of none, and of one that sends them anyway", async () => {
  const rows = await daemonClient(daemon()).networkRows();
  const answer = await daemonClient(daemon()).networks();
  const older = newDir();
  const server = Bun.serve({ unix: join(older, ADMIN_SOCKET), fetch: () => Response.json(answer) });
  closing.push(() => server.stop(true));
  expect(rows.networks).toHaveLength(2);
  expect(await daemonClient(older).networkRows()).toEqual(rows);
});

async function failure(promise: Promise<unknown>): Promise<UnderlayError> {
  const thrown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(thrown instanceof UnderlayError)) throw new Error(`expected an UnderlayError, got ${String(thrown)}`);
  return thrown;
}

test("everything that the daemon offers comes through", async () => {
  const engine = fakeEngine();
  const client = daemonClient(daemon(engine));
  expect((await client.status()).daemon?.pid).toBe(4711);
  expect((await client.networks()).networks.length).toBe(2);
  expect((await client.network("1758a")).network.id).toBe(NET_A);
  expect((await client.endpoints()).endpoints.length).toBe(3);
  expect((await client.endpoint("e1")).endpoint.id).toBe(EP_1);
  expect((await client.gc({ dryRun: true, askDocker: false })).dry_run).toBe(true);
  expect(engine.reconciled).toEqual([true]);
});

test("the daemon's errors come through with their code, odd ids included", async () => {
  const client = daemonClient(daemon());
  for (const id of ["beef", "../status", "a/b", "%", "ä\n?#"])
    expect((await failure(client.network(id))).message).toStartWith("no network has the id");
  expect((await failure(client.network("1758"))).code).toBe("invalid_request");
  expect((await failure(daemonClient(daemon(fakeEngine({ broken: true }))).status())).code).toBe("state");
});

describe("no daemon", () => {
  test("without a socket", async () => {
    const dir = newDir();
    const { code, message } = await failure(daemonClient(dir).status());
    expect([code, message]).toEqual([
      "unreachable",
      `daemon is not running: there is no ${dir}/underlay.sock`,
    ]);
  });

  test("with a socket that nobody listens on", async () => {
    const dir = newDir();
    const path = join(dir, ADMIN_SOCKET);
    const child = Bun.spawn([
      process.execPath,
      "-e",
      `require("net").createServer().listen(${JSON.stringify(path)}, () => console.log(1))`,
    ]);
    for await (const _ of child.stdout) child.kill("SIGKILL");
    await child.exited;
    const { code, message } = await failure(daemonClient(dir).status());
    expect([code, message]).toEqual(["unreachable", `daemon is not running: nobody listens on ${path}`]);
  });

  test("with one who hangs up", async () => {
    const dir = await listener((socket) => socket.destroy());
    expect((await failure(daemonClient(dir).status())).code).toBe("unreachable");
  });

  test("with one who never answers", async () => {
    const dir = await listener(() => undefined);
    expect((await failure(daemonClient(dir, 100).status())).code).toBe("timeout");
  });

  test.each(["{}", '{"schema":"underlay.status/v9"}', "null"])("with one who says %s", async (body) => {
    const dir = await listener((socket) =>
      socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`),
    );
    const { code, message } = await failure(daemonClient(dir).status());
    expect(code).toBe("internal");
    expect(message).toContain("another version");
  });

  test("with one who speaks no HTTP, or no JSON", async () => {
    for (const text of ["hello\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"]) {
      const dir = await listener((socket) => socket.end(text));
      expect((await failure(daemonClient(dir).status())).code).toBe("unreachable");
    }
  });
});
