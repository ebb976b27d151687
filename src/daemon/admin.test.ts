import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import * as v from "valibot";
import { EP_1, type FakeEngine, fakeEngine, INFO, NET_A, NET_B } from "./admin.fixture.ts";
import { adminHandler } from "./admin.ts";
import { ErrorBody, SCHEMAS, type SchemaName } from "./api.ts";
import { NetworkRows } from "./network-json.ts";

async function ask(path: string, init: RequestInit = {}, engine: FakeEngine = fakeEngine()) {
  const response = await adminHandler(engine, INFO)(new Request(`http://underlay${path}`, init));
  const body: unknown = await response.json();
  return { status: response.status, body };
}

describe("answers are what their schema says", () => {
  const cases: readonly (readonly [string, SchemaName])[] = [
    ["/v1/status", "underlay.status/v1"],
    ["/v1/networks", "underlay.networks/v1"],
    [`/v1/networks/${NET_A}`, "underlay.network/v1"],
    ["/v1/endpoints", "underlay.endpoints/v1"],
    [`/v1/endpoints/${EP_1}`, "underlay.endpoint/v1"],
  ];
  test.each(cases)("%s", async (path, schema) => {
    const { status, body } = await ask(path);
    expect(status).toBe(200);
    expect(v.safeParse(SCHEMAS[schema], body).issues).toBeUndefined();
    expect(await ask(`${path}?x=1`)).toEqual({ status, body });
  });
});

test("without findings a list is the same but for these, and nothing is judged for it", async () => {
  const judged = () => {
    throw new Error("nobody asked what is wrong");
  };
  const whole = await ask("/v1/networks");
  const engine = fakeEngine();
  const { body } = await ask(
    "/v1/networks?without=findings",
    {},
    {
      ...engine,
      networks: { ...engine.networks, list: judged },
    },
  );
  const { networks } = v.parse(SCHEMAS["underlay.networks/v1"], whole.body);
  const rows = networks.map(({ findings: _, ...row }) => row);
  expect(body).toEqual({ schema: "underlay.networks/v1", networks: rows });
  expect(v.safeParse(NetworkRows, body).issues).toBeUndefined();
});

test("a network with its endpoints, addresses as text", async () => {
  const { body } = await ask("/v1/networks/1758a0");
  expect(body).toMatchObject({
    network: {
      id: NET_A,
      owner: `docker:${NET_A}`,
      mtu: null,
      subnets: [
        { pool: "192.168.7.0/24", gateway: "192.168.7.1", aux: { nas: "192.168.7.5" } },
        { pool: "fd07::/64", gateway: null, aux: {} },
      ],
      created_at: "2026-01-02T03:00:00.000Z",
    },
    endpoints: [{ id: EP_1, network_id: NET_A }, { state: "declared" }],
  });
});

test("status counts, and groups by parent", async () => {
  const { body } = await ask("/v1/status");
  expect(body).toMatchObject({
    daemon: { version: "0.1.0", pid: 4711, drivers: ["underlay-macvlan"] },
    networks: { total: 2, degraded: 1 },
    endpoints: { total: 3, provisioned: 2 },
    parents: [
      { name: "eth0", networks: 1, endpoints: 2 },
      { name: "eth9", networks: 1, endpoints: 1 },
    ],
    findings: [{ id: "UL-P08", fix: [{ say: "plug it in" }, { run: "ip link" }] }],
  });
});

test.each([
  [NET_B, NET_B],
  [`docker:${NET_B}`, NET_B],
  ["1758f", NET_B],
])("a network is found by id, owner and unique prefix: %s", async (id, found) => {
  expect((await ask(`/v1/networks/${encodeURIComponent(id)}`)).body).toMatchObject({
    network: { id: found },
  });
});

test.each([
  [{ dry_run: true }, true],
  [{ dry_run: false }, false],
])("gc %j", async (body, dryRun) => {
  const engine = fakeEngine();
  const answer = await ask("/v1/gc", { method: "POST", body: JSON.stringify(body) }, engine);
  expect(answer).toEqual({
    status: 200,
    body: {
      schema: "underlay.gc/v1",
      dry_run: dryRun,
      actions: [{ what: "delete-link", subject: "ul-abcdefghijkl", why: "no record knows it" }],
    },
  });
  expect(engine.reconciled).toEqual([dryRun]);
});

