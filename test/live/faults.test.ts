import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import { STEPS } from "../../src/engine/steps.ts";
import { isOurLinkName } from "../../src/lib/ifname.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import {
  addLan,
  createNetwork,
  type DockerCall,
  deleteNetwork,
  done,
  type EndpointLife,
  endpointLife,
  idOf,
  jsonOf,
  statusOf,
} from "./docker-calls.ts";
import { type LoneDaemon, startLoneDaemon } from "./lone-daemon.ts";
import { type Sandbox, startSandbox } from "./sandbox.ts";

/** The daemon dies at every step of the engine's table; Docker repeats the call that had no answer. */

const things = disposedAfterAll();
let daemon: LoneDaemon;
let sandbox: Sandbox;
let first: EndpointLife;
let walk: readonly DockerCall[];

beforeAll(async () => {
  sandbox = things.use(await startSandbox());
  // Of a container that runs nothing is deleted at Leave.
  await sandbox.end();
  first = endpointLife(NETWORK, idOf(2), 7, sandbox.key);
  walk = [
    createNetwork(NETWORK),
    first.create,
    first.join,
    first.leave,
    first.remove,
    deleteNetwork(NETWORK),
  ];
  daemon = things.use(await startLoneDaemon());
  await addLan(daemon);
  await daemon.stop();
});
afterEach(async () => {
  await daemon.kill9();
});

const NETWORK = idOf(1);
/** What a user who tries again makes: another endpoint, with the same address. */
const second = endpointLife(NETWORK, idOf(3), 7);

/** A call, and what dockerd does with the link after it or before it, whether or not it was answered. */
async function say(call: DockerCall): Promise<void> {
  if (call === first.remove) await sandbox.giveBack(daemon);
  await done(daemon, call);
  if (call === first.join) await sandbox.take(daemon);
}

/** Lets it die at the step; answers the calls that are to be repeated. */
async function dieAt(step: string): Promise<readonly DockerCall[]> {
  await daemon.start({ env: { UNDERLAY_FAULT: `${step}:kill` } });
  for (const [i, call] of walk.entries()) {
    const answered = await say(call).then(
      () => true,
      () => false,
    );
    if (answered) continue;
    expect([step, await daemon.ended()]).toEqual([step, "SIGKILL"]);
    return walk.slice(i);
  }
  throw new Error(`step ${step} was never reached`);
}

async function ourLinks(): Promise<string[]> {
  return (await daemon.links()).map(({ ifname }) => ifname).filter(isOurLinkName);
}

/** No record of anything, and no link. */
async function expectNothing(): Promise<void> {
  expect(await statusOf(daemon)).toMatchObject({
    networks: { total: 0, degraded: 0 },
    endpoints: { total: 0, provisioned: 0 },
    parents: [],
    findings: [],
  });
  expect((await jsonOf<{ actions: unknown[] }>(daemon, "gc", "--dry-run")).actions).toEqual([]);
  expect(await ourLinks()).toEqual([]);
}

describe.each(STEPS)("killed at %s", (step) => {
  test("it goes on where it was when the calls are repeated, and leaves nothing", async () => {
    const rest = await dieAt(step);
    await daemon.start();
    for (const call of rest) await say(call);
    await expectNothing();
  });

  test("the next container gets the same address", async () => {
    const [died, ...rest] = await dieAt(step);
    await sandbox.giveBack(daemon);
    await daemon.start();
    const networkLives = rest.length > 0;
    if (networkLives) {
      // Repeated when the network was not made; a no-op when it was.
      for (const call of [createNetwork(NETWORK), second.create, second.join]) await done(daemon, call);
      expect(await ourLinks()).toHaveLength(1);
      for (const call of [second.remove, first.remove, deleteNetwork(NETWORK)]) await done(daemon, call);
    } else {
      expect(died?.[0]).toBe("DeleteNetwork");
      await done(daemon, deleteNetwork(NETWORK));
    }
    await expectNothing();
  });
});
