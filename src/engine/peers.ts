import { asUnderlayError, type Problem, problemsError, UnderlayError } from "../lib/errors.ts";
import { ownerWords } from "../lib/owner.ts";
import type { Peer } from "../lib/peer.ts";
import type { TunnelSpec } from "../links/driver.ts";
import { type Context, endpointsOf, knownNetwork } from "./context.ts";
import type { Engine, PeerChange } from "./engine.ts";
import { networkKey } from "./networks.ts";
import type { OpenNetworks } from "./open-network.ts";
import { requireOtherHosts } from "./other-hosts.ts";
import { learntBy, type NetworkRecord, type PeerRecord } from "./records.ts";

/**
 * Hosts that a network learns of after it was made. They stand in its record, which is written before its tunnels are
 * made or taken away: whatever ends in the middle, the next look at the network makes them as the record says.
 */
export function peersOf(context: Context, ways: Pick<OpenNetworks, "prepare">): Engine["peers"] {
  const { networks, queues, drivers, step, log } = context;

  async function record(network: NetworkRecord, learnt: readonly PeerRecord[]): Promise<NetworkRecord> {
    const { learnt: _, ...rest } = network;
    const changed = learnt.length === 0 ? rest : { ...rest, learnt };
    await networks.put(changed);
    return changed;
  }

  /** Without the switch the tunnels cannot be put right now, and the next look at the network does it. */
  async function putBack({ owner, learnt = [] }: NetworkRecord, thrown: unknown): Promise<void> {
    const before = await record(knownNetwork(context, owner), learnt);
    const { code } = asUnderlayError(thrown);
    if (code !== "unreachable" && code !== "timeout") await ways.prepare(before);
  }

  async function requireReach(network: NetworkRecord, fresh: readonly Peer[]): Promise<void> {
    const { owner, spec } = network;
    const { mtu } = await requireOtherHosts(drivers, network, fresh);
    const has = spec.parent.how === "switch" ? spec.parent.mtu : mtu;
    if (mtu >= has || endpointsOf(context, owner).length === 0) return;
    throw new UnderlayError(
      "conflict",
      `the way to ${fresh.join(" and ")} leaves containers an MTU of ${mtu}, and those of network ${ownerWords(owner)} ` +
        `have ${has}: add it while the network has no containers, or make the network again with -o mtu=${mtu}`,
      { inputs: { network: owner } },
    );
  }

  async function add(owner: string, peers: readonly Peer[]): Promise<readonly PeerChange[]> {
    const network = knownNetwork(context, owner);
    const known = [...tunnelOf(network).peers, ...learntBy(network)];
    const asked = [...new Set(peers)];
    const fresh = asked.filter((peer) => !known.includes(peer));
    if (fresh.length > 0) await requireReach(network, fresh);
    const learntAt = new Date(context.clock()).toISOString();
    step("peers.add.before-record");
    const changed =
      fresh.length === 0
        ? network
        : await record(network, [
            ...(network.learnt ?? []),
            ...fresh.map((address) => ({ address, learntAt })),
          ]);
    step("peers.add.after-record");
    try {
      await ways.prepare(changed);
    } catch (thrown) {
      await using undo = new AsyncDisposableStack();
      if (fresh.length > 0) undo.defer(() => putBack(network, thrown));
      throw thrown;
    }
    step("peers.add.after-tunnels");
    if (fresh.length > 0) log("info", "peers were added", { network: owner, peers: fresh.join(" ") });
    return asked.map((address) => ({ address, outcome: fresh.includes(address) ? "added" : "there" }));
  }

  async function remove(owner: string, peers: readonly Peer[]): Promise<readonly PeerChange[]> {
    const network = knownNetwork(context, owner);
    const asked = [...new Set(peers)];
    const problems = asked.filter((peer) => tunnelOf(network).peers.includes(peer)).map(optionProblem);
    if (problems.length > 0) throw problemsError("conflict", problems, { network: owner });
    const gone = learntBy(network).filter((peer) => asked.includes(peer));
    step("peers.remove.before-record");
    const left = (network.learnt ?? []).filter(({ address }) => !gone.includes(address));
    const changed = gone.length === 0 ? network : await record(network, left);
    step("peers.remove.after-record");
    await ways.prepare(changed);
    step("peers.remove.after-tunnels");
    if (gone.length > 0) log("info", "peers were removed", { network: owner, peers: gone.join(" ") });
    return asked.map((address) => ({ address, outcome: gone.includes(address) ? "removed" : "absent" }));
  }

  return {
    add: (owner, peers) => queues.run([networkKey(owner)], () => add(owner, peers)),
    remove: (owner, peers) => queues.run([networkKey(owner)], () => remove(owner, peers)),
  };
}

function tunnelOf({ owner, kind, spec }: NetworkRecord): TunnelSpec {
  if (spec.tunnel !== undefined) return spec.tunnel;
  const why = kind === "ovs" ? "was created without -o vni=" : `is of kind ${kind}`;
  throw new UnderlayError(
    "invalid_request",
    `network ${ownerWords(owner)} ${why}: only networks on Open vSwitch with a vni have peers`,
    { inputs: { network: owner } },
  );
}

function optionProblem(peer: Peer): Problem {
  const words =
    "is a peer by the network's option peers, which stays as it was created; make the network again without it";
  return { subject: "peers", message: `${peer} ${words}` };
}
