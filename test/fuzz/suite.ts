import { beforeAll, describe, expect, test } from "bun:test";
import { METHODS } from "../../src/docker/methods.ts";
import { DOCKER_28, type Exchange } from "../../src/docker/wire.golden.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { hostileBody } from "./hostile.ts";
import { type HttpAnswer, type HttpConnection, openHttp, postRequest } from "./http-client.ts";
import { type Random, randomOf } from "./random.ts";

/** Whoever serves the plugin protocol on a unix socket. */
export interface FuzzTarget {
  readonly path: string;
  /** What became of it: ended, complained, grew. Empty when all is well. */
  troubles(): readonly string[];
}

const seed = Number(process.env["UNDERLAY_FUZZ_SEED"] ?? Math.floor(Math.random() * 2 ** 32));
/** Requests in hand at the same time, each on a connection that is kept alive, as dockerd does. */
const CONNECTIONS = 8;

/**
 * Bent requests for every method: none may be answered by anything but JSON that dockerd can read, or by a bug, and
 * none may end the process. `UNDERLAY_FUZZ_SEED` repeats a run, `UNDERLAY_FUZZ_REQUESTS` makes it longer.
 */
export function fuzzSuite(
  name: string,
  start: (things: AsyncDisposableStack) => Promise<FuzzTarget>,
  requests: number,
): void {
  const perMethod = Number(process.env["UNDERLAY_FUZZ_REQUESTS"] ?? requests);

  describe(`malformed and hostile requests are answered with JSON by ${name}`, () => {
    const things = disposedAfterAll();
    const connections: HttpConnection[] = [];
    const rounds = { made: 0 };
    let target: FuzzTarget;

    beforeAll(async () => {
      process.stdout.write(`UNDERLAY_FUZZ_SEED=${seed}\n`);
      target = await start(things);
      while (connections.length < CONNECTIONS) {
        const connection = await openHttp(target.path);
        things.defer(() => connection.close());
        connections.push(connection);
      }
    });

    /**
     * A network and an endpoint of the captured ids exist, so that what bends little gets past the look-up. Each time
     * with another MAC: a bent message may have left an endpoint with the last one.
     */
    async function fresh(): Promise<readonly Exchange[]> {
      const trace = traceWith(`02:11:22:33:44:${(0x80 + rounds.made++).toString(16)}`);
      for (const wanted of ["DeleteNetwork", "CreateNetwork", "CreateEndpoint"])
        for (const { method, body, answer } of trace)
          if (method.endsWith(`.${wanted}`))
            expect(await askGood(method, body)).toEqual({ status: 200, answer });
      return trace;
    }

    async function askGood(method: string, body: string): Promise<{ status: number; answer: unknown }> {
      const answer = await connections[0]?.ask(postRequest(method, Buffer.from(body), false));
      const text = answer?.body.replace(/"ul-[a-z2-7]{12}"/, '"ul-fake"') ?? "null";
      return { status: answer?.status ?? 0, answer: JSON.parse(text) };
    }

    async function askHostile(
      connection: HttpConnection,
      method: string,
      random: Random,
      good: string,
    ): Promise<void> {
      const body = hostile(random, good);
      const answer = await connection.ask(postRequest(method, body, random.chance(50)));
      const wrong = whatIsWrong(answer);
      if (wrong === undefined) return;
      throw new Error(`${wrong}\nanswer: ${answer.status} ${answer.body}\nto: ${shown(body)}`);
    }

    test.each(Object.keys(METHODS))(
      "%s",
      async (method) => {
        const good = goodBody(await fresh(), method);
        const random = randomOf(seed ^ Bun.hash.crc32(method));
        let left = perMethod;
        const askMany = async (connection: HttpConnection) => {
          while (left-- > 0) await askHostile(connection, method, random, good);
        };
        await Promise.all(connections.map(askMany));
        expect(target.troubles()).toEqual([]);
      },
      120_000,
    );

    test("broken HTTP ends its own connection at most", async () => {
      for (const bytes of BROKEN_HTTP) {
        const connection = await openHttp(target.path);
        const answer = await connection.ask(Buffer.from(bytes, "latin1")).catch(() => undefined);
        const refused = answer === undefined || answer.status >= 400;
        expect([bytes, refused]).toEqual([bytes, true]);
        connection.close();
      }
      expect(target.troubles()).toEqual([]);
    });

    test("and good ones are answered well afterwards", async () => {
      for (const { method, body, answer } of await fresh())
        expect([method, await askGood(method, body)]).toEqual([method, { status: 200, answer }]);
    });
  });
}

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

function traceWith(mac: string): Exchange[] {
  return DOCKER_28.map(({ method, body, answer }) => ({
    method,
    // "foo" is no option of ours; the trace was captured with another driver.
    body: body.replace('"foo":"bar",', "").replace("02:11:22:33:44:77", mac),
    answer,
  }));
}

/** What dockerd sends for the method, or a message of the same kind. */
function goodBody(trace: readonly Exchange[], method: string): string {
  const sent = trace.find((exchange) => exchange.method === method)?.body;
  const discovery =
    '{"DiscoveryType":1,"DiscoveryData":{"Address":"10.0.0.1","BindAddress":"10.0.0.1","Self":true}}\n';
  const allocation = '{"NetworkID":"n","Options":{"a":"b"},"IPv4Data":[]}\n';
  return sent ?? (method.includes("Discover") ? discovery : allocation);
}

function hostile(random: Random, good: string): Uint8Array {
  const body = hostileBody(random, good);
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
