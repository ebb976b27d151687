import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import type { Body } from "../../src/daemon/api.ts";
import { linkNameOf } from "../../src/lib/ifname.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { must } from "../ground/run.ts";
import { until } from "../ground/until.ts";
import {
  addLan,
  createNetwork,
  deleteNetwork,
  done,
  endpointLife,
  idOf,
  jsonOf,
  statusOf,
} from "./docker-calls.ts";
import { type LoneDaemon, startLoneDaemon } from "./lone-daemon.ts";

/** What `underlay gc` finds and what it leaves alone, when records or containers are gone. */

const things = disposedAfterAll();
let daemon: LoneDaemon;
/** A container as far as links go: a process in a netns of its own. */
let container: Bun.Subprocess<"pipe", "ignore", "inherit">;

const NETWORK = idOf(1);
const [waiting, running, leaving] = [endpoint(2), endpoint(3), endpoint(4)];

interface Endpoint {
  readonly link: string;
  readonly owner: string;
  readonly life: ReturnType<typeof endpointLife>;
}

function endpoint(serial: number): Endpoint {
  const owner = `docker:${NETWORK}/${idOf(serial)}`;
  return { owner, link: linkNameOf(owner), life: endpointLife(NETWORK, idOf(serial), serial) };
}

/** An endpoint is stale after 400 ms, a link on its way to a container after ten times that. */
const FLAGS = ["--stale-after=400ms", "--reconcile-interval=1h"];

beforeAll(async () => {
  daemon = things.use(await startLoneDaemon(FLAGS));
  await addLan(daemon);
  container = Bun.spawn(["unshare", "--net", "cat"], { stdin: "pipe", stdout: "ignore", stderr: "inherit" });
  await until("the container has a netns of its own", async () => {
    const inside = await must(["nsenter", `--net=/proc/${container.pid}/ns/net`, "ip", "-o", "link"]);
    return !inside.includes("eth0") && inside.split("\n").length === 1;
  });
});
afterAll(async () => {
  container.stdin.end();
  await container.exited;
});

const inContainer = (...words: string[]) =>
  must(["nsenter", `--net=/proc/${container.pid}/ns/net`, "ip", ...words]);

async function provisioned(...endpoints: readonly Endpoint[]): Promise<void> {
  for (const { life } of endpoints) for (const call of [life.create, life.join]) await done(daemon, call);
}

/** As Docker does: over there, and then another name. */
async function moveToContainer({ link }: Endpoint): Promise<void> {
  await daemon.ip(`link set ${link} netns ${container.pid}`);
  await inContainer("link", "set", link, "name", "eth0", "up");
}

/** The process that keeps the daemon's netns. */
function holder(): number {
  return Number(daemon.netns.split("/")[2]);
}

async function gc(...flags: readonly string[]): Promise<readonly (readonly string[])[]> {
  const { actions } = await jsonOf<Body<"underlay.gc/v1">>(daemon, "gc", ...flags);
  return actions.map(({ what, subject }) => [what, subject]).sort();
}

async function names(): Promise<string[]> {
  return (await daemon.links()).map(({ ifname }) => ifname).sort();
}

