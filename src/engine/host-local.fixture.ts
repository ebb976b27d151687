import { newScene, type Scene } from "../store/host-local/scene.fixture.ts";
import { type HostLocalPools, hostLocalPools } from "./host-local.ts";

/** Pools on a disk, of which nothing is left afterwards. No netns is known to be alive. */
export interface PoolScene extends Scene {
  readonly pools: HostLocalPools;
}

export function newPoolScene(): PoolScene {
  const scene = newScene();
  const pools = hostLocalPools(
    (path) => scene.open({}, path),
    async () => undefined,
  );
  return { ...scene, pools };
}
