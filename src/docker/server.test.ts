import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UnderlayError } from "../lib/errors.ts";
import { type DriverServer, serveDriver } from "./server.ts";

const folders: string[] = [];
const servers: DriverServer[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function newPath(): string {
  const folder = mkdtempSync(join(tmpdir(), "docker-server-"));
  folders.push(folder);
  return join(folder, "plugins", "x.sock");
}

async function serve(
  path: string,
  handler: (request: Request) => Promise<Response> = async () => Response.json({}),
) {
  const server = await serveDriver({ path, handler });
  servers.push(server);
  return server;
}

async function code(path: string): Promise<string> {
  try {
    await serve(path);
    return "served";
  } catch (thrown) {
    return thrown instanceof UnderlayError ? thrown.code : String(thrown);
  }
}

/** One kept-alive connection, raw bytes out, all bytes in until `until` is seen or the peer closes. */
function connection(path: string) {
  const socket = connect(path);
  let received = "";
  let closed = false;
  const waiting = new Set<() => void>();
  const wake = () => {
    for (const look of waiting) look();
  };
  socket.on("data", (data) => {
    received += data;
    wake();
  });
  socket.on("close", () => {
    closed = true;
    wake();
  });
  const seen = (what: () => boolean) =>
    new Promise<void>((resolve) => {
      const look = () => what() && waiting.delete(look) && resolve();
      waiting.add(look);
      look();
    });
  return {
    send: (text: string) => socket.write(text),
    answer: async (text: string) => {
      await seen(() => received.includes(text) || closed);
      return received;
    },
    closed: () => seen(() => closed),
    end: () => socket.destroy(),
  };
}

describe("the socket", () => {
  test("is for its owner alone, whatever the umask", async () => {
    const path = newPath();
    const umask = process.umask(0);
    try {
      await serve(path);
      expect(process.umask()).toBe(0);
    } finally {
      process.umask(umask);
    }
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(path, "..")).mode & 0o777).toBe(0o700);
  });

  test("of a dead process is replaced", async () => {
    const path = newPath();
    mkdirSync(join(path, ".."));
    const script = `Bun.serve({ unix: ${JSON.stringify(path)}, fetch: () => new Response() }); process.kill(process.pid, 9)`;
    await Bun.spawn([process.execPath, "-e", script]).exited;
    expect(statSync(path).isSocket()).toBe(true);
    expect(await code(path)).toBe("served");
    expect((await fetch("http://x/", { unix: path })).status).toBe(200);
  });

  test("of a living process is not", async () => {
    const path = newPath();
    await serve(path);
    expect(await code(path)).toBe("conflict");
    const other = newPath();
    mkdirSync(join(other, ".."));
    const owner = createServer().listen(other);
    await new Promise((resolve) => owner.once("listening", resolve));
    expect(await code(other)).toBe("conflict");
    expect(owner.listening && existsSync(other)).toBe(true);
    owner.close();
  });

  test("does not replace a file that is no socket", async () => {
    const path = newPath();
    mkdirSync(join(path, ".."));
    writeFileSync(path, "precious");
    expect(await code(path)).toBe("conflict");
    expect(existsSync(path)).toBe(true);
  });

  test("needs a path that fits, and a folder that can be", async () => {
    expect(await code(`/tmp/${"x".repeat(120)}`)).toBe("invalid_option");
    const path = newPath();
    writeFileSync(join(path, ".."), "a file where the folder should be");
    expect(await code(path)).toBe("state");
  });
});

describe("requests", () => {
  const empty = (path: string, host: string) =>
    `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\n\r\n`;

  test("have the path of dockerd, with Docker 20.10's empty Host and with a name", async () => {
    const path = newPath();
    await serve(path, async (request) => new Response(`<${request.url}>`));
    const client = connection(path);
    client.send(empty("/NetworkDriver.Join", ""));
    expect(await client.answer("</NetworkDriver.Join>")).toContain("</NetworkDriver.Join>");
    client.send(empty("/Plugin.Activate", "plugin.moby.localhost"));
    expect(await client.answer("Plugin.Activate>")).toContain(
      "<http://plugin.moby.localhost/Plugin.Activate>",
    );
    client.end();
  });

  test("longer than any limit reach the handler, which refuses them in its own words", async () => {
    const path = newPath();
    await serve(path, async (request) =>
      Response.json({ Err: `<${request.headers.get("content-length")}>` }),
    );
    const client = connection(path);
    client.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\n");
    expect(await client.answer("<999999999999>")).toContain("200 OK");
    client.end();
  });

  test("in hand are answered by stop, idle connections closed, the socket gone", async () => {
    const path = newPath();
    const arrived = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const server = await serve(path, async (request) => {
      if (!request.url.endsWith("slow")) return new Response("quick");
      arrived.resolve();
      await go.promise;
      return new Response("slow");
    });
    const idle = connection(path);
    idle.send(empty("/quick", "x"));
    await idle.answer("quick");
    const slow = connection(path);
    slow.send(empty("/slow", "x"));
    await arrived.promise;
    let stopped = false;
    const stop = server.stop().then(() => {
      stopped = true;
    });
    expect(existsSync(path)).toBe(false);
    await idle.closed();
    expect(stopped).toBe(false);
    go.resolve();
    expect(await slow.answer("slow")).toContain("200 OK");
    await stop;
    await slow.closed();
  });

  test("that never come, or come by half, do not hold up stop", async () => {
    const path = newPath();
    const server = await serve(path, async () => new Response());
    const silent = connection(path);
    const half = connection(path);
    half.send("POST /x HTTP/1.1\r\nHost");
    const known = connection(path);
    known.send(empty("/quick", "x"));
    await known.answer("200 OK");
    const started = performance.now();
    await server.stop();
    expect(performance.now() - started).toBeLessThan(5000);
    await Promise.all([silent.closed(), half.closed(), known.closed()]);
  });
});