describe("failures are JSON with a code", () => {
  const post = (body: string): RequestInit => ({ method: "POST", body });
  const cases: readonly (readonly [string, RequestInit, number, string, string])[] = [
    ["/", {}, 404, "not_found", 'there is no "/" in the admin API'],
    ["/v1/network", {}, 404, "not_found", "in the admin API"],
    ["/v1/networks/", {}, 404, "not_found", "in the admin API"],
    ["/v1/networks/a/b", {}, 404, "not_found", "in the admin API"],
    ["/v1/status", post("{}"), 400, "invalid_request", '"/v1/status" does not take POST'],
    ["/v1/gc", {}, 400, "invalid_request", '"/v1/gc" does not take GET'],
    ["/v1/networks/1758", {}, 400, "invalid_request", "several networks have an id that begins with 1758"],
    ["/v1/networks/beef", {}, 404, "not_found", "no network has the id beef"],
    ["/v1/networks/%zz", {}, 400, "invalid_request", "is not percent-encoded text"],
    ["/v1/endpoints/%00", {}, 404, "not_found", 'no endpoint has the id "\\u0000"'],
    ["/v1/gc", post("{"), 400, "invalid_request", "the body is no JSON"],
    ["/v1/gc", post("[]"), 400, "invalid_request", "dry_run"],
    ["/v1/gc", post("{}"), 400, "invalid_request", "dry_run"],
    ["/v1/gc", post(""), 400, "invalid_request", "the body is no JSON"],
    ["/v1/gc", post('{"dry_run":"yes"}'), 400, "invalid_request", "boolean"],
    ["/v1/gc", post('{"dryrun":true}'), 400, "invalid_request", "dryrun"],
    ["/v1/gc", post("x".repeat(70_000)), 400, "invalid_request", "too long"],
  ];
  test.each(cases)("%s %j", async (path, init, status, code, message) => {
    const engine = fakeEngine();
    const answer = await ask(path, init, engine);
    const { error } = v.parse(ErrorBody, answer.body);
    expect([answer.status, error.code]).toEqual([status, code]);
    expect(error.message).toContain(message);
    expect(engine.reconciled).toEqual([]);
  });

  test("a database that cannot be read", async () => {
    const { status, body } = await ask("/v1/networks", {}, fakeEngine({ broken: true }));
    expect([status, v.parse(ErrorBody, body).error.code]).toEqual([500, "state"]);
  });

  test("any path is answered", async () => {
    const handler = adminHandler(fakeEngine(), INFO);
    await fc.assert(
      fc.asyncProperty(
        fc.webPath(),
        fc.constantFrom("GET", "POST", "PUT", "DELETE"),
        async (path, method) => {
          const response = await handler(new Request(`http://x/v1${path}`, { method }));
          expect(await response.json()).toBeObject();
        },
      ),
    );
  });
});

describe("on a socket", () => {
  const dir = mkdtempSync(join(tmpdir(), "underlay-admin-"));
  const path = join(dir, "underlay.sock");
  const server = Bun.serve({ unix: path, fetch: adminHandler(fakeEngine(), INFO) });
  afterAll(async () => {
    await server.stop(true);
    rmSync(dir, { recursive: true });
  });

  test.each(["Host: \r\n", "Host: underlay\r\n", "Host: a:b:c\r\n"])("with %j it answers", async (host) => {
    const answer = await new Promise<string>((resolve, reject) => {
      let heard = "";
      const socket = connect(path, () =>
        socket.write(`GET /v1/status HTTP/1.1\r\n${host}Connection: close\r\n\r\n`),
      );
      socket.on("data", (chunk) => {
        heard += chunk.toString();
      });
      socket.on("close", () => resolve(heard));
      socket.on("error", reject);
    });
    expect(answer).toStartWith("HTTP/1.1 200");
    expect(answer).toContain('"schema":"underlay.status/v1"');
  });
});
