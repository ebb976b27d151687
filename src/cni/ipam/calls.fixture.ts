import { newPoolScene, type PoolScene } from "../../engine/host-local.fixture.ts";
import type { Call, Conf, Plugin } from "../plugin.ts";
import { printResult } from "../result.ts";
import type { Version } from "../versions.ts";
import { hostLocal } from "./host-local.ts";

/** Calls of IPAM plugins as a runtime makes them, without a process. */

export function callOf(
  conf: Conf,
  more: { version?: Version; args?: string; container?: string } = {},
): Call {
  const { version = "1.0.0", args = "", container = "dummy" } = more;
  const name = typeof conf["name"] === "string" ? conf["name"] : "lannet";
  const env = {
    verb: "ADD",
    containerId: container,
    netns: "/some/where",
    ifname: "eth0",
    path: [],
    args,
  } as const;
  return { env, conf, raw: JSON.stringify(conf), name, version };
}

/** What a plugin prints for an ADD. */
export async function printed(plugin: Plugin, call: Call): Promise<unknown> {
  return JSON.parse(printResult(await plugin.add(call), call.version));
}

export interface HostLocalScene extends Disposable {
  readonly scene: PoolScene;
  /** `dataDir` of a configuration. */
  readonly dataDir: string;
  plugin(isDelegated?: boolean): Plugin;
}

/** `files`: what the plugin may read besides. */
export function hostLocalScene(files: Readonly<Record<string, string>> = {}): HostLocalScene {
  const scene = newPoolScene();
  return {
    scene,
    dataDir: scene.path.slice(0, scene.path.lastIndexOf("/")),
    plugin: (isDelegated = false) =>
      hostLocal({ pools: scene.pools, readText: (path) => files[path], isDelegated }),
    [Symbol.dispose]: () => scene[Symbol.dispose](),
  };
}
