import { describe, expect, test } from "bun:test";
import type { Engine } from "../engine/engine.ts";
import { manualClock } from "../lib/clock.fixture.ts";
import { type Clock, systemClock } from "../lib/clock.ts";
import { UnderlayError } from "../lib/errors.ts";
import type { LogFields, LogLevel } from "../lib/log.ts";
import { MAX_BODY } from "./body.ts";
import { fakeEngine } from "./engine.fixture.ts";
import { ANSWER_WITHIN, dockerHandler, pathOf } from "./handler.ts";
import { DOCKER_28, OTHERS } from "./wire.golden.ts";

interface Line extends LogFields {
  readonly level: LogLevel;
}

function adapter(engine: Engine = fakeEngine(), clock: Clock = systemClock) {
  const lines: Line[] = [];
  const handle = dockerHandler({
    engine,
    kind: "macvlan",
    clock,
    log: (level, _, fields) => lines.push({ level, ...fields }),
  });
  return { handle, lines };
}

function post(
  method: string,
  body: string | Uint8Array<ArrayBuffer> | ReadableStream,
  headers: Record<string, string> = {},
): Request {
  return new Request(`http://x/NetworkDriver.${method}`, { method: "POST", body, headers });
}

async function told(response: Response): Promise<{ status: number; Err: unknown }> {
  const body: Record<string, unknown> = JSON.parse(await response.text());
  return { status: response.status, Err: body["Err"] };
}

/** An engine one of whose verbs is replaced. */
function withDeclare(declare: Engine["endpoints"]["declare"]): Engine {
  const engine = fakeEngine();
  return { ...engine, endpoints: { ...engine.endpoints, declare } };
}

const endpoint = OTHERS.nullIpamEndpoint;

test.each([
  ["/NetworkDriver.Join", "NetworkDriver.Join"],
  ["http://plugin.moby.localhost/NetworkDriver.Join", "NetworkDriver.Join"],
  ["http:///NetworkDriver.Join?x=/y#z", "NetworkDriver.Join"],
  ["http://x", ""],
  ["", ""],
  ["//a/b", "/a/b"],
])("the path of %p is %p", (url, path) => {
  expect(pathOf(url)).toBe(path);
});

describe("HTTP", () => {
  test("an unknown method is 404 with JSON, also one that a prototype has", async () => {
    const { handle } = adapter();
    for (const name of ["Nope", "", "__proto__", "constructor", "toString"]) {
      const request = new Request(`http://x/${name}`, { method: "POST" });
      expect(await told(await handle(request))).toEqual({
        status: 404,
        Err: `a network plugin has no method ${name}`,
      });
    }
  });

  test.each(["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])("%s is 405", async (method) => {
    const request = new Request("http://x/NetworkDriver.Join", { method });
    const text = `NetworkDriver.Join is called by POST, not by ${method}`;
    expect(await told(await adapter().handle(request))).toEqual({ status: 405, Err: text });
  });

  test("answers have the plugin protocol's content type", async () => {
    const response = await adapter().handle(post("GetCapabilities", ""));
    expect(response.headers.get("content-type")).toBe("application/vnd.docker.plugins.v1.2+json");
  });

  test("a body of 1 MiB is read, one byte more is 413, declared or not", async () => {
    const { handle } = adapter();
    const padded = (length: number) => `{"NetworkID":"n"${" ".repeat(length - 17)}}`;
    const text = `the body is longer than ${MAX_BODY} bytes`;
    const chunks = (body: string) => new Blob([body]).stream();
    for (const [length, answer] of [
      [MAX_BODY, { status: 200, Err: undefined }],
      [MAX_BODY + 1, { status: 413, Err: text }],
    ] as const) {
      const body = padded(length);
      expect(body.length).toBe(length);
      const declared = post("DeleteNetwork", body, { "Content-Length": String(length) });
      expect(await told(await handle(declared))).toEqual(answer);
      expect(await told(await handle(post("DeleteNetwork", chunks(body))))).toEqual(answer);
    }
  });

  test("a method that needs no body does not look at the one it gets", async () => {
    expect((await adapter().handle(post("GetCapabilities", "{{{"))).status).toBe(200);
  });

  test("bytes that are no UTF-8 are read as Go reads them", async () => {
    const body = new Uint8Array([...Buffer.from('{"NetworkID":"'), 0xff, 0xfe, ...Buffer.from('"}')]);
    const answer = await told(await adapter().handle(post("DeleteNetwork", body)));
    expect(answer).toEqual({ status: 400, Err: 'NetworkID is not an id of Docker\'s: "\ufffd\ufffd"' });
  });
});

test("a connection that ends within a body is the client's fault, and no bug", async () => {
  const { handle, lines } = adapter();
  const broken = new ReadableStream({ pull: (controller) => controller.error(new Error("closed")) });
  const answer = await told(await handle(post("DeleteNetwork", broken)));
  expect(answer).toEqual({ status: 400, Err: "the connection ended before the body" });
  expect(lines).toMatchObject([{ level: "info", code: "invalid_request" }]);
});

