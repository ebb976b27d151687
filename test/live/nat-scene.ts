import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ForwardFacts } from "../../src/lib/forward-facts.ts";
import { type Cidr, type Ip, parseCidr, parseIp } from "../../src/lib/ip.ts";
import type { LogFields, LogLevel } from "../../src/lib/log.ts";
import { forwardFacts } from "../../src/links/nat/forward-look.ts";
import type { Sysctls } from "../../src/links/nat/forwarding.ts";
import { type NatGateway, natGateway } from "../../src/links/nat/gateway.ts";
import type { NatNetwork, PublishedPort } from "../../src/links/nat/rules.ts";
import { Conversation } from "../../src/netlink/conversation.ts";
import { openNftablesEventSocket } from "../../src/netlink/nft-events.ts";
import { NETLINK_NETFILTER, openRequestSocket } from "../../src/netlink/open.ts";
import { listenInThread } from "../../src/netlink/thread.ts";
import { inlineTransport } from "../../src/netlink/transport.ts";
import { withNetns } from "../../src/sys/netns.ts";
import { openTestNetns, type TestNetns, testNetnsAt } from "../ground/netns.ts";
import { must, run } from "../ground/run.ts";

/**
 * A host that is a gateway: bridges that play those of Open vSwitch (the table does not care), containers behind them,
 * and a machine outside that knows no way to the containers.
 */

/** Of the uplink: the host's end and the machine outside. */
export const OUTSIDE = {
  host4: "192.0.2.1",
  machine4: "192.0.2.2",
  host6: "2001:db8:9::1",
  machine6: "2001:db8:9::2",
} as const;

/** What every server of the scene listens on. */
export const SERVED = 80;

export interface NatScene extends AsyncDisposable {
  readonly host: TestNetns;
  readonly outside: TestNetns;
  readonly gateway: NatGateway;
  readonly sysctls: Sysctls;
  readonly logged: readonly string[];
  /** A bridge with these gateway addresses, `10.1.0.1/24`. */
  bridge(name: string, ...gateways: readonly string[]): void;
  /** A container with addresses and default routes, which serves. */
  container(bridge: string, addresses: readonly string[], gateways: readonly string[]): Promise<TestNetns>;
  /** What the server there says of who called it, or how the call failed. */
  ask(from: TestNetns, protocol: "tcp" | "udp", host: string, port?: number): Promise<string>;
  /** Serves in a netns. */
  serve(where: TestNetns, ...ports: readonly number[]): Promise<void>;
}

export interface NatSceneOptions {
  /** A netns that is there already and plays the host; absent = a new one. */
  readonly at?: string;
  /** Makes a link a port of a bridge, which is there; absent = of a bridge of Linux's own, which is made. */
  readonly plugPort?: (bridge: string, port: string, container: TestNetns) => Promise<void>;
}

