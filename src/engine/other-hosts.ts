import { type Problem, problemsError } from "../lib/errors.ts";
import { contains, formatCidr, parseIp } from "../lib/ip.ts";
import type { Peer } from "../lib/peer.ts";
import type { Reach } from "../links/driver.ts";
import type { Context } from "./context.ts";
import { learntBy, type NetworkRecord, subnetsOf } from "./records.ts";

/**
 * What tunnels of the network to these hosts too would mean. Throws `invalid_option` with all that are no other hosts: what
 * goes into a tunnel to this one comes out of it again.
 */
export async function requireOtherHosts(
  drivers: Context["drivers"],
  network: NetworkRecord,
  peers: readonly Peer[],
): Promise<Reach> {
  const { owner, kind, spec } = network;
  const reach = await drivers[kind].reach(spec, owner, [...learntBy(network), ...peers]);
  const own = peers.filter((peer) => reach.own.includes(peer)).map(ownProblem);
  const problems = [...insideProblems(network, peers), ...own];
  if (problems.length > 0) throw problemsError("invalid_option", problems, { network: owner });
  return reach;
}

/** A tunnel would be sought in itself. */
function insideProblems(network: NetworkRecord, peers: readonly Peer[]): Problem[] {
  const pools = subnetsOf(network).map(({ pool }) => pool);
  return peers.flatMap((peer) => {
    const ip = parseIp(peer);
    const pool = ip && pools.find((each) => contains(each, ip));
    const words = `is in the network's own subnet ${pool && formatCidr(pool)}; a peer is the address of a host, not of a container`;
    return pool ? [{ subject: "peers", message: `${peer} ${words}` }] : [];
  });
}

function ownProblem(peer: Peer): Problem {
  return { subject: "peers", message: `${peer} is an address of this host; its peers are the other ones` };
}
