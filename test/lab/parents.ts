import { expect } from "bun:test";
import { DRIVER as MACVLAN } from "../ground/scene.ts";
import { createNetwork, type DockerCall, endpointLife, idOf } from "../live/docker-calls.ts";
import type { Lab } from "./scenario.ts";

/** Networks and endpoints of a guest without a dockerd: the calls are what it would say. */

export const IPVLAN = "underlay-ipvlan";
export const NETWORKS = [idOf(1), idOf(2), idOf(3)] as const;

export interface Shown {
  readonly ifname: string;
  readonly ifindex: number;
  readonly link?: string;
  readonly ifalias?: string;
  readonly altnames?: readonly string[];
  readonly flags: readonly string[];
  readonly linkinfo: { readonly info_data?: { readonly protocol: string; readonly id: number } };
}

/** The pools are 10.60.0.0/16, 10.61.0.0/16 and so on. */
function poolOf(network: string): string {
  return `10.${59 + Number.parseInt(network, 16)}.0.0/16`;
}

export function create(network: string, options: Readonly<Record<string, string>>): DockerCall {
  const [method, message] = createNetwork(network, options, poolOf(network));
  return [method, message];
}

/** Without a parent; `createNetwork` names one unless told otherwise. */
export function createAlone(network: string): DockerCall {
  const Options = { "com.docker.network.generic": {} };
  const [method, message] = create(network, {});
  return [method, { ...message, Options }];
}

export async function say({ services }: Lab, driver: string, ...calls: readonly DockerCall[]): Promise<void> {
  const answers = await services.calls(driver, calls);
  for (const answer of answers) expect(answer).not.toHaveProperty("Err");
}

export async function refusal({ services }: Lab, call: DockerCall): Promise<string> {
  const [answer] = await services.calls(MACVLAN, [call]);
  return String(answer?.["Err"] ?? `no refusal: ${JSON.stringify(answer)}`);
}

/** By their names. `ip` prints an empty object for each link of another kind. */
export async function shown({ guest }: Lab, kind: string): Promise<Shown[]> {
  const links: Shown[] = JSON.parse(await guest.must(`ip -j -d link show type ${kind}`));
  return links.filter(({ ifname = "" }) => ifname !== "").sort((a, b) => (a.ifname < b.ifname ? -1 : 1));
}

/** The module makes a `dummy0` of its own when it is loaded. */
export async function names(lab: Lab, kind: string): Promise<string[]> {
  return (await shown(lab, kind)).map(({ ifname }) => ifname).filter((name) => name !== "dummy0");
}

/** Of both families: the IPv6 pool is fd60::/64. */
export function createDual(network: string, options: Readonly<Record<string, string>>): DockerCall {
  const [method, message] = create(network, options);
  const Options = { "com.docker.network.enable_ipv6": true, "com.docker.network.generic": options };
  const IPv6Data = [{ AddressSpace: "LocalDefault", Pool: "fd60::/64", Gateway: "fd60::ffff/64" }];
  return [method, { ...message, Options, IPv6Data }];
}

/**
 * An endpoint, and what dockerd does with its link: it gets a netns of its own, `cN`, and its addresses; fd60::N on a
 * network of both families.
 */
export async function attach(
  lab: Lab,
  driver: string,
  network: string,
  host: number,
  families: "IPv4" | "both" = "IPv4",
): Promise<void> {
  const { join, ...life } = endpointLife(network, idOf(1000 + host), host, `/run/netns/c${host}`);
  const [method, message] = life.create;
  const AddressIPv6 = families === "both" ? `fd60::${host}/64` : "";
  const Interface = { ...message.Interface, AddressIPv6 };
  await lab.guest.must(`ip netns add c${host}`);
  const [created, joined] = await lab.services.calls(driver, [[method, { ...message, Interface }], join]);
  expect(created).not.toHaveProperty("Err");
  const name = srcNameOf(joined);
  await lab.guest.must(`
    ip link set ${name} netns c${host} name eth0
    ip -n c${host} address add 10.60.0.${host}/16 dev eth0
    [ -z '${AddressIPv6}' ] || ip -n c${host} address add '${AddressIPv6}' dev eth0 nodad
    ip -n c${host} link set eth0 up`);
}

function srcNameOf(joined: Record<string, unknown> | undefined): string {
  const found = /"SrcName":"([^"]+)"/.exec(JSON.stringify(joined));
  if (!found?.[1]) throw new Error(`no link was made: ${JSON.stringify(joined)}`);
  return found[1];
}

export async function detach(lab: Lab, driver: string, network: string, host: number): Promise<void> {
  const life = endpointLife(network, idOf(1000 + host), host);
  await say(lab, driver, life.leave, life.remove);
  await lab.guest.must(`ip netns del c${host}`);
}

export async function pings(lab: Lab, from: number, to: string): Promise<boolean> {
  const { code } = await lab.guest.run(`ip netns exec c${from} busybox ping -c1 -W2 ${to}`);
  return code === 0;
}

export async function healthy({ services }: Lab): Promise<boolean[]> {
  const { networks } = JSON.parse(await services.cli("network", "ls", "-o", "json"));
  return networks.map((network: { healthy: boolean }) => network.healthy);
}

export async function findings({
  services,
}: Lab): Promise<readonly { readonly id: string; readonly severity: string; readonly message: string }[]> {
  return JSON.parse(await services.cli("status", "-o", "json")).findings;
}
