import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import { UnderlayError } from "../lib/errors.ts";
import { tunnelNameOf } from "../lib/ifname.ts";
import { type FakeEngine, fakeEngine, INFO, NET_A, NET_C } from "./admin.fixture.ts";
import { adminHandler } from "./admin.ts";
import { ErrorBody, SCHEMAS } from "./api.ts";
import type { DaemonInfo } from "./call.ts";

const OWNER = `docker:${NET_C}`;

async function ask(engine: FakeEngine, path: string, init: RequestInit = {}, info: DaemonInfo = INFO) {
  const response = await adminHandler(engine, info)(new Request(`http://underlay${path}`, init));
  const body: unknown = await response.json();
  return { status: response.status, body };
}

const add = (engine: FakeEngine, network: string, ...addresses: string[]) =>
  ask(engine, "/v1/peers", { method: "POST", body: JSON.stringify({ network, addresses }) });

async function peersOf(engine: FakeEngine, query = "", info?: DaemonInfo) {
  const { body } = await ask(engine, `/v1/peers${query}`, {}, info);
  return v.parse(SCHEMAS["underlay.peers/v1"], body);
}

test("are told with where they come from, and what the switch has of them", async () => {
  const engine = fakeEngine({ spans: true });
  expect(await add(engine, "c0ffee", "192.0.2.3", "192.0.2.4", "192.0.2.2")).toEqual({
    status: 200,
    body: {
      schema: "underlay.peer-changes/v1",
      network_id: NET_C,
      owner: OWNER,
      changes: [
        { address: "192.0.2.3", outcome: "added" },
        { address: "192.0.2.4", outcome: "added" },
        { address: "192.0.2.2", outcome: "there" },
      ],
    },
  });
  const { peers } = await peersOf(engine);
  expect(peers[0]).toEqual({
    ...{ network_id: NET_C, owner: OWNER, vni: 42, address: "192.0.2.2", from: "option" },
    ...{ created_at: "2026-01-04T03:00:00.000Z", port: tunnelNameOf(OWNER, "192.0.2.2") },
    ...{ state: "made", ofport: 3, error: null },
  });
  expect(peers.slice(1)).toMatchObject([
    { address: "192.0.2.3", from: "learnt", state: "failed", error: "File exists" },
    { address: "192.0.2.4", from: "learnt", state: "missing", error: null },
  ]);
  const { body } = await ask(engine, `/v1/networks/${NET_C}`);
  expect(v.parse(SCHEMAS["underlay.network/v1"], body).peers).toEqual(peers);
  expect(await peersOf(engine, `?network=${NET_C.slice(0, 9)}`)).toEqual(await peersOf(engine));
  expect((await peersOf(engine, `?network=${NET_A}`)).peers).toEqual([]);
});

test("are taken away, several at once", async () => {
  const engine = fakeEngine({ spans: true });
  await add(engine, NET_C, "192.0.2.3");
  const path = "/v1/peers?network=c0ffee&address=192.0.2.3&address=192.0.2.9";
  const { body } = await ask(engine, path, { method: "DELETE" });
  expect(v.parse(SCHEMAS["underlay.peer-changes/v1"], body).changes).toEqual([
    { address: "192.0.2.3", outcome: "removed" },
    { address: "192.0.2.9", outcome: "absent" },
  ]);
  expect((await peersOf(engine)).peers).toHaveLength(1);
});

test("of a switch that does not answer are told without its part, and why", async () => {
  const silent: DaemonInfo = {
    ...INFO,
    tunnels: () => Promise.reject(new UnderlayError("unreachable", "no ovsdb-server")),
  };
  const engine = fakeEngine({ spans: true });
  const { peers, switch_error: why } = await peersOf(engine, "", silent);
  expect([peers[0]?.state, why]).toEqual(["unknown", "no ovsdb-server"]);
  // A host without tunnels may have no switch at all.
  expect(await peersOf(fakeEngine(), "", silent)).toEqual({ schema: "underlay.peers/v1", peers: [] });
});

describe("refused", () => {
  const post = (body: unknown): RequestInit => ({ method: "POST", body: JSON.stringify(body) });
  const remove = { method: "DELETE" };
  const one = ["192.0.2.3"];
  const cases: readonly (readonly [string, RequestInit, readonly string[]])[] = [
    [
      "",
      post({ network: NET_C, addresses: ["beta", "0.0.0.0"] }),
      ['"beta" is no IP address', '"0.0.0.0" is no host'],
    ],
    ["", post({ network: NET_C, addresses: [] }), ["no address of a peer was given"]],
    ["", post({ network: NET_C }), ["addresses"]],
    ["", post({ network: NET_C, addresses: "192.0.2.3" }), ["Array"]],
    ["", post({ network: NET_C, addresses: one, adresses: one }), ["adresses"]],
    ["", post({ network: "beef", addresses: one }), ["no network has the id beef"]],
    ["", post({ network: "", addresses: one }), ["no network has the id"]],
    ["?network=c0ffee", remove, ["no address of a peer was given"]],
    ["?address=192.0.2.2", remove, ["no network has the id"]],
    ["?network=c0ffee&address=fe80::1", remove, ["link-local"]],
    ["?network=beef", {}, ["no network has the id beef"]],
  ];
  test.each(cases)("%s %j", async (query, init, messages) => {
    const engine = fakeEngine({ spans: true });
    const { status, body } = await ask(engine, `/v1/peers${query}`, init);
    expect([400, 404]).toContain(status);
    for (const message of messages) expect(v.parse(ErrorBody, body).error.message).toContain(message);
    expect((await peersOf(engine)).peers).toHaveLength(1);
  });
});
