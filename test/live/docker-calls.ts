import { join } from "node:path";
import type { Body } from "../../src/daemon/api.ts";
import { until } from "../ground/until.ts";
import type { Answer, LoneDaemon } from "./lone-daemon.ts";

/** What dockerd says to a driver in the life of a network and an endpoint, and what the command line shows of it. */

export type Status = Body<"underlay.status/v1">;

/** One method of the plugin protocol with its message. */
export type DockerCall = readonly [method: string, message: object];

/** An id as Docker's are, 64 hex digits. */
export function idOf(serial: number): string {
  return serial.toString(16).padStart(64, "0");
}

export function createNetwork(
  network: string,
  options: Readonly<Record<string, string>> = {},
  pool = "10.60.0.0/16",
): DockerCall {
  const message = {
    NetworkID: network,
    Options: {
      "com.docker.network.enable_ipv6": false,
      "com.docker.network.generic": { parent: "lan0", ...options },
    },
    IPv4Data: [{ AddressSpace: "LocalDefault", Pool: pool, Gateway: pool.replace(/0\/(\d+)$/, "1/$1") }],
    IPv6Data: [],
  };
  return ["CreateNetwork", message];
}

/**
 * The calls of an endpoint's life, in Docker's order. `host`: number of its address in 10.60.0.0/16. `SandboxKey`: its
 * container's netns; without one there is none at that path.
 */
export function endpointLife(
  network: string,
  endpoint: string,
  host: number,
  SandboxKey = "/var/run/docker/netns/x",
) {
  const ids = { NetworkID: network, EndpointID: endpoint };
  const Address = `10.60.${host >> 8}.${host & 255}/16`;
  const Interface = { Address, AddressIPv6: "", MacAddress: "" };
  return {
    create: ["CreateEndpoint", { ...ids, Interface, Options: {} }],
    join: ["Join", { ...ids, SandboxKey, Options: {} }],
    leave: ["Leave", ids],
    remove: ["DeleteEndpoint", ids],
  } as const satisfies Readonly<Record<string, DockerCall>>;
}

export type EndpointLife = ReturnType<typeof endpointLife>;

export function deleteNetwork(network: string): DockerCall {
  return ["DeleteNetwork", { NetworkID: network }];
}

/** The same daemon, with what dockerd says on the socket of another driver. */
export function speakingTo(lone: LoneDaemon, driver: string): LoneDaemon {
  return { ...lone, call: (method, message) => callOf(lone, driver, method, message) };
}

async function callOf(
  { pluginDir }: LoneDaemon,
  driver: string,
  method: string,
  message?: object,
): Promise<Answer> {
  const response = await fetch(`http://plugin/NetworkDriver.${method}`, {
    method: "POST",
    unix: join(pluginDir, `${driver}.sock`),
    keepalive: false,
    body: JSON.stringify(message),
  });
  const body: Record<string, unknown> = JSON.parse(await response.text());
  return { status: response.status, body };
}

/** A call that must succeed. */
export async function done(daemon: LoneDaemon, [method, message]: DockerCall): Promise<Answer> {
  const answer = await daemon.call(method, message);
  if (answer.status !== 200 || answer.body["Err"] !== undefined)
    throw new Error(`${method}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer;
}

/** A call that must fail; answers what Docker would show. */
export async function refused(daemon: LoneDaemon, [method, message]: DockerCall): Promise<string> {
  const { body } = await daemon.call(method, message);
  if (typeof body["Err"] !== "string") throw new Error(`${method} succeeded: ${JSON.stringify(body)}`);
  return body["Err"];
}

export async function jsonOf<T>(daemon: LoneDaemon, ...verb: readonly string[]): Promise<T> {
  const { code, stdout, stderr } = await daemon.cli(...verb, "-o", "json");
  if (code !== 0) throw new Error(`exit ${code}: underlay ${verb.join(" ")}: ${stderr}`);
  return JSON.parse(stdout);
}

export function statusOf(daemon: LoneDaemon): Promise<Status> {
  return jsonOf<Status>(daemon, "status");
}

/** Waits until `underlay status` says so; answers that status. */
export async function untilStatus(
  what: string,
  daemon: LoneDaemon,
  holds: (status: Status) => boolean,
  withinMs?: number,
): Promise<Status> {
  const limit = withinMs === undefined ? {} : { withinMs };
  return until(
    what,
    async () => {
      const status = await statusOf(daemon);
      return holds(status) && status;
    },
    limit,
  );
}

/** `lan0`, which plays the NIC, and `lan1`, its other end; both up. */
export async function addLan(daemon: LoneDaemon): Promise<void> {
  await daemon.ip("link add lan0 type veth peer name lan1");
  await daemon.ip("link set lan1 up");
  await daemon.ip("link set lan0 up");
}
