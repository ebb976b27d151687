import { describe, expect, test } from "bun:test";
import { systemClock } from "../lib/clock.ts";
import { formatCidr, formatIp } from "../lib/ip.ts";
import { silentLog } from "../lib/log.ts";
import { fakeEngine } from "./engine.fixture.ts";
import { dockerHandler } from "./handler.ts";
import { METHODS } from "./methods.ts";
import { DOCKER_20, DOCKER_28, ENDPOINT, type Exchange, NETWORK, OTHERS } from "./wire.golden.ts";

const network = `docker:${NETWORK}`;
const endpoint = `docker:${NETWORK}/${ENDPOINT}`;

/** An adapter on a fresh engine, called as dockerd calls it: POST, raw body, no Content-Type. */
function adapter() {
  const engine = fakeEngine();
  const handle = dockerHandler({ engine, kind: "macvlan", log: silentLog, clock: systemClock });
  const call = async (method: string, body: string) => {
    const request = new Request(`http://plugin.moby.localhost/${method}`, { method: "POST", body });
    const response = await handle(request);
    const answer: Record<string, unknown> = JSON.parse(await response.text());
    return { status: response.status, body: answer };
  };
  return { engine, call };
}

const versions: readonly [string, readonly Exchange[]][] = [
  ["28.5.2", DOCKER_28],
  ["20.10.24", DOCKER_20],
];

describe.each(versions)("what Docker %s sent", (_, trace) => {
  test("is answered call by call", async () => {
    const { call } = adapter();
    for (const { method, body, answer } of trace)
      expect([method, await call(method, body)]).toEqual([method, { status: 200, body: answer }]);
  });

  test("is the same request to the engine", async () => {
    const { engine, call } = adapter();
    for (const { method, body } of trace) {
      if (method === "NetworkDriver.RevokeExternalConnectivity") break;
      await call(method, body);
    }
    const { subnets, ...rest } = engine.requests.networks.get(network) ?? { subnets: [] };
    expect(rest).toEqual({
      owner: network,
      kind: "macvlan",
      options: { "com.docker.network.driver.mtu": "1400", foo: "bar", parent: "lan" },
      internal: false,
      ipv6: true,
    });
    expect(subnets.map(({ pool, gateway }) => [formatCidr(pool), gateway && formatIp(gateway)])).toEqual([
      ["10.60.0.0/24", "10.60.0.1"],
      ["fd60::/64", "fd60::1"],
    ]);
    expect(subnets.map(({ aux }) => Object.entries(aux).map(([name, ip]) => [name, formatIp(ip)]))).toEqual([
      [["nas", "10.60.0.5"]],
      [],
    ]);
    const { addresses, ...asked } = engine.requests.endpoints.get(endpoint) ?? { addresses: [] };
    const mac = { mac: "02:11:22:33:44:77", macByUser: true };
    expect(asked).toEqual({ owner: endpoint, network, ...mac, publishes: ["8081:80/tcp"] });
    expect(addresses.map(formatCidr)).toEqual(["10.60.0.70/24", "fd60::70/64"]);
  });

  test("may come twice, call by call", async () => {
    const { call } = adapter();
    for (const { method, body, answer } of trace) {
      await call(method, body);
      expect([method, (await call(method, body)).body]).toEqual([method, answer]);
    }
  });

  test("leaves nothing behind", async () => {
    const { engine, call } = adapter();
    for (const { method, body } of trace) await call(method, body);
    expect([...engine.requests.networks, ...engine.requests.endpoints]).toEqual([]);
  });
});

