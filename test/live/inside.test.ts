import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addLan, createNetwork, done, endpointLife, idOf, jsonOf } from "./docker-calls.ts";
import { startLoneDaemon } from "./lone-daemon.ts";
import { startSandbox } from "./sandbox.ts";

/** A container's end: its link is deleted where it is. One that goes on keeps it, until dockerd takes it. */

const NETWORK = idOf(1);

interface Endpoints {
  readonly endpoints: readonly { readonly state: string }[];
}

async function startedContainer() {
  await using undo = new AsyncDisposableStack();
  const daemon = undo.use(await startLoneDaemon());
  const sandbox = undo.use(await startSandbox());
  await addLan(daemon);
  const life = endpointLife(NETWORK, idOf(2), 7, sandbox.key);
  for (const call of [createNetwork(NETWORK), life.create, life.join]) await done(daemon, call);
  await sandbox.take(daemon);
  const links = async () => (await daemon.links()).map(({ ifname }) => ifname);
  const owned = undo.move();
  const states = async () => {
    const { endpoints } = await jsonOf<Endpoints>(daemon, "endpoint", "ls");
    return endpoints.map(({ state }) => state);
  };
  return { daemon, sandbox, life, states, links, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

test("Leave deletes the link in the container, and dockerd finds nothing to bring back", async () => {
  await using container = await startedContainer();
  const { daemon, sandbox, life, states } = container;
  expect(await sandbox.links()).toEqual(["eth0"]);
  await sandbox.end();
  await done(daemon, life.leave);
  expect(await sandbox.links()).toEqual([]);
  expect(await states()).toEqual(["declared"]);
  await done(daemon, life.leave);
  await done(daemon, life.remove);
  expect(await states()).toEqual([]);
});

test("a container that runs on keeps its link for dockerd, which knows nothing of a link that is gone", async () => {
  await using container = await startedContainer();
  const { daemon, sandbox, life, states, links } = container;
  await done(daemon, life.leave);
  expect(await sandbox.links()).toEqual(["eth0"]);
  expect(await states()).toEqual(["provisioned"]);
  await sandbox.giveBack(daemon);
  expect(await links()).toHaveLength(4);
  await done(daemon, life.remove);
  expect(await links()).toEqual(["lo", "lan1", "lan0"]);
  expect(await states()).toEqual([]);
});

test("a daemon that was killed meanwhile still knows where it is", async () => {
  await using container = await startedContainer();
  const { daemon, sandbox, life } = container;
  await daemon.kill9();
  await daemon.start();
  await sandbox.end();
  await done(daemon, life.leave);
  expect(await sandbox.links()).toEqual([]);
});

test("a link that only bears the alias, or only the group, is left alone", async () => {
  await using container = await startedContainer();
  const { daemon, sandbox, life, states } = container;
  await sandbox.end();
  await sandbox.ip("link set eth0 group 0");
  await sandbox.ip("link add other type veth peer name rehto");
  await sandbox.ip(`link set other group ${0x756c}`);
  await done(daemon, life.leave);
  expect((await sandbox.links()).sort()).toEqual(["eth0", "other", "rehto"]);
  expect(await states()).toEqual(["provisioned"]);
});

test("after it the container can join again, and the same address starts at once elsewhere", async () => {
  await using container = await startedContainer();
  const { daemon, sandbox, life } = container;
  await sandbox.end();
  await done(daemon, life.leave);
  await done(daemon, life.join);
  await sandbox.take(daemon);
  expect(await sandbox.links()).toEqual(["eth0"]);
  await done(daemon, life.leave);
  const other = endpointLife(NETWORK, idOf(3), 7, sandbox.key);
  for (const call of [other.create, other.join]) await done(daemon, call);
  await sandbox.take(daemon);
  expect(await sandbox.links()).toEqual(["eth0"]);
});

test("a sandbox that is gone, or a name without its mount, is no failure", async () => {
  const folder = mkdtempSync(join(tmpdir(), "underlay-inside-"));
  try {
    await using daemon = await startLoneDaemon();
    await addLan(daemon);
    await done(daemon, createNetwork(NETWORK));
    writeFileSync(join(folder, "unmounted"), "");
    for (const [serial, key] of [join(folder, "unmounted"), join(folder, "missing"), "/"].entries()) {
      const life = endpointLife(NETWORK, idOf(10 + serial), 10 + serial, key);
      for (const call of [life.create, life.join, life.leave, life.remove]) await done(daemon, call);
    }
    expect((await daemon.links()).map(({ ifname }) => ifname)).toEqual(["lo", "lan1", "lan0"]);
    expect(daemon.lines().filter((line) => /"level":"(warn|error)"/.test(line))).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