describe("state that was lost while links of ours were there", () => {
  const STRANGERS = ["ul-stranger", "ul-abcdefghijkl", "mine"];

  test("costs the links that no container has, after two looks that are far enough apart, and no others", async () => {
    await done(daemon, createNetwork(NETWORK));
    await provisioned(waiting, running);
    await moveToContainer(running);
    // A name that is nearly ours with our words, our name without our words, our words alone.
    for (const name of STRANGERS) await daemon.ip(`link add link lan0 name ${name} type macvlan mode bridge`);
    for (const name of ["ul-stranger", "mine"])
      await must([
        "nsenter",
        `--net=${daemon.netns}`,
        "ip",
        "link",
        "set",
        name,
        "alias",
        `underlay ${waiting.owner}`,
      ]);
    await daemon.stop();
    rmSync(daemon.stateDir, { recursive: true });
    const all = await names();
    await daemon.start();
    expect(await statusOf(daemon)).toMatchObject({ networks: { total: 0 }, endpoints: { total: 0 } });
    expect(await names()).toEqual(all);

    const suspicion = ["suspect", waiting.link];
    expect(await gc("--dry-run")).toEqual([suspicion]);
    expect(await gc()).toEqual([suspicion]);
    expect(await names()).toEqual(all);

    const doomed = [["delete-link", waiting.link]];
    const since = performance.now();
    await until("it is stale", async () => Bun.deepEquals(await gc("--dry-run"), doomed), { everyMs: 100 });
    expect(performance.now() - since).toBeGreaterThan(3000);
    expect(await names()).toEqual(all);
    expect(await gc()).toEqual(doomed);
    expect(await names()).toEqual(all.filter((name) => name !== waiting.link));
    expect(await inContainer("-o", "link", "show", "eth0")).toContain(`underlay ${running.owner}`);
    expect(await gc()).toEqual([]);
  });

  test("is made good by what Docker says next: the end of a container that it knew, and a new one", async () => {
    await inContainer("link", "set", "eth0", "down");
    await inContainer("link", "set", "eth0", "name", running.link);
    await inContainer("link", "set", running.link, "netns", String(holder()));
    expect(await gc()).toEqual([["suspect", running.link]]);
    await done(daemon, running.life.remove);
    expect(await names()).not.toContain(running.link);
    expect(await gc()).toEqual([]);
    await done(daemon, createNetwork(NETWORK));
    await provisioned(running);
    await done(daemon, running.life.remove);
    expect(await names()).toEqual(["lan0", "lan1", "lo", ...STRANGERS].sort());
  });
});

describe("an endpoint", () => {
  const dropped = (endpoint: Endpoint) => [["drop-endpoint", endpoint.owner]];
  const suspected = (endpoint: Endpoint) => [["suspect", endpoint.owner]];

  test("whose container has its link is left alone, however long nobody speaks of it", async () => {
    await provisioned(running);
    await moveToContainer(running);
    const since = performance.now();
    while (performance.now() - since < 1200) expect(await gc()).toEqual([]);
    expect((await statusOf(daemon)).findings).toEqual([]);
  });

  test("whose container died with Docker is dropped after a while, and status tells", async () => {
    container.stdin.end();
    await container.exited;
    await until("its link died with its netns", async () => (await gc("--dry-run")).length > 0);
    expect(await gc()).toEqual(suspected(running));
    expect((await statusOf(daemon)).endpoints.total).toBe(1);
    await until("it is stale", async () => Bun.deepEquals(await gc("--dry-run"), dropped(running)));
    expect((await statusOf(daemon)).endpoints.total).toBe(1);
    expect(await gc()).toEqual(dropped(running));
    const status = await statusOf(daemon);
    expect(status).toMatchObject({ networks: { total: 1, degraded: 0 }, endpoints: { total: 0 } });
    expect(status.findings.map(({ id }) => id)).toEqual(["UL-R05"]);
    expect(await gc()).toEqual([]);
  });

  test("of which a crash left only the link's beginning is dropped with its link", async () => {
    await daemon.stop();
    await daemon.start({ env: { UNDERLAY_FAULT: "endpoint.provision.after-link:kill" } });
    await provisioned(waiting).catch(() => undefined);
    expect(await daemon.ended()).toBe("SIGKILL");
    await daemon.start();
    expect(await names()).toContain(waiting.link);
    expect(await gc()).toEqual(suspected(waiting));
    await until("it is stale", async () => Bun.deepEquals(await gc(), dropped(waiting)), { everyMs: 100 });
    expect(await names()).not.toContain(waiting.link);
    expect((await statusOf(daemon)).endpoints.total).toBe(0);
  });

  test("without any link is dropped with its network's removal, and gc has nothing left to do", async () => {
    await done(daemon, leaving.life.create);
    await done(daemon, deleteNetwork(NETWORK));
    expect(await statusOf(daemon)).toMatchObject({ networks: { total: 0 }, endpoints: { total: 0 } });
    expect(await gc()).toEqual([]);
  });
});
