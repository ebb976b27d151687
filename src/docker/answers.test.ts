import { describe, expect, test } from "bun:test";
import { systemClock } from "../lib/clock.ts";
import { parseCidr } from "../lib/ip.ts";
import { silentLog } from "../lib/log.ts";
import type { Attachment, EndpointRequest } from "../lib/request.ts";
import { fakeEngine } from "./engine.fixture.ts";
import { dockerHandler } from "./handler.ts";

/** What is answered for links without a MAC of their own, and for those that need no gateway. */

const IDS = { NetworkID: "a".repeat(64), EndpointID: "b".repeat(64) };

function adapter(attachment: Partial<Attachment> = {}) {
  const engine = fakeEngine();
  const asked: EndpointRequest[] = [];
  const handle = dockerHandler({
    engine: {
      ...engine,
      endpoints: {
        ...engine.endpoints,
        declare: async (request) => {
          asked.push(request);
          const { owner, network } = request;
          const view = { owner, network, addresses: [], mac: undefined, linkName: "ul-fake" };
          return { ...view, state: "declared" as const, createdAt: "2026-01-01T00:00:00Z" };
        },
        provision: async () => ({ linkName: "ul-fake", gateways: [], onLink: [], ...attachment }),
      },
    },
    kind: "ipvlan",
    log: silentLog,
    clock: systemClock,
  });
  const call = async (method: string, body: object) => {
    const request = { method: "POST", body: JSON.stringify({ ...IDS, ...body }) };
    const response = await handle(new Request(`http://x/NetworkDriver.${method}`, request));
    return response.json();
  };
  return { asked, call };
}

describe("an endpoint without a MAC of its own", () => {
  const given = { Address: "10.6.0.7/24", AddressIPv6: "", MacAddress: "02:11:22:33:44:55" };

  test("answers none, whether or not one was given", async () => {
    const { call } = adapter();
    expect(await call("CreateEndpoint", { Interface: { ...given, MacAddress: "" } })).toEqual({});
    expect(await call("CreateEndpoint", { Interface: given })).toEqual({});
  });

  test("knows a user's MAC from one that dockerd made up for an IPAM", async () => {
    const { asked, call } = adapter();
    await call("CreateEndpoint", { Interface: given });
    const Options = { "com.docker.network.endpoint.macaddress": "AhEiM0RV" };
    await call("CreateEndpoint", { Interface: given, Options });
    expect(asked.map(({ macByUser }) => macByUser)).toEqual([false, true]);
  });
});

test("what is sent to the link itself is a connected route, and never a NIC on docker_gwbridge", async () => {
  const onLink = ["0.0.0.0/0", "::/0"].flatMap((text) => parseCidr(text) ?? []);
  expect(await adapter({ onLink }).call("Join", {})).toEqual({
    InterfaceName: { SrcName: "ul-fake", DstPrefix: "eth" },
    StaticRoutes: [
      { Destination: "0.0.0.0/0", RouteType: 1 },
      { Destination: "::/0", RouteType: 1 },
    ],
    DisableGatewayService: true,
  });
});
