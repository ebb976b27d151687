import { expect } from "bun:test";
import { IMAGE, LASTING } from "../ground/dockerd.ts";
import { DRIVER as MACVLAN } from "../ground/scene.ts";
import { until } from "../ground/until.ts";
import type { GuestProcess } from "./guest.ts";
import { findings, healthy, IPVLAN } from "./parents.ts";
import type { Lab } from "./scenario.ts";

/** A container with a network on each kind of parent, and what there is to see of it from outside after a boot. */

export interface Place {
  readonly network: string;
  readonly driver: string;
  /** Words of `docker network create`. */
  readonly options: readonly string[];
  /** Third number of its subnet, 10.77.N.0/24: the router is .1, the container .10. */
  readonly subnet: number;
  /** How the router comes to it, with `lan1`; absent where nobody outside can. */
  readonly way?: string;
}

const link = (...words: readonly string[]) => `ip -n router link add link ${words.join(" ")}`;

export const PLACES = {
  plain: { network: "plain", driver: MACVLAN, options: ["-o", "parent=lan0"], subnet: 10, way: "lan1" },
  vlan: { network: "vlan", driver: MACVLAN, options: ["-o", "parent=lan0.50"], subnet: 50, way: "lan1.50" },
  qinq: {
    network: "qinq",
    driver: MACVLAN,
    options: ["-o", "parent=lan0.10.20", "-o", "vlan_protocol=802.1ad"],
    subnet: 20,
    way: "qinq",
  },
  ipvlan: {
    network: "ipvlan",
    driver: IPVLAN,
    options: ["-o", "parent=lan0.60"],
    subnet: 60,
    way: "lan1.60",
  },
  alone: { network: "alone", driver: MACVLAN, options: [], subnet: 99 },
} as const satisfies Readonly<Record<string, Place>>;

const ROUTER_LINKS = `
  ${link("lan1", "name lan1.50 type vlan id 50")}
  ${link("lan1", "name lan1.60 type vlan id 60")}
  ${link("lan1", "name lan1.10 type vlan protocol 802.1ad id 10")}
  ${link("lan1.10", "name qinq type vlan id 20")}
  for each in lan1.50 lan1.60 lan1.10 qinq; do ip -n router link set $each up; done`;

const addressOf = ({ subnet }: Place) => `10.77.${subnet}.10`;

/** The network's name and address, as `docker run` of both ages takes them with the first, and `network connect` with all. */
export async function makeNetworks({ services }: Lab, places: readonly Place[]): Promise<void> {
  for (const { network, driver, options, subnet } of places)
    await services.docker(
      ...["network", "create", "-d", driver, ...options],
      ...["--subnet", `10.77.${subnet}.0/24`, "--gateway", `10.77.${subnet}.1`, network],
    );
}

/** Runs `web`, which always comes back, with an address in each network. */
export async function runWeb({ services }: Lab, places: readonly Place[]): Promise<void> {
  const [first, ...others] = places;
  if (!first) throw new Error("it needs a network");
  await services.docker(
    ...["create", "--name", "web", "--restart=always", "--network", first.network, "--ip", addressOf(first)],
    ...[IMAGE, ...LASTING],
  );
  for (const place of others)
    await services.docker("network", "connect", "--ip", addressOf(place), place.network, "web");
  await services.docker("start", "web");
}

/** What is gone with each boot: the far ends. */
export async function prepareRouter({ guest }: Lab, places: readonly Place[]): Promise<void> {
  const addresses = places.flatMap(({ way, subnet }: Place) =>
    way === undefined ? [] : [`ip -n router address add 10.77.${subnet}.1/24 dev ${way}`],
  );
  await guest.must([ROUTER_LINKS, ...addresses].join("\n"));
}

/** Nobody did anything but switch it on and start the two programs. */
export async function expectAllBack(lab: Lab, places: readonly Place[]): Promise<void> {
  const outside = places.filter(({ way }: Place) => way !== undefined);
  const pings = outside.map((place) => `ip netns exec router busybox ping -c1 -W2 ${addressOf(place)}`);
  await until(
    "each address answers",
    async () => (await lab.guest.run(["set -e", ...pings].join("\n"))).code === 0,
    {
      withinMs: 60_000,
      everyMs: 1000,
    },
  );
  expect(await lab.services.docker("ps", "--format", "{{.Names}} {{.State}}")).toContain("web running");
  const links = await lab.guest.must(
    "nsenter -t $(docker -H unix:///run/docker.sock inspect -f '{{.State.Pid}}' web) -n ip -br address",
  );
  for (const place of places) expect(links).toContain(`${addressOf(place)}/24`);
  expect(await healthy(lab)).toEqual(places.map(() => true));
  expect(await findings(lab)).toEqual([]);
}

/** dockerd first, which finds no plugin; then our daemon. */
export async function startDockerdFirst(lab: Lab, waited: RegExp = /retrying in/): Promise<GuestProcess> {
  const dockerd = await lab.services.dockerdAlone(waited);
  await lab.services.underlay();
  return dockerd;
}
