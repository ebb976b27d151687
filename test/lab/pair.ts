import { IMAGE, LASTING } from "../ground/dockerd.ts";
import type { Lab } from "./scenario.ts";
import { quoted } from "./services.ts";

const PAIR = ["one", "two"] as const;
export type Name = (typeof PAIR)[number];

/** What a container's `network connect` gets besides the network and its name. */
export type Wishes = Readonly<Partial<Record<Name, readonly string[]>>>;

/** Two containers that go from network to network, since to connect one costs a third of what a start costs. */
export interface Pair {
  /** Starts both on a network, which has to stay: Docker asks for it at every connect. Two for a scenario's count. */
  start(network: string): Promise<void>;
  /** Both disconnected; they have only `lo` then. */
  leave(network: string): Promise<void>;
  /** `docker network create`, and both connected; undone when it is disposed of. */
  connect(network: string, create: readonly string[], wishes?: Wishes): Promise<AsyncDisposable>;
  /** Runs `docker`, which has to succeed. */
  docker(...args: readonly string[]): Promise<string>;
  /** What `docker` says when it fails. */
  refused(...args: readonly string[]): Promise<string>;
  /** Runs a program in a container's netns, which has to succeed: a tenth of what `docker exec` costs. */
  inside(name: Name, ...argv: readonly string[]): Promise<string>;
  pings(name: Name, ...addresses: readonly string[]): Promise<boolean[]>;
  /** What a ping says that is not even sent. */
  pingError(name: Name, address: string): Promise<string>;
  /** Where default routes of both families go: `via 10.77.0.1`, or `dev` for the link itself. */
  defaults(name: Name): Promise<string[]>;
  /** Addresses that are not link-local, with prefix length. */
  addresses(name: Name): Promise<string[]>;
  /** What the container's own name server says of a name that no container has. */
  lookUp(name: Name): Promise<string>;
}

const PRELUDE = `
  export DOCKER_HOST=unix:///run/docker.sock
  inside() { local pid; pid=$(cat "/run/pid-$1"); shift; nsenter -t "$pid" -n "$@"; }
`;

export function pairIn({ guest, services }: Lab): Pair {
  const shell = (script: string) => guest.must(PRELUDE + script);
  const docker: Pair["docker"] = (...args) => shell(`docker ${args.map(quoted).join(" ")}`);
  const inside: Pair["inside"] = (name, ...argv) => shell(`inside ${name} ${argv.map(quoted).join(" ")}`);
  const disconnects = (network: string) => PAIR.map((name) => `docker network disconnect ${network} ${name}`);
  return {
    docker,
    inside,
    refused: async (...args) => {
      const { code, stdout, stderr } = await guest.run(`${PRELUDE} docker ${args.map(quoted).join(" ")}`);
      if (code === 0) throw new Error(`docker ${args.join(" ")} succeeded: ${stdout}`);
      return stderr;
    },
    start: async (network) => {
      for (const name of PAIR) {
        await services.docker("run", "-d", "--name", name, "--network", network, IMAGE, ...LASTING);
        await shell(`docker inspect -f '{{.State.Pid}}' ${name} >/run/pid-${name}`);
      }
    },
    leave: async (network) => {
      await shell(disconnects(network).join("\n"));
    },
    connect: async (network, create, wishes = {}) => {
      const connects = PAIR.map((name) => {
        const words = (wishes[name] ?? []).map(quoted).join(" ");
        return `docker network connect ${words} ${network} ${name}`;
      });
      await shell(
        [`docker network create ${create.map(quoted).join(" ")} ${network}`, ...connects].join("\n"),
      );
      return {
        [Symbol.asyncDispose]: async () => {
          await shell([...disconnects(network), `docker network rm ${network}`].join("\n"));
        },
      };
    },
    pings: async (name, ...addresses) => {
      // Of IPv6 in mode l3 the guest's kernel loses the first packet in one start of some hundred, and no other.
      const ping = (address: string) => `inside ${name} busybox ping -c1 -W2 ${address} >&2`;
      const each = addresses.map(
        (address) => `${ping(address)} || ${ping(address)} && echo true || echo false`,
      );
      return (await shell(each.join("\n"))).split("\n").map((word) => word === "true");
    },
    pingError: async (name, address) => {
      const { stderr } = await guest.run(`${PRELUDE} inside ${name} busybox ping -c1 -W2 ${address}`);
      return stderr;
    },
    defaults: async (name) => {
      const show = ["ip route", "ip -6 route"].map((ip) => `inside ${name} ${ip} show default`);
      const routes = (await shell(show.join("\n"))).matchAll(/^default (via \S+|dev)/gm);
      return [...routes].map(([, target = ""]) => target);
    },
    addresses: async (name) => {
      const shown = await inside(name, "ip", "-o", "address", "show", "scope", "global");
      return [...shown.matchAll(/inet6? (\S+)/g)].map(([, address = ""]) => address);
    },
    lookUp: async (name) => {
      const ask = "busybox nslookup -type=a outside.example 127.0.0.11";
      return (await guest.run(`${PRELUDE} inside ${name} ${ask}`)).stdout;
    },
  };
}