describe("the time for an answer", () => {
  test("ends after 10 s; the work goes on and is logged when it ends", async () => {
    const clock = manualClock();
    const work = Promise.withResolvers<never>();
    const begun = Promise.withResolvers<void>();
    const engine = withDeclare(() => {
      begun.resolve();
      return work.promise;
    });
    const { handle, lines } = adapter(engine, clock);
    const response = handle(post("CreateEndpoint", endpoint));
    await begun.promise;
    clock.pass(ANSWER_WITHIN - 1);
    expect(lines).toEqual([]);
    clock.pass(1);
    const text = "NetworkDriver.CreateEndpoint takes too long; the work goes on, try again";
    expect(await told(await response)).toEqual({ status: 200, Err: text });
    expect(lines).toMatchObject([{ level: "warn", outcome: "error", code: "timeout", duration_seconds: 10 }]);
    clock.pass(5000);
    work.reject(new UnderlayError("kernel", "no"));
    await Bun.sleep(0);
    expect(lines[1]).toMatchObject({ late: true, outcome: "error", code: "kernel", duration_seconds: 15 });
  });

  test("gives a create up that nobody waits for: dockerd never deletes what it was told had failed", async () => {
    const clock = manualClock();
    const engine = fakeEngine();
    const begun = Promise.withResolvers<AbortSignal | undefined>();
    const ensure: Engine["networks"]["ensure"] = (_, givenUp) => {
      begun.resolve(givenUp);
      return new Promise(() => undefined);
    };
    const { handle } = adapter({ ...engine, networks: { ...engine.networks, ensure } }, clock);
    const create = DOCKER_28.find(({ method }) => method === "NetworkDriver.CreateNetwork");
    const response = handle(post("CreateNetwork", create?.body ?? ""));
    const givenUp = await begun.promise;
    expect(givenUp?.aborted).toBe(false);
    clock.pass(ANSWER_WITHIN);
    await response;
    expect(givenUp?.aborted).toBe(true);
  });

  test("also bounds a body that never comes", async () => {
    const clock = manualClock();
    const { handle } = adapter(fakeEngine(), clock);
    const response = handle(post("CreateEndpoint", new ReadableStream({ start: () => undefined })));
    clock.pass(ANSWER_WITHIN);
    expect((await told(await response)).Err).toContain("takes too long");
  });

  test("leaves no timer behind", async () => {
    const clock = manualClock();
    const { handle } = adapter(fakeEngine(), clock);
    await handle(post("DeleteNetwork", '{"NetworkID":"n"}'));
    await handle(post("CreateEndpoint", endpoint));
    expect(clock.pending()).toBe(0);
  });
});

describe("the log", () => {
  test("has one line an operation", async () => {
    const { handle, lines } = adapter();
    await handle(post("DeleteEndpoint", '{"NetworkID":"n","EndpointID":"e"}'));
    await handle(post("Join", '{"NetworkID":"n","EndpointID":"e"}'));
    await handle(post("Join", ""));
    expect(lines).toEqual([
      {
        level: "info",
        op: "NetworkDriver.DeleteEndpoint",
        network: "n",
        endpoint: "e",
        duration_seconds: expect.any(Number),
        outcome: "ok",
      },
      expect.objectContaining({
        level: "warn",
        op: "NetworkDriver.Join",
        network: "n",
        outcome: "error",
        code: "not_found",
      }),
      expect.objectContaining({ op: "NetworkDriver.Join", outcome: "error", code: "invalid_request" }),
    ]);
  });

  test("says which address and MAC an endpoint has", async () => {
    const { handle, lines } = adapter();
    for (const { method, body } of DOCKER_28.filter((call) => /Create(Network|Endpoint)$/.test(call.method)))
      await handle(post(method.replace("NetworkDriver.", ""), body));
    expect(lines.slice(1)).toMatchObject([
      {
        level: "info",
        outcome: "ok",
        ip: expect.stringContaining("/"),
        mac: expect.stringContaining(":"),
        link: expect.any(String),
      },
    ]);
  });

  test.each(["EndpointOperInfo", "ProgramExternalConnectivity"])(
    "is quiet about %s, at which nothing is done",
    async (method) => {
      const { handle, lines } = adapter();
      await handle(post(method, '{"NetworkID":"n","EndpointID":"e"}'));
      expect(lines).toMatchObject([{ level: "debug", outcome: "ok" }]);
    },
  );

  test("tells where a bug is, Docker does not hear of it", async () => {
    const engine = withDeclare(async () => {
      throw new TypeError("x is undefined");
    });
    const { handle, lines } = adapter(engine);
    const answer = await told(await handle(post("CreateEndpoint", endpoint)));
    expect(answer.Err).toBe("internal error: x is undefined; this is a bug of Underlay, its log tells more");
    expect(lines).toMatchObject([
      { level: "error", code: "internal", stack: expect.stringContaining("handler.test.ts") },
    ]);
  });
});

test.each(["AllocateNetwork", "FreeNetwork"])("%s says that networks are local", async (method) => {
  const { status, Err } = await told(await adapter().handle(post(method, '{"NetworkID":"n"}')));
  expect([status, Err]).toEqual([200, expect.stringContaining("local scope")]);
});
