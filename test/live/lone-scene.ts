import { afterEach, beforeAll, beforeEach } from "bun:test";
import type { Body } from "../../src/daemon/api.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import {
  addLan,
  deleteNetwork,
  done,
  endpointLife,
  idOf,
  jsonOf,
  refused,
  type Status,
} from "./docker-calls.ts";
import { type IpLink, type LoneDaemon, startLoneDaemon } from "./lone-daemon.ts";

/** A daemon, a parent `lan0`, and containers that start on one network. For tests of what happens to the parent. */
export interface Lone {
  readonly daemon: LoneDaemon;
  /** A container starts, as far as a driver sees of it, and ends; answers the link that it had. */
  start(host?: number): Promise<IpLink | undefined>;
  /** A container fails to start; answers why. */
  startInVain(): Promise<string>;
  /** What `network ls` says of the network, to programs and to people. */
  shown(): Promise<{ healthy?: boolean | null; state?: string; findings?: readonly string[] }>;
}

export const NETWORK = idOf(1);
/**
 * How soon a change must show, in milliseconds. Half a second is what the daemon takes; the rest is for processes that
 * ask it on a machine that does other things as well.
 */
export const SOON = 4000;

const serial = { next: 1 };
/** A new endpoint on the network. `host`: number of its address, which is a new one unless told. */
export const nextLife = (host?: number) => endpointLife(NETWORK, idOf(++serial.next), host ?? serial.next);

export const degraded = (count: number) => (status: Status) => status.networks.degraded === count;
export const finds =
  (...ids: readonly string[]) =>
  (status: Status) =>
    Bun.deepEquals(
      status.findings.map(({ id }) => id),
      ids,
    );

/** To be called where `beforeAll` may be called; the scene is there when a test runs. */
export function loneScene(): () => Lone {
  const things = disposedAfterAll();
  let daemon: LoneDaemon | undefined;
  const scene = () => {
    if (!daemon) throw new Error("the daemon was not started");
    return lone(daemon);
  };
  beforeAll(async () => {
    // Only events can be what heals: the next look by the clock is far away.
    daemon = things.use(await startLoneDaemon(["--reconcile-interval=1h"]));
  });
  beforeEach(() => addLan(scene().daemon));
  afterEach(async () => {
    const { daemon: now } = scene();
    if (!now.isRunning()) await now.start();
    await done(now, deleteNetwork(NETWORK));
    for (const { ifname } of await now.links()) {
      const exists = (await now.links()).some((link) => link.ifname === ifname);
      if (exists && ifname !== "lo") await now.ip(`link del ${ifname}`);
    }
  });
  return scene;
}

function lone(daemon: LoneDaemon): Lone {
  return {
    daemon,
    async start(host) {
      const life = nextLife(host);
      await done(daemon, life.create);
      const { body } = await done(daemon, life.join);
      const name = JSON.stringify(body).match(/"SrcName":"([^"]*)"/)?.[1];
      const link = (await daemon.links()).find(({ ifname }) => ifname === name);
      await done(daemon, life.remove);
      return link;
    },
    async startInVain() {
      const life = nextLife();
      await done(daemon, life.create);
      const why = await refused(daemon, life.join);
      await done(daemon, life.remove);
      return why;
    },
    async shown() {
      const { networks } = await jsonOf<Body<"underlay.networks/v1">>(daemon, "network", "ls");
      const [network] = networks;
      const table = (await daemon.cli("network", "ls", "--noheading")).stdout;
      const state = /\b(degraded|active)\b/.exec(table)?.[1];
      return {
        ...(network && { healthy: network.healthy, findings: network.findings.map(({ id }) => id) }),
        ...(state !== undefined && { state }),
      };
    },
  };
}
