import { readFileSync } from "node:fs";
import { PLUGIN_KEYS } from "../../cni/keys/tables.ts";
import { SERVED_NAMES } from "../../cni/plugins.ts";
import { CONDITIONS } from "../../conditions/registry.ts";
import type { Config } from "../../daemon/config.ts";
import type { EndpointBody } from "../../daemon/endpoint-json.ts";
import type { NetworkRow } from "../../daemon/network-json.ts";
import type { PeerBody } from "../../daemon/peer-json.ts";
import { dockerdAt } from "../../docker/dockerd.ts";
import { chosen } from "../../docker/migrate/plan.ts";
import { asUnderlayError } from "../../lib/errors.ts";
import { isHostLinkName, isOurLinkName } from "../../lib/ifname.ts";
import { daemonClient, type Source } from "../client.ts";
import { hasRecords, offlineSource } from "../offline.ts";
import type { Candidate, Names } from "./candidates.ts";
import { SHELLS } from "./shells.ts";

/** Names that are not in our tables: those of this host, asked of the daemon, or of the records when none runs. */

/** Milliseconds; who presses a key waits for it. */
const PATIENCE = 1000;

const SHORT_ID = 12;

const FIXED: Readonly<Record<string, () => readonly Candidate[]>> = {
  SHELL: () => SHELLS.map((word) => ({ word, help: "" })),
  NAMES: () => SERVED_NAMES.map((word) => ({ word, help: PLUGIN_KEYS[word]?.title ?? "" })),
  ID: () => CONDITIONS.map(({ id, title }) => ({ word: id, help: title })),
};

type Live = (source: Source, before: readonly string[]) => Promise<readonly Candidate[]>;

const LIVE: Readonly<Record<string, Live>> = {
  NETWORK: async (source) => (await source.networkRows()).networks.map(networkName),
  ENDPOINT: async (source) => (await source.endpoints()).endpoints.map(endpointName),
  "ADDRESS...": hostsOfOthers,
  "PEER...": learntPeers,
  LINK: async (source) =>
    (await source.status()).parents.map(({ name, networks }) => ({
      word: name,
      help: `networks ${networks}`,
    })),
};

/** To add: hosts that other networks span; who spans one network with a host often does so with the next. */
async function hostsOfOthers(source: Source, [network = "", ...given]: readonly string[]) {
  const { peers } = await source.peers();
  const isOwn = ({ network_id, owner }: PeerBody) => network_id.startsWith(network) || owner === network;
  const there = [...given, ...peers.filter(isOwn).map(({ address }) => address)];
  const fresh = peers.map(({ address }) => address).filter((address) => !there.includes(address));
  return [...new Set(fresh)].map((word) => ({ word, help: "" }));
}

/** To remove: what was learnt. */
async function learntPeers(source: Source, [network = "", ...given]: readonly string[]) {
  const { peers } = await source.peers(network);
  return peers
    .filter(({ address, from }) => from === "learnt" && !given.includes(address))
    .map(({ address, port, state }) => ({ word: address, help: `${port} ${state}` }));
}

function networkName({ id, kind, parent, subnets }: NetworkRow): Candidate {
  const pools = subnets.map(({ pool }) => ` ${pool}`).join("");
  return { word: id.slice(0, SHORT_ID), help: `${kind} on ${parent}${pools}` };
}

function endpointName({ id, addresses, mac }: EndpointBody): Candidate {
  return { word: id.slice(0, SHORT_ID), help: [...addresses, ...(mac === null ? [] : [mac])].join(" ") };
}

/**
 * Says nothing and answers nothing when names cannot be had: a shell in the middle of a line has no place for an
 * error, and the command that is typed will tell it.
 */
export function hostNames(config: () => Promise<Config>): Names {
  return async (name, before) => {
    const fixed = FIXED[name];
    if (fixed) return fixed();
    if (name === MOVABLE) return await movable(config).catch(() => []);
    const live = LIVE[name];
    if (!live) return [];
    const found = await ask(config, (source) => live(source, before)).catch(() => []);
    return name === "LINK" ? [...found, ...otherLinks(found)] : found;
  };
}

/** Argument of `migrate docker`: networks that Docker has, by their names. */
const MOVABLE = "NETWORK...";

async function movable(config: () => Promise<Config>): Promise<readonly Candidate[]> {
  const { docker_socket } = (await config()).values;
  const networks = await dockerdAt(docker_socket, PATIENCE).networks();
  return chosen(networks, []).map(({ network, target }) => ({ word: network.Name, help: target.from }));
}

async function ask(
  config: () => Promise<Config>,
  live: (source: Source) => Promise<readonly Candidate[]>,
): Promise<readonly Candidate[]> {
  const { run_dir, state_dir } = (await config()).values;
  try {
    return await live(daemonClient(run_dir, PATIENCE));
  } catch (thrown) {
    const error = asUnderlayError(thrown);
    if (error.code !== "unreachable" || !hasRecords(state_dir)) throw error;
    return live(offlineSource(state_dir, error));
  }
}

/** Links of this netns by proc_net(5), without ours and without loopback: any of them may become a parent. */
function otherLinks(known: readonly Candidate[]): Candidate[] {
  const names = readFileSync("/proc/net/dev", "utf8").matchAll(/^\s*([^\s|]+):/gm);
  return [...names]
    .map(([, name = ""]) => name)
    .filter(
      (name) =>
        name !== "lo" &&
        !isOurLinkName(name) &&
        !isHostLinkName(name) &&
        !known.some(({ word }) => word === name),
    )
    .map((word) => ({ word, help: "" }));
}