export async function openNatScene({ at, plugPort }: NatSceneOptions = {}): Promise<NatScene> {
  await using undo = new AsyncDisposableStack();
  const host = undo.use(at === undefined ? openTestNetns() : testNetnsAt(at));
  const outside = undo.use(openTestNetns());
  const { libc, netns } = host;
  const logged: string[] = [];
  const log = (level: LogLevel, message: string, fields: LogFields = {}) =>
    void logged.push(`${level} ${message} ${JSON.stringify(fields)}`);

  host.ip("link", "set", "lo", "up");
  outside.ip("link", "set", "lo", "up");
  plug(host, "up0", outside, "eth0");
  host.ip("address", "add", `${OUTSIDE.host4}/24`, "dev", "up0");
  host.ip("-6", "address", "add", `${OUTSIDE.host6}/64`, "dev", "up0", "nodad");
  outside.ip("address", "add", `${OUTSIDE.machine4}/24`, "dev", "eth0");
  outside.ip("-6", "address", "add", `${OUTSIDE.machine6}/64`, "dev", "eth0", "nodad");

  const firewall = new Conversation(inlineTransport(openRequestSocket(libc, NETLINK_NETFILTER, netns)));
  undo.defer(() => firewall.close());
  const sysctls = sysctlsIn(host);
  const gateway = natGateway({
    firewall: () => firewall,
    sysctls,
    log,
    // All the time, here.
    listen: () => Promise.resolve(),
  });
  const startWorker = () => new Worker(new URL("../../src/netlink/worker.ts", import.meta.url).href);
  const listening = await listenInThread(libc, startWorker, openNftablesEventSocket(libc, netns), {
    onEvent: gateway.onEvent,
    onOverrun: gateway.onOverrun,
    onError: (error) => void logged.push(error.message),
  });
  undo.defer(async () => {
    await listening.close();
    await gateway.settled();
  });

  // By its own path: what stands before it in the search path may take long to find it.
  const python = await must(["python3", "-c", "import sys; print(sys.executable)"]);
  const servers = undo.use(new AsyncDisposableStack());
  async function serve(where: TestNetns, ...ports: readonly number[]): Promise<void> {
    const server = Bun.spawn(
      ["nsenter", `--net=${where.path}`, python, ECHO, "serve", ...ports.map(String)],
      { stdin: "ignore", stdout: "pipe", stderr: "inherit" },
    );
    servers.defer(async () => {
      server.kill();
      await server.exited;
    });
    const { value } = await server.stdout.getReader().read();
    if (!value) throw new Error("a server ended before it listened");
  }

  await serve(outside, SERVED);
  const owned = undo.move();
  let links = 0;
  return {
    host,
    outside,
    gateway,
    sysctls,
    logged,
    serve,
    bridge(name, ...gateways) {
      if (!plugPort) host.ip("link", "add", name, "type", "bridge");
      // Where a kernel hands bridged frames to netfilter: it does not those of Open vSwitch.
      sysctls.write("bridge/bridge-nf-call-iptables", "0");
      sysctls.write("bridge/bridge-nf-call-ip6tables", "0");
      host.ip("link", "set", name, "up");
      for (const each of gateways) host.ip("address", "add", each, "dev", name, ...noDad(each));
    },
    async container(bridge, addresses, gateways) {
      const container = owned.use(openTestNetns());
      container.ip("link", "set", "lo", "up");
      const port = `port${links++}`;
      plug(host, port, container, "eth0");
      if (plugPort) await plugPort(bridge, port, container);
      else host.ip("link", "set", port, "master", bridge);
      for (const each of addresses) container.ip("address", "add", each, "dev", "eth0", ...noDad(each));
      for (const each of gateways) container.ip("route", "add", "default", "via", each);
      await serve(container, SERVED);
      return container;
    },
    async ask(from, protocol, address, port = SERVED) {
      const argv = ["nsenter", `--net=${from.path}`, python, ECHO, "ask", protocol, address, String(port)];
      return (await run(argv)).stdout.trim();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** What the doctor reads of the rules there. */
export async function lookAtForwarding(host: TestNetns, link: string): Promise<ForwardFacts> {
  const names = ["nsenter", `--net=${host.path}`, "cat", "/proc/thread-self/net/ip_tables_names"];
  const legacyTables = Bun.spawnSync(names).stdout.toString().split("\n");
  const socket = openRequestSocket(host.libc, NETLINK_NETFILTER, host.netns);
  const firewall = new Conversation(inlineTransport(socket));
  try {
    return await forwardFacts(firewall, { links: [{ name: link, families: [4, 6] }], legacyTables });
  } finally {
    firewall.close();
  }
}

const ECHO = join(import.meta.dir, "../ground/echo.py");

function noDad(address: string): string[] {
  return address.includes(":") ? ["nodad"] : [];
}

function plug(one: TestNetns, oneName: string, other: TestNetns, otherName: string): void {
  const into = `/proc/${process.pid}/fd/${other.netns.fd}`;
  one.ip("link", "add", oneName, "type", "veth", "peer", "name", otherName, "netns", into);
  one.ip("link", "set", oneName, "up");
  other.ip("link", "set", otherName, "up");
}

/** `/proc/sys/net` of the netns of whoever opens it. */
function sysctlsIn({ libc, netns }: TestNetns): Sysctls {
  const inside = <T>(work: () => T): T | undefined => {
    const done: { value?: T; thrown?: unknown } = {};
    withNetns(libc, netns, () => {
      try {
        done.value = work();
      } catch (thrown) {
        done.thrown = thrown;
      }
    });
    if (done.thrown instanceof Error && "code" in done.thrown && done.thrown.code === "ENOENT")
      return undefined;
    if (done.thrown !== undefined) throw done.thrown;
    return done.value;
  };
  const path = (name: string) => join("/proc/sys/net", name);
  return {
    read: (name) => inside(() => readFileSync(path(name), "utf8").trim()),
    write: (name, value) => void inside(() => writeFileSync(path(name), value)),
    list: (name) => inside(() => readdirSync(path(name))) ?? [],
  };
}

export function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (!parsed) throw new Error(text);
  return parsed;
}

export function ip(text: string): Ip {
  const parsed = parseIp(text);
  if (!parsed) throw new Error(text);
  return parsed;
}

/** `8080 -> 10.1.0.2:80/tcp`, or `192.0.2.1 8080 -> 10.1.0.2:80/tcp`; an IPv6 address in brackets. */
export function published(text: string): PublishedPort {
  const [, address, port, target = "", targetPort, protocol] =
    /^(?:(\S+) )?(\d+) -> \[?([^\]]+?)\]?:(\d+)\/(tcp|udp)$/.exec(text) ?? [];
  return {
    protocol: protocol === "udp" ? "udp" : "tcp",
    ...(address !== undefined && { hostAddress: ip(address) }),
    hostPort: Number(port),
    containerAddress: ip(target),
    containerPort: Number(targetPort),
  };
}

export function network(
  bridge: string,
  subnets: readonly string[],
  ports: readonly string[] = [],
  more: Partial<NatNetwork> = {},
): NatNetwork {
  return { id: `net-${bridge}`, bridge, subnets: subnets.map(cidr), ports: ports.map(published), ...more };
}
