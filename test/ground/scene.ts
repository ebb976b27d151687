import { clear } from "./clear.ts";
import { prepareUnderlay, type Underlay, type UnderlayOptions } from "./daemon.ts";
import { type Dockerd, IMAGE, LASTING, startDockerd } from "./dockerd.ts";
import { type Age, findEngine } from "./engines.ts";
import { type PrivateHost, startHost } from "./host.ts";

export const DRIVER = "underlay-macvlan";

/** The addresses of the LAN's router, on `lan1`. */
export const ROUTER = { v4: "10.77.0.1", v6: "fd77::1" } as const;

/** What the daemon has on record, as `-o json` tells it. */
export interface Records {
  readonly networks: readonly { readonly id: string; readonly healthy: boolean }[];
  readonly endpoints: readonly { readonly id: string; readonly state: string; readonly mac: string }[];
}

/** A host on a LAN with a dockerd and our daemon, both running. */
export interface Scene extends AsyncDisposable {
  readonly host: PrivateHost;
  readonly dockerd: Dockerd;
  readonly underlay: Underlay;
  /** `docker network create -d underlay-macvlan -o parent=lan0 …` */
  network(...args: string[]): Promise<string>;
  /** Starts a container that goes on until it is asked to stop. */
  container(name: string, ...args: string[]): Promise<void>;
  /** Runs a program in a container; it has to succeed. */
  exec(container: string, ...argv: string[]): Promise<string>;
  records(): Promise<Records>;
  /** Names of the links in the host's own netns. */
  links(): Promise<string[]>;
  /** Removes all containers, then all networks; throws when dockerd keeps one. */
  clear(): Promise<void>;
  /** Whether one ping is answered within two seconds. */
  pings(container: string, address: string): Promise<boolean>;
}

export async function startScene(age: Age, options: UnderlayOptions = {}): Promise<Scene> {
  const engine = await findEngine(age);
  const host = await startHost({ engine, routerAddresses: [`${ROUTER.v4}/24`, `${ROUTER.v6}/64`] });
  await using undo = new AsyncDisposableStack();
  undo.use(host);
  const underlay = prepareUnderlay(host);
  await underlay.start(options);
  const dockerd = await startDockerd(host);
  const owned = undo.move();
  return {
    host,
    dockerd,
    underlay,
    network: (...args) => dockerd.docker("network", "create", "-d", DRIVER, "-o", "parent=lan0", ...args),
    container: async (name, ...args) => {
      await dockerd.docker("run", "-d", "--name", name, ...args, IMAGE, ...LASTING);
    },
    exec: (container, ...argv) => dockerd.docker("exec", container, ...argv),
    records: async () => {
      const [networks, endpoints] = await Promise.all(
        ["network", "endpoint"].map(async (noun) => JSON.parse(await underlay.cli(noun, "ls", "-o", "json"))),
      );
      return { ...networks, ...endpoints };
    },
    links: async () => {
      const links: { ifname: string }[] = JSON.parse(await host.must(["ip", "-j", "link"]));
      return links.map((link) => link.ifname).sort();
    },
    clear: () => clear(dockerd, age),
    pings: async (container, address) => {
      const ping = await dockerd.tryDocker(["exec", container, "ping", "-c1", "-W2", address]);
      return ping.code === 0;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
