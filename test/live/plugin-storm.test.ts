import { beforeAll, describe, expect, test } from "bun:test";
import { isOurLinkName } from "../../src/lib/ifname.ts";
import { type Random, randomOf } from "../fuzz/random.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { type LoneDaemon, startLoneDaemon } from "./lone-daemon.ts";

/**
 * Calls of all methods at random, many at once, on few networks, endpoints and addresses, so that every one meets
 * every other. No order is sensible; still each call is answered soon and in words, and when all is deleted nothing
 * is left. `UNDERLAY_FUZZ_SEED` repeats a run as far as the kernel's timing lets it.
 */

const seed = Number(process.env["UNDERLAY_FUZZ_SEED"] ?? Math.floor(Math.random() * 2 ** 32));
const CLIENTS = 16;
const CALLS = 150;

const NETWORKS = [1, 2] as const;
const ENDPOINTS = [1, 2, 3, 4] as const;
const HOSTS = [2, 3] as const;
/** How often each comes. Networks change seldom: a create takes its time, and all else would wait for it. */
const WEIGHTS = {
  CreateNetwork: 2,
  CreateEndpoint: 16,
  Join: 12,
  Leave: 2,
  EndpointOperInfo: 2,
  DeleteEndpoint: 8,
  DeleteNetwork: 1,
};

/** What may rightly stand against a call in such disorder. */
const MAY_SAY = [/ is not known to Underlay;/, / exists already with /, /is in use by endpoint /];

function isOdd(text: string): boolean {
  return !MAY_SAY.some((may) => may.test(text));
}

const things = disposedAfterAll();
let daemon: LoneDaemon;

beforeAll(async () => {
  process.stdout.write(`UNDERLAY_FUZZ_SEED=${seed}\n`);
  daemon = things.use(await startLoneDaemon());
  await daemon.ip("link add lan0 type veth peer name lan1");
  await daemon.ip("link set lan0 up");
});

describe("a storm of calls", () => {
  test("is answered in words, and leaves nothing", async () => {
    const random = randomOf(seed);
    const said = await storm(random);
    expect(said.filter(isOdd)).toEqual([]);
    await expectCalm();
  }, 60_000);

  test("with the daemon killed in it again and again leaves nothing either", async () => {
    const random = randomOf(seed + 1);
    for (let life = 0; life < 4; life++) {
      const before = daemon.lines().length;
      const raging = storm(random, { killed: true });
      await Bun.sleep(random.below(250));
      await daemon.kill9();
      expect((await raging).filter(isOdd)).toEqual([]);
      await daemon.start();
      expect(
        daemon
          .lines()
          .slice(before)
          .filter((line) => line.includes('"level":"error"')),
      ).toEqual([]);
    }
    await expectCalm();
  }, 60_000);
});

/** All clients at once; answers what was said against their calls. When the daemon is to be killed, that ends them. */
async function storm(random: Random, { killed = false } = {}): Promise<string[]> {
  const said: string[] = [];
  const client = async () => {
    for (let n = 0; n < CALLS; n++) {
      const [method, message] = anyCall(random);
      const started = performance.now();
      const answer = await daemon.call(method, message).catch((error: Error) => {
        if (!killed) throw error;
        return undefined;
      });
      if (answer === undefined) return;
      const { Err } = answer.body;
      if (Err !== undefined) said.push(String(Err));
      expect(performance.now() - started).toBeLessThan(9000);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return said;
}

function anyCall(random: Random): [string, object] {
  const network = random.pick(NETWORKS);
  const method = anyMethod(random);
  const ids = { NetworkID: `network${network}`, EndpointID: `endpoint${random.pick(ENDPOINTS)}` };
  const pool = `10.6${network}.0`;
  if (method === "CreateNetwork") return [method, networkMessage(ids.NetworkID, pool)];
  const Interface = { Address: `${pool}.${random.pick(HOSTS)}/24`, AddressIPv6: "", MacAddress: "" };
  return [method, { ...ids, Interface, SandboxKey: "/x", Options: {} }];
}

function anyMethod(random: Random): string {
  const methods = Object.entries(WEIGHTS).flatMap(([method, weight]) => Array<string>(weight).fill(method));
  return methods[random.below(methods.length)] ?? "Leave";
}

function networkMessage(NetworkID: string, pool: string) {
  return {
    NetworkID,
    Options: { "com.docker.network.generic": { parent: "lan0" } },
    IPv4Data: [{ AddressSpace: "LocalDefault", Pool: `${pool}.0/24`, Gateway: `${pool}.1/24` }],
    IPv6Data: [],
  };
}

/** Everything is deleted in any order; then nothing is there, and a network and an endpoint come and go as ever. */
async function expectCalm(): Promise<void> {
  const ids = NETWORKS.flatMap((network) =>
    ENDPOINTS.map((endpoint) => ({ NetworkID: `network${network}`, EndpointID: `endpoint${endpoint}` })),
  );
  const done = { status: 200, body: {} };
  const deletes = await Promise.all(
    ids.flatMap((each) => [daemon.call("DeleteEndpoint", each), daemon.call("DeleteNetwork", each)]),
  );
  expect(deletes.filter((answer) => !Bun.deepEquals(answer, done))).toEqual([]);
  expect((await daemon.links()).map(({ ifname }) => ifname).filter(isOurLinkName)).toEqual([]);
  for (const network of NETWORKS) {
    const pool = `10.6${network}.0`;
    const one = { NetworkID: `network${network}`, EndpointID: "calm" };
    const Interface = { Address: `${pool}.2/24` };
    expect(await daemon.call("CreateNetwork", networkMessage(one.NetworkID, pool))).toEqual(done);
    expect((await daemon.call("CreateEndpoint", { ...one, Interface })).body["Err"]).toBeUndefined();
    expect((await daemon.call("Join", one)).body["Gateway"]).toBe(`${pool}.1`);
    expect(await daemon.call("DeleteEndpoint", one)).toEqual(done);
    expect(await daemon.call("DeleteNetwork", one)).toEqual(done);
  }
}
