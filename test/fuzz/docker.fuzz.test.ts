import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { METHODS } from "../../src/docker/methods.ts";
import { DOCKER_28 } from "../../src/docker/wire.golden.ts";
import { hostileBody } from "./hostile.ts";
import { type HttpAnswer, type HttpConnection, openHttp, postRequest } from "./http-client.ts";
import { type Random, randomOf } from "./random.ts";

const seed = Number(process.env["UNDERLAY_FUZZ_SEED"] ?? Math.floor(Math.random() * 2 ** 32));
const perMethod = Number(process.env["UNDERLAY_FUZZ_REQUESTS"] ?? 20_000);
/** Requests in hand at the same time, each on a connection that is kept alive, as dockerd does. */
const CONNECTIONS = 8;

const folder = mkdtempSync(join(tmpdir(), "docker-fuzz-"));
const path = join(folder, "x.sock");
const connections: HttpConnection[] = [];
let server: Bun.Subprocess<"ignore", "pipe", "inherit"> | undefined;

beforeAll(async () => {
  process.stdout.write(`UNDERLAY_FUZZ_SEED=${seed}\n`);
  const script = join(import.meta.dir, "serve-fake.ts");
  server = Bun.spawn([process.execPath, script, path], {
    stdout: "pipe",
    stderr: "inherit",
    stdin: "ignore",
  });
  await server.stdout.getReader().read();
  for (let n = 0; n < CONNECTIONS; n++) connections.push(await openHttp(path));
});

afterAll(async () => {
  for (const connection of connections) connection.close();
  server?.kill("SIGTERM");
  await server?.exited;
  rmSync(folder, { recursive: true });
});

describe("malformed and hostile requests are answered with JSON", () => {
  test.each(Object.keys(METHODS))(
    "%s",
    async (method) => {
      await fresh();
      const random = randomOf(seed ^ Bun.hash.crc32(method));
      let left = perMethod;
      const askOn = async (connection: HttpConnection) => {
        while (left-- > 0) {
          const body = hostile(random, method);
          const answer = await connection.ask(postRequest(method, body, random.chance(50)));
          const wrong = whatIsWrong(answer);
          if (wrong === undefined) continue;
          throw new Error(`${wrong}\nanswer: ${answer.status} ${answer.body}\nto: ${shown(body)}`);
        }
      };
      await Promise.all(connections.map(askOn));
      expect(server?.exitCode).toBeNull();
    },
    120_000,
  );

  test("broken HTTP ends its own connection at most", async () => {
    for (const bytes of BROKEN_HTTP) {
      const connection = await openHttp(path);
      const answer = await connection.ask(Buffer.from(bytes, "latin1")).catch(() => undefined);
      const refused = answer === undefined || answer.status >= 400;
      expect([bytes, refused]).toEqual([bytes, true]);
      connection.close();
    }
    expect(server?.exitCode).toBeNull();
  });

  test("and good ones are answered well afterwards", async () => {
    await fresh();
    for (const { method, body, answer } of TRACE)
      expect([method, await askGood(method, body)]).toEqual([method, { status: 200, answer }]);
  });
});

const BROKEN_HTTP = [
  "\r\n\r\n",
  "\u0000\u00ff\r\n\r\n",
  "POST\r\n\r\n",
  "POST / HTTP/1.1\r\n\r\n",
  "POST x HTTP/1.1\r\nHost: \r\n\r\n",
  "POST /NetworkDriver.Join HTTP/9.9\r\nHost: \r\n\r\n",
  "GET /NetworkDriver.Join HTTP/1.1\r\nHost: \r\n\r\n",
  "POST /%00%ff/../..//etc/passwd HTTP/1.1\r\nHost: \r\nContent-Length: 0\r\n\r\n",
  `POST /${"x".repeat(9000)} HTTP/1.1\r\nHost: \r\nContent-Length: 0\r\n\r\n`,
  `POST / HTTP/1.1\r\nHost: \r\nX: ${"y".repeat(100_000)}\r\n\r\n`,
  "POST / HTTP/1.1\r\nHost: \r\nContent-Length: -1\r\n\r\n",
  "POST / HTTP/1.1\r\nHost: \r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
  "POST /NetworkDriver.Join HTTP/1.1\r\nHost: \r\nContent-Length: 9007199254740993\r\n\r\n",
  "POST /NetworkDriver.Join HTTP/1.1\r\nHost: \r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
  "POST / HTTP/1.1\r\nHost: \r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
];

const TRACE = DOCKER_28.map(({ method, body, answer }) => ({
  method,
  // Not an option of ours; the trace was captured with another driver.
  body: body.replace('"foo":"bar",', ""),
  answer,
}));

/** A network and an endpoint of the captured ids exist, so that what bends little gets past the look-up. */
async function fresh(): Promise<void> {
  for (const wanted of ["DeleteNetwork", "CreateNetwork", "CreateEndpoint"])
    for (const { method, body, answer } of TRACE)
      if (method.endsWith(`.${wanted}`)) expect(await askGood(method, body)).toEqual({ status: 200, answer });
}

async function askGood(method: string, body: string): Promise<{ status: number; answer: unknown }> {
  const [connection] = connections;
  const answer = await connection?.ask(postRequest(method, Buffer.from(body), false));
  return { status: answer?.status ?? 0, answer: JSON.parse(answer?.body ?? "null") };
}

/** What dockerd sends for the method, from the trace of a real one, or a message of the same kind. */
function goodBody(method: string): string {
  const sent = TRACE.find((exchange) => exchange.method === method)?.body;
  const discovery =
    '{"DiscoveryType":1,"DiscoveryData":{"Address":"10.0.0.1","BindAddress":"10.0.0.1","Self":true}}\n';
  return (
    sent ??
    (method.includes("Discover") ? discovery : '{"NetworkID":"n","Options":{"a":"b"},"IPv4Data":[]}\n')
  );
}

function hostile(random: Random, method: string): Uint8Array {
  const body = hostileBody(random, goodBody(method));
  return typeof body === "string" ? Buffer.from(body) : body;
}

/** Undefined when the answer is one that dockerd can read and a person can understand. */
function whatIsWrong({ status, head, body }: HttpAnswer): string | undefined {
  if (![200, 400, 413].includes(status)) return "a status that no body can cause";
  if (!/^content-type: application\/vnd\.docker\.plugins\.v1\.2\+json$/im.test(head))
    return "another content type";
  const answer = parsed(body);
  if (answer === undefined) return "no JSON object";
  const { Err, Error: text } = answer;
  if (Err === undefined) return status === 200 && text === undefined ? undefined : "an error without Err";
  if (typeof Err !== "string" || Err === "" || Err !== text) return "Err and Error differ";
  if (/\p{Cc}/u.test(Err) || Err.length > 5000) return "not one line";
  return Err.startsWith("internal error") ? "a bug" : undefined;
}

function parsed(body: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function shown(body: Uint8Array): string {
  const text = JSON.stringify(Buffer.from(body).toString());
  return text.length > 3000 ? `${text.slice(0, 3000)}… (${body.length} bytes)` : text;
}
