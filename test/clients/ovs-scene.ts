import { afterEach, beforeAll, expect } from "bun:test";
import { disposedAfterAll } from "../ground/cleanup.ts";
import type { Age } from "../ground/engines.ts";
import { type Switch, startSwitch } from "../ground/ovs.ts";
import { type Scene, startScene } from "../ground/scene.ts";
import { until } from "../ground/until.ts";

/** A dockerd, our daemon and a switch on one host. */
export interface OnSwitch {
  readonly scene: Scene;
  readonly ovs: Switch;
  /** `docker network create -d underlay-ovs -o datapath=netdev …` */
  create(...args: string[]): Promise<string>;
  /** Ports of a bridge. */
  ports(bridge?: string): Promise<readonly string[]>;
}

/**
 * To be called where `beforeAll` may be called. After each test containers and networks are removed, and nothing of them
 * may be left: no record, no bridge, no link. `prepare`: what the host has beside.
 */
export function dockerOnSwitch(age: Age, prepare?: (scene: Scene) => Promise<void>): () => OnSwitch {
  const things = disposedAfterAll();
  let on: OnSwitch | undefined;
  const now = () => {
    if (!on) throw new Error("the scene has not begun");
    return on;
  };
  beforeAll(async () => {
    const scene = things.use(await startScene(age));
    await prepare?.(scene);
    on = onSwitch(scene, things.use(await startSwitch({ age, host: scene.host })));
  }, 600_000);
  afterEach(async () => {
    const { scene, ovs } = now();
    await scene.clear();
    await until("nothing is on record", async () => {
      const { networks, endpoints } = await scene.records();
      return networks.length + endpoints.length === 0;
    });
    expect(await ovs.vsctl("list-br")).toBe("");
    expect((await scene.links()).filter((name) => /^(ul|ovsbr)/.test(name))).toEqual([]);
  });
  return now;
}

function onSwitch(scene: Scene, ovs: Switch): OnSwitch {
  const { docker } = scene.dockerd;
  return {
    scene,
    ovs,
    create: (...args) => docker("network", "create", "-d", "underlay-ovs", "-o", "datapath=netdev", ...args),
    ports: async (bridge = "ovsbr-docker0") =>
      (await ovs.vsctl("list-ports", bridge)).split("\n").filter((port) => port !== ""),
  };
}
