import { afterEach, beforeAll, beforeEach, expect } from "bun:test";
import { isOurLinkName } from "../../src/lib/ifname.ts";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { type Answer, type IpLink, type LoneDaemon, startLoneDaemon } from "./lone-daemon.ts";

/** An answer without anything in it: done. */
export const DONE: Answer = { status: 200, body: {} };

const V4 = { AddressSpace: "LocalDefault", Pool: "10.60.0.0/24", Gateway: "10.60.0.1/24" };
const V6 = { AddressSpace: "LocalDefault", Pool: "fd60::/64", Gateway: "fd60::1/64" };

export interface NetworkOptions {
  readonly options?: Readonly<Record<string, string>>;
  readonly internal?: true;
  readonly ipv6?: true;
}

export interface Endpoint {
  readonly ids: { readonly NetworkID: string; readonly EndpointID: string };
  readonly created: Answer;
  readonly joined: Answer;
}

/**
 * The daemon as dockerd meets it, without a dockerd: calls on the plugin socket, and `ip` to see what the kernel has.
 * `lan0` is the NIC, `lan1` its other end; both are new for every test. After each, networks are deleted and no link
 * of ours may be left. To be called at the top of a test file.
 */
export function pluginScene(): PluginScene {
  const scene = new PluginScene();
  const things = disposedAfterAll();
  beforeAll(async () => {
    scene.daemon = things.use(await startLoneDaemon());
  });
  beforeEach(() => scene.plugIn());
  afterEach(() => scene.clear());
  return scene;
}

export class PluginScene {
  #daemon: LoneDaemon | undefined;
  #serial = 0;
  readonly #made: string[] = [];

  get daemon(): LoneDaemon {
    if (this.#daemon === undefined) throw new Error("the scene has not begun");
    return this.#daemon;
  }
  set daemon(started: LoneDaemon) {
    this.#daemon = started;
  }

  async plugIn(): Promise<void> {
    await this.daemon.ip("link add lan0 type veth peer name lan1");
    await this.daemon.ip("link set lan0 up");
    await this.daemon.ip("link set lan1 up");
  }

  async clear(): Promise<void> {
    for (const id of this.#made.splice(0)) await this.daemon.call("DeleteNetwork", { NetworkID: id });
    const before = await this.daemon.links();
    // A child of lan0 goes with it.
    for (const name of ["odd0", "lan0"])
      if (before.some(({ ifname }) => ifname === name)) await this.daemon.ip(`link del ${name}`);
    expect(before.filter(({ ifname }) => isOurLinkName(ifname))).toEqual([]);
  }

  newId(): string {
    this.#serial++;
    return this.#serial.toString(16).padStart(64, "0");
  }

  async createNetwork(options?: NetworkOptions): Promise<string> {
    const id = this.newId();
    this.#made.push(id);
    expect(await this.daemon.call("CreateNetwork", networkMessage(id, options))).toEqual(DONE);
    return id;
  }

  /** What is wrong with a network that must be refused; nothing of it may remain. */
  async refusal(options: NetworkOptions): Promise<string> {
    const id = this.newId();
    const before = await this.linksInShort();
    const { status, body } = await this.daemon.call("CreateNetwork", networkMessage(id, options));
    expect([status, body["Err"]]).toEqual([200, body["Error"]]);
    expect(await this.linksInShort()).toEqual(before);
    const endpoint = await this.daemon.call("CreateEndpoint", endpointMessage(id, this.newId(), 2));
    expect(endpoint.body["Err"]).toContain("not known");
    return String(body["Err"]);
  }

  async createEndpoint(network: string, host: number, mac?: string): Promise<Endpoint> {
    const ids = { NetworkID: network, EndpointID: this.newId() };
    const message = endpointMessage(network, ids.EndpointID, host, mac);
    const created = await this.daemon.call("CreateEndpoint", message);
    const joined = await this.daemon.call("Join", {
      ...ids,
      SandboxKey: "/var/run/docker/netns/x",
      Options: {},
    });
    return { ids, created, joined };
  }

  async forget({ ids }: Endpoint): Promise<void> {
    expect(await this.daemon.call("DeleteEndpoint", ids)).toEqual(DONE);
  }

  async linkOf(endpoint: Endpoint): Promise<IpLink | undefined> {
    const name = linkNameOf(endpoint);
    return (await this.daemon.links()).find(({ ifname }) => ifname === name);
  }

  /** What a refused request could have changed; carrier and state settle in their own time. */
  async linksInShort(): Promise<unknown> {
    return (await this.daemon.links()).map(({ ifname, link, address, mtu }) => [ifname, link, address, mtu]);
  }
}

export function networkMessage(NetworkID: string, { options = {}, internal, ipv6 }: NetworkOptions = {}) {
  return {
    NetworkID,
    Options: {
      "com.docker.network.enable_ipv4": true,
      "com.docker.network.enable_ipv6": ipv6 ?? false,
      "com.docker.network.generic": { parent: "lan0", ...options },
      ...(internal && { "com.docker.network.internal": true }),
    },
    IPv4Data: [V4],
    IPv6Data: ipv6 ? [V6] : [],
  };
}

export function endpointMessage(NetworkID: string, EndpointID: string, host: number, MacAddress = "") {
  const Address = `10.60.0.${host}/24`;
  return { NetworkID, EndpointID, Interface: { Address, AddressIPv6: "", MacAddress }, Options: {} };
}

export function macOf({ created }: Endpoint): string {
  return JSON.stringify(created.body).match(/([0-9a-f]{2}:){5}[0-9a-f]{2}/)?.[0] ?? "none";
}

export function linkNameOf({ joined }: Endpoint): string {
  return JSON.stringify(joined.body).match(/"SrcName":"([^"]*)"/)?.[1] ?? "none";
}
