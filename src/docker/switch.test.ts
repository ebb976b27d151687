import { expect, test } from "bun:test";
import type { Engine } from "../engine/engine.ts";
import type { LinkKind } from "../lib/request.ts";
import { fakeEngine } from "./engine.fixture.ts";
import { METHODS } from "./methods.ts";

/** What is different where the host is the gateway and gives the addresses. */

async function answerTo(method: string, body: object, kind: LinkKind, engine: Engine = fakeEngine()) {
  const call = METHODS[`NetworkDriver.${method}`]?.parse(body);
  if (!call) throw new Error(`no method ${method}`);
  return (await call.run({ engine, kind }, new AbortController().signal)).answer;
}

test.each([
  ["macvlan", { parent: "eth0" }, true],
  ["ovs", {}, false],
  ["ovs", { mode: "flat" }, true],
] as const)("of %s with %p Docker is to skip the gateway: %p", async (kind, generic, skip) => {
  const Options = { "com.docker.network.generic": generic };
  expect(await answerTo("GwAllocCheck", { Options }, kind)).toEqual({ SkipIPv4: skip, SkipIPv6: skip });
});

const ENDPOINT = { NetworkID: "n1", EndpointID: "e1", Options: {} };

/** An engine that gives addresses. */
function giving(...addresses: string[]): Engine {
  const engine = fakeEngine();
  const declare: Engine["endpoints"]["declare"] = async ({ owner, network, mac }) => ({
    ...{ owner, network, addresses, state: "declared", linkName: "ul-fake", createdAt: "" },
    mac: mac ?? "02:00:00:00:00:01",
  });
  return { ...engine, endpoints: { ...engine.endpoints, declare } };
}

test("addresses that nobody else gave are answered", async () => {
  const Interface = { Address: "", AddressIPv6: "", MacAddress: "" };
  const engine = giving("172.18.40.2/24", "fd00::2/64");
  expect(await answerTo("CreateEndpoint", { ...ENDPOINT, Interface }, "ovs", engine)).toEqual({
    Interface: { MacAddress: "02:00:00:00:00:01", Address: "172.18.40.2/24", AddressIPv6: "fd00::2/64" },
  });
});

test("what came with the call is not: dockerd takes it for an error", async () => {
  const Interface = { Address: "10.6.0.7/24", AddressIPv6: "", MacAddress: "02:11:22:33:44:55" };
  const engine = giving("10.6.0.7/24");
  expect(await answerTo("CreateEndpoint", { ...ENDPOINT, Interface }, "ovs", engine)).toEqual({});
});