describe("other captured requests", () => {
  test("an internal network gives no gateway", async () => {
    const { engine, call } = adapter();
    expect(await call("NetworkDriver.CreateNetwork", OTHERS.internalNetwork)).toEqual({
      status: 200,
      body: {},
    });
    expect(engine.requests.networks.get(network)?.internal).toBe(true);
  });

  test("an unknown driver-opt is refused by name", async () => {
    const { call } = adapter();
    await call("NetworkDriver.CreateNetwork", OTHERS.internalNetwork);
    const known = "there are com.docker.network.endpoint.ifname and com.docker.network.endpoint.sysctls";
    for (const [body, key] of [
      [OTHERS.driverOpt, "epfoo"],
      [OTHERS.dnsServers, "epa"],
      [OTHERS.version29, "foo"],
    ] as const) {
      const text = `unknown endpoint option ${key}; ${known}`;
      expect(await call("NetworkDriver.CreateEndpoint", body)).toEqual({
        status: 200,
        body: { Err: text, Error: text },
      });
    }
  });

  test("without it, DNS servers and a port to publish are fine, and a MAC is answered when none was given", async () => {
    const { call } = adapter();
    await call("NetworkDriver.CreateNetwork", OTHERS.internalNetwork);
    const dns = OTHERS.dnsServers.replace(',"epa":"valb"', "");
    expect((await call("NetworkDriver.CreateEndpoint", dns)).body).toEqual({});
    const ports = OTHERS.version29.replace(',"foo":"bar"', "");
    const first = await call("NetworkDriver.CreateEndpoint", ports);
    expect(first.body).toEqual({ Interface: { MacAddress: expect.stringMatching(/^.[26ae](:..){5}$/) } });
    expect(await call("NetworkDriver.CreateEndpoint", ports)).toEqual(first);
  });

  test("another IPAM's address space and a MAC that the daemon chose", async () => {
    const { engine, call } = adapter();
    expect((await call("NetworkDriver.CreateNetwork", OTHERS.foreignIpam)).body).toEqual({});
    expect((await call("NetworkDriver.CreateEndpoint", OTHERS.daemonsMac)).body).toEqual({});
    const { mac, macByUser } = engine.requests.endpoints.get(endpoint) ?? {};
    expect([mac as string, macByUser]).toEqual(["e6:3f:c2:27:e2:db", false]);
  });

  test("no IPAM at all: no subnet, no address, a MAC all the same", async () => {
    const { engine, call } = adapter();
    expect((await call("NetworkDriver.CreateNetwork", OTHERS.nullIpam)).body).toEqual({});
    expect(engine.requests.networks.get(network)?.subnets).toEqual([]);
    expect((await call("NetworkDriver.CreateEndpoint", OTHERS.nullIpamEndpoint)).body).toEqual({
      Interface: { MacAddress: expect.any(String) },
    });
    expect((await call("NetworkDriver.Join", OTHERS.nullIpamEndpoint)).body).toEqual({
      InterfaceName: { SrcName: "ul-fake", DstPrefix: "eth" },
      DisableGatewayService: true,
    });
  });

  test("the name wanted in the container is answered in DstName, whatever the case of its key", async () => {
    const { call } = adapter();
    await call("NetworkDriver.CreateNetwork", OTHERS.internalNetwork);
    const body = OTHERS.driverOpt.replace('"epfoo":"EpBar"', '"com.docker.network.ENDPOINT.IfName":"lan0"');
    await call("NetworkDriver.CreateEndpoint", body);
    const joined = await call("NetworkDriver.Join", body);
    expect(joined.body).toMatchObject({
      InterfaceName: { SrcName: "ul-fake", DstPrefix: "eth", DstName: "lan0" },
    });
  });
});

describe("out of order", () => {
  const ids = JSON.stringify({ NetworkID: NETWORK, EndpointID: ENDPOINT });
  const teardown = [
    "NetworkDriver.RevokeExternalConnectivity",
    "NetworkDriver.Leave",
    "NetworkDriver.Leave",
    "NetworkDriver.DeleteEndpoint",
    "NetworkDriver.DeleteNetwork",
  ];

  test.each(teardown)("%s of what was never made is success", async (method) => {
    expect(await adapter().call(method, ids)).toEqual({ status: 200, body: {} });
  });

  test("an endpoint of an unknown network is an error that says so", async () => {
    const { call } = adapter();
    const hint = "if that stays so, remove the network and create it again";
    const text = `network ${network} is not known; ${hint}`;
    expect(await call("NetworkDriver.CreateEndpoint", OTHERS.nullIpamEndpoint)).toEqual({
      status: 200,
      body: { Err: text, Error: text },
    });
  });

  test("a network that differs from the one with its id is a conflict", async () => {
    const { call } = adapter();
    await call("NetworkDriver.CreateNetwork", OTHERS.internalNetwork);
    expect((await call("NetworkDriver.CreateNetwork", OTHERS.nullIpam)).body["Err"]).toContain(
      "exists and differs",
    );
  });
});

describe("every method of the table", () => {
  const rows = Object.entries(METHODS).map(([name, method]) => [name, method.needsBody] as const);

  test.each(rows)("%s answers to an empty body", async (name, needsBody) => {
    const { status, body } = await adapter().call(name, "");
    const text = "the request has no body";
    if (needsBody) expect({ status, body }).toEqual({ status: 400, body: { Err: text, Error: text } });
    else expect({ status, failed: "Err" in body }).toEqual({ status: 200, failed: false });
  });

  test.each(rows.filter(([, needsBody]) => needsBody))("%s refuses what is no JSON object", async (name) => {
    for (const body of ["{", "nul", "[]", '"x"', "1", "\u0000", "{}}"]) {
      const answer = await adapter().call(name, body);
      expect(answer.status).toBe(400);
      expect(answer.body).toEqual({ Err: expect.any(String), Error: answer.body["Err"] });
    }
  });
});
